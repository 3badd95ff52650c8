"""The drawings of what nets are made of: computed by the engine, on a digit that it draws itself.

None of them needs data or a trained net. Their text is large enough for a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain import nets, streams
from tinytrain.nn import Conv2d, Module, functional
from tinytrain.nn.inspect import layer_rows
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.plots.drawing import new_figure
from tinytrain.results.variations import RECIPES
from tinytrain.store import synthetic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, SMALL = 4.6, 12  # inches, points
EDGES = torch.tensor([[1.0, 1, 1], [0, 0, 0], [-1, -1, -1]])


def stream(purpose: str) -> torch.Generator:
    """The random numbers of a drawing."""
    return streams.generator(0, f"sketch {purpose}")


def digit(label: int = 5, count: int = 1) -> Tensor:
    """Drawn digits of a class, (count, 1, 28, 28), from 0 to 1."""
    return synthetic.digits(torch.full((count,), label), stream("digit")) / 255


def pictures(
    shown: Sequence[tuple[Tensor, str, bool]], columns: int, height: float = 1.45
) -> Figure:
    """Pictures (H, W), each with a title and whether it is signed, in rows of `columns`."""
    figure = new_figure(WIDTH, height * -(-len(shown) // columns))
    for number, (image, title, signed) in enumerate(shown, 1):
        axes = figure.add_subplot(-(-len(shown) // columns), columns, number)
        limit = max(float(image.abs().max()), 1e-9)
        drawn = axes.imshow(image.numpy(), "RdBu_r" if signed else "gray", interpolation="none")
        drawn.set_clim(-limit if signed else 0, limit)
        drawn.set_gid("signed" if signed else None)
        axes.set_title(title, size=SMALL)
        axes.set_axis_off()
    return figure


def panels(count: int, height: float = 1.9) -> tuple[Figure, list[Axes]]:
    """A figure of `count` axes side by side, with small text."""
    figure = new_figure(WIDTH, height)
    made = [figure.add_subplot(1, count, number) for number in range(1, count + 1)]
    for axes in made:
        axes.tick_params(labelsize=SMALL)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, made


def linear() -> Figure:
    """An image, the weights of one output, and their products."""
    image, noise = digit()[0, 0], torch.randn((1, 1, 36, 36), generator=stream("weights"))
    weights = functional.avg_pool2d(noise, 9, 1)[0, 0]
    products = image * weights
    title = f"sum: {float(products.sum()):.2f}"
    shown = (image, "image", False), (weights, "weights", True), (products, title, True)
    return pictures(shown, 3)


def convolution() -> Figure:
    """An image, a kernel, and what the kernel answers."""
    image = digit()
    found = functional.conv2d(image, EDGES[None, None])
    shown = (image[0, 0], "image", False), (EDGES, "kernel", True), (found[0, 0], "its map", True)
    return pictures(shown, 3)


def one_by_one() -> Figure:
    """Two maps, and a weighted sum of them."""
    image = digit()
    maps = functional.conv2d(image, torch.stack((EDGES, EDGES.T))[:, None])[0]
    mixed = functional.conv2d(maps[None], torch.tensor([0.7, -0.7]).view(1, 2, 1, 1))[0, 0]
    return pictures([(maps[0], "0.7 ·", True), (maps[1], "− 0.7 ·", True), (mixed, "=", True)], 3)


def pooling() -> Figure:
    """A map, pooled twice, and its average."""
    found = functional.relu(functional.conv2d(digit(), EDGES[None, None]))
    maps = found, functional.max_pool2d(found, 2), functional.max_pool2d(found, 4)
    mean = float(functional.adaptive_avg_pool2d(maps[-1]))
    titles = "26 × 26", "13 × 13", f"6 × 6, mean {mean:.2f}"
    shown = [(one[0, 0], title, False) for one, title in zip(maps, titles, strict=True)]
    return pictures(shown, 3)


def width() -> Figure:
    """The weights of Net4's and Net5's convolutions."""
    figure, sides = panels(2, 2.6)
    for axes, name in zip(sides, ("net4", "net5"), strict=True):
        layers = [layer for layer in net(name).modules() if isinstance(layer, Conv2d)]
        names = [f"{layer.in_channels}→{layer.out_channels}" for layer in layers]
        places = range(len(layers))
        axes.barh(places, [layer.weight.numel() for layer in layers])
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlim(0, 40_000)
        axes.set_xticks([0, 30_000], ["0", "30,000"])
        axes.set_title(name, size=SMALL)
    return figure


def net(recipe: str) -> Module:
    """The net of a recipe."""
    return nets.build(RECIPES[recipe].net, generator=stream("net"))


def padding() -> Figure:
    """Where the middle of a 3 × 3 kernel can stand."""
    figure, sides = panels(2, 2.2)
    titles = "no padding: 6 × 6", "padding 1: 8 × 8"
    for axes, wide, title in zip(sides, (0, 1), titles, strict=True):
        field = torch.zeros(8 + 2 * wide, 8 + 2 * wide)
        field[wide : 8 + wide, wide : 8 + wide] = 0.35
        field[1:-1, 1:-1] += 0.45
        axes.pcolormesh(field.numpy(), cmap="Blues", vmin=0, vmax=1.2, edgecolor="grey")
        bare(axes, title)
    return figure


def bare(axes: Axes, title: str) -> None:
    """Square, with a title and nothing else."""
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, size=SMALL)


def receptive_fields() -> Figure:
    """The middle of a digit as a place of the last map of Net8_1 and of Net9 sees it."""
    figure, sides = panels(2, 2.2)
    image = digit(4)[0, 0].numpy()
    for axes, name in zip(sides, ("net8_1", "net9"), strict=True):
        axes.imshow(image, cmap="gray", interpolation="none")
        last = next(one for one in receptive_field(net(name))[::-1] if one.size > 1)
        first, end = last.span(last.size // 2, 28)
        side = end - first + 1
        draw_square(axes, first, side)
        bare(axes, f"{name}: {last.field} pixels")
    return figure


def draw_square(axes: Axes, first: int, side: int) -> None:
    """The outline of the pixels from `first` on, both ways."""
    from matplotlib.patches import Rectangle

    place = first - 0.5, first - 0.5
    axes.add_patch(Rectangle(place, side, side, fill=False, edgecolor="tab:orange", linewidth=2))


def dilation() -> Figure:
    """The pixels that a kernel looks at."""
    figure, sides = panels(3, 1.6)
    for axes, step in zip(sides, (1, 2, 3), strict=True):
        field = torch.full((7, 7), 0.1)
        field[3 - step : 4 + step : step, 3 - step : 4 + step : step] = 0.8
        axes.pcolormesh(field.numpy(), cmap="Oranges", vmin=0, vmax=1.2, edgecolor="grey")
        bare(axes, f"dilation {step}")
    return figure


def uses() -> Figure:
    """The places at which each convolution's weights are used, in the final net and late7500."""
    figure, (axes,) = panels(1, 2.4)
    for name in ("final", "late7500"):
        rows = [row for row in layer_rows(net(name)) if isinstance(row.layer, Conv2d)]
        places = [math.prod(row.output_shape[1:]) for row in rows]
        axes.plot(range(1, len(places) + 1), places, marker="o", markersize=4, label=name)
    axes.set_xlabel("convolution", size=SMALL)
    axes.set_ylabel("places", size=SMALL)
    axes.legend(fontsize=SMALL, frameon=False)
    return figure
