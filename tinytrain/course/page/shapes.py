"""Geometry of two small pictures that the templates draw: seeds as points, a net as boxes."""

import math
import statistics
from dataclasses import dataclass

from tinytrain.course.ladder import Rung, layers_of
from tinytrain.nn import Conv2d, Linear, Module
from tinytrain.nn.functional import pair
from tinytrain.recipes import Recipe
from tinytrain.report.target import LAST_EPOCHS

# The axis of the points is logarithmic in the error: 99 % to 99.5 % is as far as 98 % to 99 %.
LOWEST, HIGHEST, WIDTH = 97.5, 99.7, 320.0  # percent, percent, pixels
TICKS = ("98", "98.5", "99", "99.4", "99.6")
WIDEST, TALLEST = 36, 100  # pixels: of a box, and of a map of 28


@dataclass(frozen=True)
class Points:
    """The mean accuracies of a rung's seeds and their interval, as places on the axis."""

    name: str
    places: list[float]
    interval: tuple[float, float] | None
    text: str


def points(rungs: list[Rung]) -> list[Points]:
    """A row of points for each rung that has a record."""
    rows = []
    for rung in rungs:
        if rung.record is None:
            continue
        seeds = rung.record.column("test_accuracy")
        means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in seeds]
        ends = rung.record.summary.interval
        interval = (place(ends[0]), place(ends[1])) if ends else None
        text = ", ".join(f"{mean:.2f}" for mean in sorted(means))
        rows.append(Points(rung.name, list(map(place, means)), interval, f"{rung.name}: {text} %"))
    return rows


def place(accuracy: float) -> float:
    """The distance of an accuracy, in percent, from the left end of the axis, in pixels."""
    ends = math.log(100 - LOWEST), math.log(100 - HIGHEST)
    error = math.log(max(100 - accuracy, 0.01))
    return WIDTH * min(max((ends[0] - error) / (ends[0] - ends[1]), 0), 1)


def ticks() -> list[tuple[str, float]]:
    """The numbers of the axis with their places."""
    return [(text, place(float(text))) for text in TICKS]


@dataclass(frozen=True)
class Box:
    """The output of a layer: as tall as the map's side, as wide as the root of its channels."""

    label: str
    channels: int
    side: int
    width: float
    height: float


def boxes(recipe: Recipe) -> list[Box]:
    """A box for the image and for each layer that changes its shape."""
    unchanged = "BatchNorm2d", "ReLU", "Dropout2d"
    rows = [row for row in layers_of(recipe) if type(row.layer).__name__ not in unchanged]
    return [box("image", (1, 28, 28)), *(box(label(row.layer), row.output_shape) for row in rows)]


def box(label: str, shape: tuple[int, ...]) -> Box:
    """The box of an output of shape (C, H, W) or (C,)."""
    side = shape[1] if len(shape) == 3 else 1
    width = min(3 + 3 * math.sqrt(shape[0]), WIDEST)
    return Box(label, shape[0], side, width, max(TALLEST * side / 28, 3))


def label(layer: Module) -> str:
    """The layer in a few letters: 3×3 d2, max 2."""
    if isinstance(layer, Conv2d):
        down, across = layer.kernel_size
        return f"{down}×{across}" + (f" d{layer.dilation[0]}" if max(layer.dilation) > 1 else "")
    if isinstance(layer, Linear):
        return "linear"
    kind = type(layer).__name__
    name = "max" if kind.startswith("Max") else "mean" if "AvgPool" in kind else "frame"
    size = getattr(layer, "kernel_size", None)
    return f"{name} {pair(size)[0]}" if size else name
