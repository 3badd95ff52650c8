"""The seeds of two rungs as points above one another, on one axis for the whole course.

A mean hides how far its seeds lie apart; the points show it, and the bar how well the mean is
known. The axis is that of the error, by its logarithm, so that from 99 % to 99.5 % is as far as
from 98 % to 99 %.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from tinytrain.course.ladder import Rung
from tinytrain.train.target import LAST_EPOCHS

LOWEST, HIGHEST, WIDTH = 97.5, 99.7, 320.0  # percent, percent, pixels
TICKS = ("98", "98.5", "99", "99.4", "99.6")


@dataclass(frozen=True)
class Row:
    """A rung's seeds: `points` are places on the axis, as are both ends of the interval."""

    name: str
    points: list[float]
    interval: tuple[float, float] | None
    text: str


def place(accuracy: float) -> float:
    """Where an accuracy, in percent, lies on the axis, in pixels from its left."""
    ends = math.log(100 - LOWEST), math.log(100 - HIGHEST)
    error = math.log(max(100 - accuracy, 0.01))
    return WIDTH * min(max((ends[0] - error) / (ends[0] - ends[1]), 0), 1)


def rows(rungs: list[Rung]) -> list[Row]:
    """A row for each rung that has a record."""
    found = []
    for rung in rungs:
        if rung.record is None:
            continue
        seeds = rung.record.column("test_accuracy")
        means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in seeds]
        ends = rung.record.summary.interval
        interval = (place(ends[0]), place(ends[1])) if ends else None
        said = ", ".join(f"{mean:.2f}" for mean in sorted(means))
        found.append(Row(rung.name, list(map(place, means)), interval, f"{rung.name}: {said} %"))
    return found


def ticks() -> list[tuple[str, float]]:
    """The axis's numbers with their places."""
    return [(text, place(float(text))) for text in TICKS]
