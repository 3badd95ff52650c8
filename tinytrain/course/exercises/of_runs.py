"""Exercises on how long a step is along the run, and what is kept of the weights of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tinytrain import nn, optim
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts


def progress(draw: Draw) -> dict[str, Any]:
    """A schedule and a place in the run, which may lie beyond its end."""
    total = draw.number(1, 20)
    place = draw.one_of(0.0, total, round(total * draw.number(0.9, 1.5), 3), draw.number(0, total))
    return {"total": total, "warmup": draw.one_of(0.2, draw.number(0, 0.9)), "epochs": place}


def factor(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The factor of the learning rate there."""
    schedule = made(arguments["total"], arguments["warmup"])
    return {"the factor": schedule(arguments["epochs"])}


WARMUP = Exercise(
    name="warm-up",
    title="Warm-up, and the fall to zero",
    shipped=optim.WarmupLinear,
    method="__call__",
    why="At the start the averages of Adam and of batch norm know nothing, so steps should be "
    "small; at the end the noise of the batches should die away, so they should be small again.",
    hints=(
        "First the share of the run that is done: epochs / total, held between 0 and 1.",
        "Below `warmup` the factor rises on a line from 0 to 1: share / warmup.",
        "After it falls on a line from 1 to 0: (1 − share) / (1 − warmup). With a warmup of 1 "
        "there is no fall: 1 at the very end.",
    ),
    arguments=progress,
    facts=factor,
    engine=engine.training,
    rungs=("falling",),
    mistakes={
        "the rise does not reach 1": ("progress / self.warmup", "progress"),
        "the fall begins below 1": ("(1 - progress) / (1 - self.warmup)", "(1 - progress)"),
        "below zero beyond the end": (
            "min(max(epochs / self.total, 0.0), 1.0)",
            "epochs / self.total",
        ),
        "epochs, not their share": ("max(epochs / self.total, 0.0)", "max(epochs, 0.0)"),
    },
)


def path(draw: Draw) -> dict[str, Any]:
    """What the weights are after each step, and how slowly the average forgets."""
    return {"values": draw.normal(4), "decay": draw.one_of(0.0, 0.2, 0.9)}


def averaged(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The average after each step; of what is counted, the count."""
    source = nn.BatchNorm2d(1)
    source.to(torch.float64)
    average = made(source, arguments["decay"])
    facts: Facts = {}
    for step, value in enumerate(arguments["values"].tolist(), 1):
        state = source.state_dict().items()
        source.load_state_dict({name: torch.full_like(held, value) for name, held in state})
        source.num_batches_tracked.fill_(step)
        average.update()
        for name in ("weight", "running_var", "num_batches_tracked"):
            facts[f"{name} after step {step}"] = average.net.state_dict()[name].clone()
    return facts | {"the weight that is averaged": source.weight.detach()}


AVERAGE = Exercise(
    name="average",
    title="The average of the weights",
    shipped=optim.ExponentialMovingAverage,
    method="update",
    why="At a high rate the weights jump about a good place and never rest there. Their mean over "
    "the last few hundred steps does, for one addition a step; of all that is tried on this "
    "ladder's nets it is what shows most.",
    hints=(
        "self.pairs has (average, value) for each weight and each statistic. Count the step "
        "first: self.steps.",
        "average ← average + w · (value − average), in place: average.lerp_(value, w), with "
        "w = 1 − decay. A count of batches, which is no floating-point number, is copied.",
        "In the first steps w is larger, so that the start is forgotten: the larger of 1 − decay "
        "and 9 / (10 + steps).",
    ),
    arguments=path,
    facts=averaged,
    engine=engine.training,
    rungs=("averaged",),
    mistakes={
        "the start stays": ("max(1 - self.decay, 9 / (10 + self.steps))", "1 - self.decay"),
        "remembers what it should forget": ("max(1 - self.decay,", "max(self.decay,"),
        "steps are not counted": ("self.steps += 1", "self.steps += 0"),
        "counts stay behind": ("average.copy_(value)", "average.copy_(average)"),
        "the weight is 1 % too large": ("lerp_(value, weight)", "lerp_(value, 1.01 * weight)"),
    },
)
