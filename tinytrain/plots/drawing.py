"""Figures with matplotlib (the extra `plots`): new, saved, and grids of small images."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.errors import UsageError, printable
from tinytrain.store.files import make_folder, reason

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches. Raises UsageError where matplotlib is missing."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no messages about its caches
    try:
        from matplotlib import rcParams
        from matplotlib.figure import Figure
    except ImportError as error:
        needed = "drawing needs matplotlib; install it with: pip install '.[plots]'"
        raise UsageError(needed) from error
    rcParams["svg.hashsalt"] = "tinytrain"  # the same figure is the same file
    rcParams["svg.fonttype"] = "none"  # text stays text: small, searchable, in the reader's font
    return Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: Figure, transparent: bool = True, **metadata: str) -> str:
    """The figure as SVG, without a date."""
    file = io.StringIO()
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=transparent, metadata=none | metadata)
    return file.getvalue()


def save(figure: Figure, output: Path) -> None:
    """Write the figure in the format of the suffix, making the folder where it is missing.

    Raises UsageError where that cannot be done.
    """
    if not output.suffix:
        raise UsageError(f"--output {output}: expected a name with a suffix: .svg, .png, .pdf")
    make_folder(output.parent)
    try:
        figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output}: {reason(error)}") from error


def signed_colors() -> Colormap:
    """Blue below 0, white at 0, orange above: the colours of signs, also in the course's page."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", ["#1d56bd", "#ffffff", "#c8420f"])


@dataclass(frozen=True)
class Tile:
    """A small image (H, W), or in colour (H, W, 3), with its title.

    With a `limit` the values are signed: blue at −limit, white at 0, orange at +limit. Without one
    they go from black, the lowest, to white; colours are uint8.
    """

    image: Tensor
    title: str
    limit: float | None = None


def grid(
    tiles: Sequence[Tile | None], columns: int, inch: float, height: float = 1.25, size: float = 8
) -> Figure:
    """Tiles in rows of `columns`, None for an empty place.

    A tile is `inch` wide and `height` times as high with its title, in letters of `size` points.
    """
    count = -(-len(tiles) // columns)
    figure = new_figure(columns * inch, count * inch * height)
    for number, tile in enumerate(tiles, 1):
        if tile is None:
            continue
        axes = figure.add_subplot(count, columns, number)
        if tile.image.ndim == 3:
            axes.imshow(tile.image.numpy(), interpolation="none")
        elif tile.limit is None:
            axes.imshow(tile.image.numpy(), cmap="gray", interpolation="none")
        else:
            image = axes.imshow(tile.image.numpy(), cmap=signed_colors(), interpolation="none")
            image.set_clim(-tile.limit, tile.limit)
            image.set_gid("signed")
        title = "\n".join(printable(line) for line in tile.title.split("\n"))
        axes.set_title(title.replace("$", r"\$"), size=size)
        axes.set_axis_off()
    return figure


def viewable(image: Tensor) -> Tensor:
    """An image (C, H, W), 0 to 255, as (H, W, 3) of three channels, else (H, W), their mean."""
    if len(image) == 3:
        return image.permute(1, 2, 0).round().to(torch.uint8)
    return image.float().mean(0)
