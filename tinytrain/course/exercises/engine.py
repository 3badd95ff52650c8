"""The learner's function goes to work: in its place in the engine, and the engine trains.

For as long as `in_place_of` lasts, every file of the package that names the shipped function finds
the other one there. That is done in the process of a check, which ends with it; nothing of the
package knows.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain import nets, nn, optim, streams
from tinytrain.course.exercises.compare import Borrowed
from tinytrain.course.exercises.exercise import Exercise, Rows
from tinytrain.data import datasets
from tinytrain.data.datasets import Dataset
from tinytrain.nn import functional
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.store import synthetic
from tinytrain.store.sources import SOURCES
from tinytrain.train import build
from tinytrain.train.loop import fit
from tinytrain.train.state import Batch, Training

TRAINED, TESTED, PARTS = 502, 200, 4  # images, and the parts of an epoch that have a loss each
RECIPE = replace(RECIPES["final"], epochs=2, batch_size=32)
STUDY = "tinytrain.course.exercises."  # this folder, which goes on naming the shipped function


@contextmanager
def in_place_of(shipped: tuple[Any, ...], other: Any) -> Iterator[None]:
    """Within this context all names in the package for one of `shipped` are names for `other`."""
    places = [
        (module, name, value)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith("tinytrain.") and not module_name.startswith(STUDY)
        for name, value in list(vars(module).items())
        if any(value is one for one in shipped)
    ]
    for module, name, _ in places:
        setattr(module, name, other)
    try:
        yield
    finally:
        for module, name, value in places:
            setattr(module, name, value)


def out_of_reach(exercise: Exercise) -> Any:
    """What stands where the shipped function was while the learner's is checked: it raises."""

    def borrowed(*args: Any, **kwargs: Any) -> Any:
        raise Borrowed(f"tinytrain's own {exercise.function}")

    shipped = exercise.shipped
    if not exercise.method:
        return borrowed
    static = isinstance(vars(shipped)[exercise.method], staticmethod)
    methods = {exercise.method: staticmethod(borrowed) if static else borrowed}
    return type(shipped.__name__, (shipped,), methods)


def both(exercise: Exercise, made: Any) -> tuple[Rows, Rows]:
    """What the engine shows with the shipped function, and with `made` in its place."""
    right = timed(exercise)
    with in_place_of((exercise.shipped, *exercise.replaces), made):
        return right, timed(exercise)


def timed(exercise: Exercise) -> Rows:
    """What the engine shows, and how long it took."""
    started = time.perf_counter()
    rows = exercise.engine()
    return {**rows, "seconds": [time.perf_counter() - started]}


def drawn(recipe: Recipe) -> Dataset:
    """Digits, written into files and read again, as every data set is."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "synthetic"
        place.mkdir()
        synthetic.write_files(place, train=TRAINED, test=TESTED)
        return datasets.load_source(SOURCES["synthetic"], Path(folder), deskew=recipe.deskew)


class InDouble(nn.Module):
    """What it is given, as float64."""

    def forward(self, input: Tensor) -> Tensor:
        return input.double()


def training(**changes: Any) -> Rows:
    """Train on drawn digits: the loss on the way, and the accuracy after every epoch.

    In float64: two ways to compute the same thing differ in the last of 16 digits, and a hundred
    steps later still in none that is shown. In float32 they would part, as two seeds do.
    """
    recipe = replace(RECIPE, **changes)
    dataset = drawn(recipe)
    net = nets.build(recipe.net, recipe.dropout, streams.generator(1, "weights"))
    net = nn.Sequential(InDouble(), net).to(torch.float64)
    state = Training(
        net=net,
        optimizer=build.new_optimizer(recipe, net),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=build.new_schedule(recipe),
        augmentation=build.new_augmentation(recipe),
        ema=optim.ExponentialMovingAverage(net, recipe.ema) if recipe.ema else None,
        loss=functional.nll_loss,
    )
    losses: list[float] = []
    rows: Rows = {"loss": [], "test loss": [], "test accuracy, %": []}
    for event in fit(state, dataset):
        if isinstance(event, Batch):
            losses.append(float(event.loss))
            continue
        size = max(1, -(-len(losses) // PARTS))
        parts = [losses[start : start + size] for start in range(0, len(losses), size)]
        rows["loss"] += [sum(part) / len(part) for part in parts]
        rows["test loss"].append(event.test_loss)
        rows["test accuracy, %"].append(event.test_accuracy)
        losses = []
    return rows


def alike(right: Rows, yours: Rows) -> bool:
    """Whether the two show the same numbers, but for how long they took."""
    return all(
        in_digits(numbers) == in_digits(yours.get(name, []))
        for name, numbers in right.items()
        if name != "seconds"
    )


def in_digits(row: list[float]) -> str:
    """The numbers of a row, as they are shown."""
    return " ".join(f"{number:7.4g}" for number in row)


def as_text(right: Rows, yours: Rows) -> str:
    """Two rows of numbers a name, the right one's first, with a curve where there are several."""
    width = max(map(len, right)) + 2
    lines = []
    for name, numbers in right.items():
        own = yours.get(name, [])
        for whose, row in (("right", numbers), ("yours", own)):
            shown = in_digits(row)
            curve = f"  {bars(row, [*numbers, *own])}" if len(row) > 3 else ""
            label = name if whose == "right" else ""
            lines.append(f"  {label:<{width}}{whose}  {shown}{curve}")
    return "\n".join(lines)


def bars(row: list[float], all_numbers: list[float]) -> str:
    """A curve of characters, from the lowest of all numbers to the highest."""
    finite = [number for number in all_numbers if abs(number) < 1e30]
    low, high = min(finite, default=0), max(finite, default=1)
    marks = "▁▂▃▄▅▆▇█"
    heights = [(number - low) / ((high - low) or 1) for number in row]
    return "".join(marks[round(7 * height)] if 0 <= height <= 1 else "?" for height in heights)
