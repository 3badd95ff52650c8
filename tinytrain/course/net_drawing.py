"""A net as a row of boxes: how its maps shrink while their number grows.

Drawn from the net itself. A box is as tall as its map has pixels and as wide as it has channels
(by their root, or 128 would not fit beside 8); batch norm, ReLU and dropout change neither, and
are named with the layer that they follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinytrain.course.ladder import layers_of
from tinytrain.nn import Conv2d, Linear, Module
from tinytrain.nn.functional import pair
from tinytrain.recipes import Recipe

WIDEST, TALLEST = 36, 100  # pixels: of a box, and of a map of 28


@dataclass(frozen=True)
class Box:
    """What a layer gives: `label` names the layer, `after` what follows it; sizes in pixels."""

    label: str
    after: str
    channels: int
    side: int
    width: float
    height: float


def boxes(recipe: Recipe) -> list[Box]:
    """A box for the image and for each layer that changes its shape, from left to right."""
    found: list[tuple[str, list[str], tuple[int, ...]]] = [("image", [], (1, 28, 28))]
    for row in layers_of(recipe):
        kind = type(row.layer).__name__
        if kind in FOLLOWING:
            found[-1][1].append(FOLLOWING[kind])
        else:
            found.append((label(row.layer), [], row.output_shape))
    return [box(*one) for one in found]


FOLLOWING = {"BatchNorm2d": "norm", "ReLU": "ReLU", "Dropout2d": "dropout"}
POOLING = {"MaxPool2d": "max", "AvgPool2d": "mean", "AdaptiveAvgPool2d": "mean"}


def label(layer: Module) -> str:
    """The layer in a few letters."""
    if isinstance(layer, Conv2d):
        down, across = layer.kernel_size
        return f"{down}×{across}" + (f" d{layer.dilation[0]}" if max(layer.dilation) > 1 else "")
    if isinstance(layer, Linear):
        return "linear"
    kind = type(layer).__name__
    size = getattr(layer, "kernel_size", None)
    return POOLING.get(kind, "frame") + (f" {pair(size)[0]}" if size else "")


def box(label: str, after: list[str], shape: tuple[int, ...]) -> Box:
    """The box of what a layer gives, of `shape` (C, H, W) or (C,)."""
    side = shape[1] if len(shape) == 3 else 1
    width = min(3 + 3 * math.sqrt(shape[0]), WIDEST)
    return Box(label, ", ".join(after), shape[0], side, width, max(TALLEST * side / 28, 3))
