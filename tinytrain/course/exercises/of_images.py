"""Exercises on what happens to an image before a net sees it: moved at random, made upright."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Rows
from tinytrain.data import augment, deskew


def to_transform(draw: Draw) -> dict[str, Any]:
    """What is to happen to one or two images: some of turning, moving, sizing and slanting."""
    count = draw.integer(1, 2)

    def numbers(size: float, *shape: int) -> Tensor:
        drawn = size * draw.normal(*shape)
        return drawn if draw.integer(0, 1) else torch.zeros_like(drawn)

    parts = numbers(40, count), numbers(2, count, 2), numbers(0.3, count), numbers(0.3, count)
    height, width = draw.one_of((28, 28), (20, 30))
    return {"transform": augment.Transform(*parts), "height": height, "width": width}


AFFINE_GRID = Exercise(
    name="affine-grid",
    title="The affine grid of an augmentation",
    shipped=augment.sampling_matrix,
    why="To turn an image, every pixel of the result asks where in the source it comes from, so "
    "what is needed is the inverse of the turn; and places are counted from −1 to 1 whatever the "
    "image's size, so that a turned square stays one only if both sides are reckoned with.",
    hints=(
        "Each part has an inverse that is easily said: a turn by −angle, a size of "
        "exp(−scale), a slant by the opposite shear. y points down here, so that shearing to the "
        "right with the height above the centre is x − shear · y, and its inverse x + shear · y.",
        "The image is slanted, then sized, then turned, then moved; the source is found in the "
        "opposite order: the shift is subtracted first, then unslant @ unturn. In coordinates "
        "with y down a turn counter-clockwise is undone by [[cos, −sin], [sin, cos]].",
        "Pixels to units: x by 2 / width, y by 2 / height. In the matrix what leads from y to x "
        "is multiplied by height / width, from x to y by width / height; the shift becomes "
        "(2 right / width, 2 down / height), and the last column is −inverse @ shift.",
    ),
    arguments=to_transform,
    engine=engine.training,
    rungs=("net9-rotation", "final"),
    mistakes={
        "turns the other way": ("(cos, -sin, sin, cos)", "(cos, sin, -sin, cos)"),
        "sides are not reckoned with": (
            "(one, one * (height / width), one * (width / height), one)",
            "(one, one, one, one)",
        ),
        "larger is smaller": ("torch.exp(-transform.scale)", "torch.exp(transform.scale)"),
        "the shift in pixels": ("right * (2 / width), down * (2 / height)", "right, down"),
        "moved the other way": ("offset = -inverse", "offset = inverse"),
        "slanted last": ("(unslant @ unturn)", "(unturn @ unslant)"),
    },
)


def inked(draw: Draw) -> dict[str, Any]:
    """Small images with ink everywhere, in one row, or nowhere."""
    height, width = draw.integer(2, 4), draw.integer(2, 4)
    images = 255 * draw.normal(draw.integer(1, 2), 1, height, width).sigmoid()
    kind = draw.one_of("ink", "ink", "ink", "a row", "none")
    keep = {"ink": torch.ones(height, 1), "none": torch.zeros(height, 1)}
    keep["a row"] = torch.eye(height)[:, :1]
    return {"images": images * keep[kind]}


def upright() -> Rows:
    """Train on digits that were made upright."""
    return engine.training(deskew=True)


DESKEW = Exercise(
    name="deskew",
    title="The slant of a digit",
    shipped=deskew.slant,
    why="Every writer slants their digits in another way; what is undone before the training, no "
    "weight has to learn. The slant can be read off the ink, with no label and nothing learned.",
    hints=(
        "Ink is a weight of its place. Divide it by its sum, image by image (of an image without "
        "ink by 1: clamp(min=1)); then a mean is a sum of share · place.",
        "With x and y the mean column and row, counted from the middle, (size − 1) / 2: the "
        "covariance is the sum of share · (column − x) · (row − y), the variance that of "
        "share · (row − y)².",
        "The slope of x over y is covariance / variance; where the variance is not above 0.001 it "
        "is 0: torch.where(variance > 1e-3, covariance / variance, 0). Return it, and y.",
    ),
    arguments=inked,
    engine=upright,
    mistakes={
        "rows counted from the top": ("- (size - 1) / 2", "+ 0"),
        "not about the mean": (
            "column - x[:, None], row - y[:, None]",
            "column + 0 * x[:, None], row + 0 * y[:, None]",
        ),
        "nan without ink": (".clamp(min=1)", ""),
        "a slope where there is none": (
            "torch.where(variance > 1e-3, covariance / variance, 0)",
            "covariance / variance",
        ),
        "1 % too far": ("covariance / variance, 0)", "1.01 * covariance / variance, 0)"),
    },
)
