"""Images of a data set: some of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.data.datasets import Split
from tinytrain.plots.drawing import new_figure, viewable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_A_ROW, MOST_CLASSES = 10, 64


def samples(split: Split, names: Sequence[str]) -> Figure:
    """Draw ten images of each class, evenly spread over its images, a row a class.

    `names`: of the classes; those after the 64th are left out.
    """
    names = names[:MOST_CLASSES]
    image = mosaic(split, len(names))
    height, width = image.shape[:2]
    middle = (split.images.shape[2] - 1) / 2
    figure = new_figure(7, 6 * height / width + 0.3)
    axes = figure.add_subplot()
    axes.imshow(image.numpy(), cmap="gray", vmin=0)
    rows = range(0, height, height // len(names))
    axes.set_yticks([row + middle for row in rows], names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    return figure


def mosaic(split: Split, classes: int) -> Tensor:
    """The images of `samples` side by side: (rows, columns) or, in colour, (rows, columns, 3).

    Values are from 0 to 1; between the images they are NaN in grey, and white in colour.
    """
    first = viewable(split.images[0])
    height, width = (side + max(1, side // 14) for side in first.shape[:2])
    blank = 1.0 if first.ndim == 3 else torch.nan
    canvas = torch.full((classes * height, IN_A_ROW * width, *first.shape[2:]), blank)
    for label in range(classes):
        rows = (split.labels == label).nonzero()[:, 0]
        for column in range(min(IN_A_ROW, len(rows))):
            image = viewable(split.images[rows[len(rows) * column // IN_A_ROW]])
            top, left = label * height, column * width
            canvas[top : top + len(image), left : left + image.shape[1]] = image / 255
    return canvas
