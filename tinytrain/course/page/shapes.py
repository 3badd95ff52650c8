"""Geometry of two small pictures that the templates draw: seeds as points, a net as boxes."""

import math
import statistics
from typing import Any

from tinytrain.course.ladder import Rung, layers_of
from tinytrain.nn import Conv2d, Linear, Module
from tinytrain.nn.functional import pair
from tinytrain.recipes import Recipe
from tinytrain.report.target import LAST_EPOCHS

# The axis of the points is logarithmic in the error: 99 % to 99.5 % is as far as 98 % to 99 %.
LOWEST, HIGHEST, WIDTH = 97.5, 99.7, 320.0  # percent, percent, pixels
TICKS = ("98", "98.5", "99", "99.4", "99.6")
WIDEST, TALLEST = 36, 100  # pixels: of a box, and of a map of 28


def points(rungs: list[Rung]) -> list[dict[str, Any]]:
    """For each rung that has a record: its seeds' means, and their interval, as places."""
    rows = []
    for rung in rungs:
        if rung.record:
            seeds = rung.record.column("test_accuracy")
            means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in seeds]
            interval = [place(end) for end in rung.record.summary.interval or ()]
            text = f"{rung.name}: {', '.join(f'{mean:.2f}' for mean in sorted(means))} %"
            places = [*map(place, means)]
            rows.append(dict(name=rung.name, places=places, interval=interval, text=text))
    return rows


def place(accuracy: float) -> float:
    """The distance of an accuracy, in percent, from the left end of the axis, in pixels."""
    ends = math.log(100 - LOWEST), math.log(100 - HIGHEST)
    error = math.log(max(100 - accuracy, 0.01))
    return WIDTH * min(max((ends[0] - error) / (ends[0] - ends[1]), 0), 1)


def ticks() -> list[tuple[str, float]]:
    """The numbers of the axis with their places."""
    return [(text, place(float(text))) for text in TICKS]


def boxes(recipe: Recipe) -> list[dict[str, Any]]:
    """A box for the image and for each layer that changes its shape."""
    unchanged = "BatchNorm2d", "ReLU", "Dropout2d"
    rows = [row for row in layers_of(recipe) if type(row.layer).__name__ not in unchanged]
    return [box("image", (1, 28, 28)), *(box(label(row.layer), row.output_shape) for row in rows)]


def box(label: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """An output (C, H, W) or (C,): as tall as the map's side, as wide as the root of channels."""
    channels, side = shape[0], shape[1] if len(shape) == 3 else 1
    width, height = min(3 + 3 * math.sqrt(channels), WIDEST), max(TALLEST * side / 28, 3)
    return dict(label=label, channels=channels, side=side, width=width, height=height)


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
