"""What is in a data set, seen at a glance: a row a class, images from all over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.data.datasets import Split
from tinytrain.plots.drawing import new_figure
from tinytrain.plots.tiles import seen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS, DOWN = 10, 64  # images in a row, and rows at most


def samples(split: Split, names: Sequence[str]) -> Figure:
    """Ten images of every class, evenly spread over its images; `names` are those of the classes.

    Beyond 64 classes the others are left out.
    """
    names = names[:DOWN]
    pictures = mosaic(split, len(names))
    height, width = pictures.shape[:2]
    middle = (split.images.shape[2] - 1) / 2
    figure = new_figure(7, 6 * height / width + 0.3)
    axes = figure.add_subplot()
    axes.imshow(pictures.numpy(), cmap="gray", vmin=0)
    rows = range(0, height, height // len(names))
    axes.set_yticks([row + middle for row in rows], names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    return figure


def mosaic(split: Split, classes: int) -> Tensor:
    """The images of `samples` side by side: (rows, columns) or, in colour, (rows, columns, 3).

    As numbers from 0 to 1, and between them nothing: NaN in grey, white in colour.
    """
    first = seen(split.images[0])
    height, width = (side + max(1, side // 14) for side in first.shape[:2])
    blank = 1.0 if first.ndim == 3 else torch.nan
    canvas = torch.full((classes * height, ACROSS * width, *first.shape[2:]), blank)
    for label in range(classes):
        found = (split.labels == label).nonzero()[:, 0]
        for column in range(min(ACROSS, len(found))):
            picture = seen(split.images[found[len(found) * column // ACROSS]])
            top, left = label * height, column * width
            canvas[top : top + len(picture), left : left + picture.shape[1]] = picture / 255
    return canvas
