"""Many small pictures beside one another, each with a title.

A picture of numbers that have a sign needs a middle: weights and signed answers are drawn red
where they are positive and blue where negative, white at zero, so that none looks like ink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.errors import printable
from tinytrain.plots.drawing import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Tile:
    """A small picture (H, W), or in colour (H, W, 3), with its title.

    With a `limit` it is signed: blue at −limit, white at 0, red at +limit. Without one its values
    go from black, the lowest, to white; colours are uint8.
    """

    image: Tensor
    title: str
    limit: float | None = None


def grid(tiles: Sequence[Tile | None], columns: int, inch: float) -> Figure:
    """Tiles in rows of `columns`, None for an empty place; `inch` is the side of one."""
    count = -(-len(tiles) // columns)
    figure = new_figure(columns * inch, count * inch * 1.25)
    for number, tile in enumerate(tiles, 1):
        if tile is None:
            continue
        axes = figure.add_subplot(count, columns, number)
        if tile.image.ndim == 3:
            axes.imshow(tile.image.numpy(), interpolation="none")
        elif tile.limit is None:
            axes.imshow(tile.image.numpy(), cmap="gray", interpolation="none")
        else:
            drawn = axes.imshow(tile.image.numpy(), cmap="RdBu_r", interpolation="none")
            drawn.set_clim(-tile.limit, tile.limit)
            drawn.set_gid("signed")
        title = "\n".join(printable(line) for line in tile.title.split("\n"))
        axes.set_title(title.replace("$", r"\$"), size=8)
        axes.set_axis_off()
    return figure


def seen(image: Tensor) -> Tensor:
    """An image (C, H, W), 0 … 255, as a picture: three channels are colour, others one grey."""
    if len(image) == 3:
        return image.permute(1, 2, 0).round().to(torch.uint8)
    return image.float().mean(0)
