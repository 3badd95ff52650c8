"""Exercises: functions to be written anew, each checked against the shipped one.

Each file here is one exercise: its docstring is the task and the hints, and its other names are
fields of `Exercise`. The first are those of `course.by_hand`, the others functions of the engine.
`checking` makes the learner's files and checks them.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports torch, which the names alone do not need
    from tinytrain.course.exercises.checking.exercise import Exercise

NAMES = (  # from nothing to a gradient, then in the order of the engine
    "value",
    "gradient-check",
    "softmax-loss",
    "linear-backward",
    "convolution-backward",
    "idx-header",
    "steps",
    "shuffle",
    "normalise",
    "output-size",
    "receptive-field",
    "parameters",
    "convolution",
    "max-pool",
    "log-softmax",
    "loss",
    "batch-norm",
    "batch-norm-backward",
    "dropout",
    "sgd",
    "adam",
    "newton-schulz",
    "warm-up",
    "average",
    "resume",
    "affine-grid",
    "deskew",
    "interval",
    "verdict",
)


def file_name(name: str) -> str:
    """The file of an exercise, here and in the learner's folder: max_pool.py for max-pool."""
    return f"{name.replace('-', '_')}.py"


def exercise(name: str) -> Exercise:
    """The exercise of that name, one of `NAMES`."""
    from tinytrain.course.exercises.checking.exercise import Exercise

    module = vars(import_module(f"{__name__}.{file_name(name).removesuffix('.py')}"))
    fields = {key: module[key] for key in Exercise.__dataclass_fields__ if key in module}
    text = [" ".join(part.split()) for part in re.split(r"\n+[123]\. |\n\n", module["__doc__"])]
    title, why, *hints = text
    return Exercise(name=name, title=title.removesuffix("."), why=why, hints=hints, **fields)


def exercises() -> list[Exercise]:
    """All exercises, in the order of `NAMES`."""
    return [exercise(name) for name in NAMES]
