"""The drawings of the lessons, made by the engine's own code on digits that it draws itself.

None of them needs data or a trained net. A lesson names its drawing: `drawing: dilation`. Text is
large enough for a phone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tinytrain import nets, streams
from tinytrain.course import figures
from tinytrain.course.figures import DOT, OWN, WIDTH
from tinytrain.data.augment import Augmentation
from tinytrain.nn import Conv2d, Module, functional
from tinytrain.nn.inspect import layer_rows
from tinytrain.optim import SGD, Adam, Optimizer, StepLR, WarmupLinear
from tinytrain.optim.muon import orthogonalized
from tinytrain.plots.drawing import Tile, grid
from tinytrain.recipes import RECIPES
from tinytrain.report.receptive_field import receptive_field
from tinytrain.results.statistics import difference, summarise
from tinytrain.store import synthetic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 12  # points
LEGEND: dict[str, Any] = {"fontsize": SMALL, "frameon": False}
EDGES = torch.tensor([[1.0, 1, 1], [0, 0, 0], [-1, -1, -1]])


def stream(purpose: str) -> torch.Generator:
    """The random numbers of a drawing."""
    return streams.generator(0, f"sketch {purpose}")


def digit(label: int = 5) -> Tensor:
    """A drawn digit, (1, 1, 28, 28), from 0 to 1."""
    return synthetic.digits(torch.full((1,), label), stream("digit")) / 255


def net(recipe: str) -> Module:
    """The net of a recipe."""
    return nets.build(RECIPES[recipe].net, generator=stream("net"))


def pictures(*shown: tuple[Tensor, str], columns: int = 3, height: float = 0.95) -> Figure:
    """Draw images (H, W) with titles, in rows; where some are negative, in blue and orange."""
    tiles = []
    for image, title in shown:
        signed = bool((image < 0).any())
        tiles.append(Tile(image, title, float(image.abs().max()) if signed else None))
    return grid(tiles, columns, WIDTH / columns, height, SMALL)


def panels(count: int = 1, height: float = 1.9) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes side by side, open at the top and at the right."""
    figure, panels = figures.panels(height, count, SMALL)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def square(axes: Axes, title: str, field: Tensor | None = None, colors: str = "") -> None:
    """Make axes square, with a title and `field` (H, W), from 0 to 1.2, and nothing else."""
    if field is not None:
        axes.pcolormesh(field.numpy(), cmap=colors, vmin=0, vmax=1.2, edgecolor="grey")
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, size=SMALL)


def linear() -> Figure:
    """An image, the weights of one output, and their products."""
    image, noise = digit()[0, 0], torch.randn((1, 1, 36, 36), generator=stream("weights"))
    weights = functional.avg_pool2d(noise, 9, 1)[0, 0]
    products = image * weights
    title = f"sum: {float(products.sum()):.2f}"
    return pictures((image, "image"), (weights, "weights"), (products, title))


def convolution() -> Figure:
    """An image, a kernel, and the map that it gives."""
    image = digit()
    map = functional.conv2d(image, EDGES[None, None])[0, 0]
    return pictures((image[0, 0], "image"), (EDGES, "kernel"), (map, "its map"))


def one_by_one() -> Figure:
    """Two maps, and a weighted sum of them."""
    maps = functional.conv2d(digit(), torch.stack((EDGES, EDGES.T))[:, None])[0]
    mixed = functional.conv2d(maps[None], torch.tensor([0.7, -0.7]).view(1, 2, 1, 1))[0, 0]
    return pictures((maps[0], "0.7 ·"), (maps[1], "− 0.7 ·"), (mixed, "="))


def pooling() -> Figure:
    """A map, pooled twice, and its average."""
    map = functional.relu(functional.conv2d(digit(), EDGES[None, None]))
    maps = map, functional.max_pool2d(map, 2), functional.max_pool2d(map, 4)
    mean = float(functional.adaptive_avg_pool2d(maps[-1]))
    titles = "26 × 26", "13 × 13", f"6 × 6, mean {mean:.2f}"
    return pictures(*((map[0, 0], title) for map, title in zip(maps, titles, strict=True)))


def phases() -> Figure:
    """A map pooled with stride 2 from each of four places, and with stride 1: all of them."""
    map = functional.relu(functional.conv2d(digit(), EDGES[None, None]))
    starts = [(down, right) for down in (0, 1) for right in (0, 1)]
    pooled = [functional.max_pool2d(map[:, :, down:, right:], 2)[0, 0] for down, right in starts]
    every = functional.max_pool2d(map, 2, stride=1)[0, 0]
    shown = [(one, f"from {start}") for one, start in zip(pooled, starts, strict=True)]
    return pictures((map[0, 0], "map"), *shown, (every, "stride 1"))


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


def padding() -> Figure:
    """Draw the positions that the middle of a 3 × 3 kernel can take."""
    figure, sides = panels(2, 2.2)
    titles = "no padding: 6 × 6", "padding 1: 8 × 8"
    for axes, padded, title in zip(sides, (0, 1), titles, strict=True):
        field = torch.zeros(8 + 2 * padded, 8 + 2 * padded)
        field[padded : 8 + padded, padded : 8 + padded] = 0.35
        field[1:-1, 1:-1] += 0.45
        square(axes, title, field, "Greens")
    return figure


def receptive_fields() -> Figure:
    """The part of a digit that a place of the last map of Net8_1 and of Net9 sees."""
    from matplotlib.patches import Rectangle

    figure, sides = panels(2, 2.2)
    image = digit(4)[0, 0].numpy()
    for axes, name in zip(sides, ("net8_1", "net9"), strict=True):
        axes.imshow(image, cmap="gray", interpolation="none")
        last = next(field for field in receptive_field(net(name))[::-1] if field.size > 1)
        first, end = last.span(last.size // 2, 28)
        side = end - first + 1
        corner = first - 0.5, first - 0.5
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=OWN, linewidth=2))
        square(axes, f"{name}: {last.field} pixels")
    return figure


def dilation() -> Figure:
    """The pixels that a kernel looks at, for three dilations."""
    figure, sides = panels(3, 1.6)
    for axes, step in zip(sides, (1, 2, 3), strict=True):
        field = torch.full((7, 7), 0.1)
        field[3 - step : 4 + step : step, 3 - step : 4 + step : step] = 0.8
        square(axes, f"dilation {step}", field, "Purples")
    return figure


def uses() -> Figure:
    """The places at which each convolution's weights are used, in the final net and late7500."""
    figure, (axes,) = panels(height=2.4)
    for name in ("final", "late7500"):
        rows = [row for row in layer_rows(net(name)) if isinstance(row.layer, Conv2d)]
        places = [math.prod(row.output_shape[1:]) for row in rows]
        axes.plot(range(1, len(places) + 1), places, marker="o", markersize=4, label=name)
    axes.set(xlabel="convolution", ylabel="places")
    axes.legend(**LEGEND)
    return figure


def batch_norm() -> Figure:
    """The values of three channels, before and after."""
    figure, sides = panels(2)
    values = torch.randn((64, 3, 5, 5), generator=stream("norm"))
    values = values * torch.tensor([0.4, 1.5, 0.8])[:, None, None]
    values = values + torch.tensor([3.0, -2.0, 0.5])[:, None, None]
    ones, zeros = torch.ones(3), torch.zeros(3)
    after = functional.batch_norm(values, zeros.clone(), ones.clone(), ones, zeros, training=True)
    for axes, shown, title in zip(sides, (values, after), ("before", "after"), strict=True):
        for channel in range(3):
            axes.hist(shown[:, channel].flatten().tolist(), 24, range=(-6, 6), alpha=0.6)
        axes.set_title(title, size=SMALL)
        axes.set_yticks([])
    return figure


def dropout() -> Figure:
    """Eight maps of which some are set to zero."""
    kernels = torch.randn((8, 1, 3, 3), generator=stream("kernels"))
    maps = functional.relu(functional.conv2d(digit(), kernels))
    kept = functional.dropout2d(maps, 0.25, generator=stream("dropout"))[0]
    kept = kept / (maps.amax((2, 3))[0, :, None, None] / 0.75)
    shown = ((map, "× 4/3" if map.any() else "zero") for map in kept)
    return pictures(*shown, columns=4, height=1.15)


def intervals() -> Figure:
    """Twenty comparisons of a recipe with itself: five seeds of five epochs against five."""
    figure, (axes,) = panels(height=2.6)
    draw = 99.5 + 0.04 * torch.randn((20, 2, 5, 1), generator=stream("intervals"))
    for place, (one, other) in enumerate(draw.expand(-1, -1, -1, 5).tolist()):
        change = difference(summarise(one), summarise(other))
        assert change is not None
        color = OWN if change.excludes_zero else "grey"
        axes.errorbar(place, change.value, change.value - change.low, color=color, **DOT)
    axes.axhline(0, color="grey", linewidth=1)
    axes.set(ylabel="difference, points", xticks=[])
    return figure


def rotation() -> Figure:
    """A digit, and random rotations of it."""
    return augmented(6, rotation=7)


def affine() -> Figure:
    """A digit, and draws of the final recipe's augmentation."""
    names = "rotation", "shift", "scale", "shear"
    return augmented(13, **{name: getattr(RECIPES["final"], name) for name in names})


def augmented(count: int, **settings: float) -> Figure:
    """A digit as it is, and `count` augmented copies, in rows of seven."""
    image = digit(4)
    copies = Augmentation(**settings)(255 * image.expand(count, -1, -1, -1), stream("turned"))
    shown = torch.cat((255 * image, copies))[:, 0]
    rows = [torch.cat([*part], 1) for part in torch.split(shown, 7)]
    return pictures((torch.cat(rows), ""), columns=1, height=0.15 * len(rows))


def standard_error() -> Figure:
    """The accuracies of a net that is right with probability 0.994, on simulated test sets."""
    figure, (axes,) = panels()
    right = torch.binomial(torch.full((2000,), 1e4), torch.tensor(0.994), stream("binomial"))
    accuracies = (right / 100).tolist()
    axes.hist(accuracies, [99.1 + 0.01 * place - 0.005 for place in range(60)])
    axes.axvline(statistics.mean(accuracies), color="grey", linewidth=1)
    axes.set(xlabel="accuracy, %", yticks=[])
    return figure


def descent() -> Figure:
    """Three optimizers in a valley that is fifty times steeper across than along."""
    figure, (axes,) = panels(height=2.4)
    steep = torch.tensor([1.0, 50.0])
    across, along = torch.linspace(-2.1, 1.2, 80)[:, None], torch.linspace(-4.4, 2, 80)
    height = along**2 + 50 * across**2
    axes.contour(along.numpy(), across[:, 0].numpy(), height.numpy(), 6, colors="grey", alpha=0.4)
    optimizers: dict[str, Callable[[list[Tensor]], Optimizer]] = {
        "SGD": lambda weights: SGD(weights, lr=0.015),
        "momentum": lambda weights: SGD(weights, lr=0.006, momentum=0.9),
        "Adam": lambda weights: Adam(weights, lr=0.3),
    }
    for name, make in optimizers.items():
        weights = torch.tensor([-4.0, 1.0], requires_grad=True)
        optimizer = make([weights])
        path = [weights.tolist()]
        for _ in range(40):
            (weights.grad,) = torch.autograd.grad(weights**2 @ steep, weights)
            optimizer.step()
            path.append(weights.tolist())
        axes.plot(*zip(*path, strict=True), marker=".", linewidth=1, label=name)
    axes.legend(**LEGEND, ncols=3, loc="lower center")
    return figure


def schedules() -> Figure:
    """The learning rate over 15 epochs, in steps, and up and down."""
    figure, (axes,) = panels()
    epochs = [place / 20 for place in range(300)]
    axes.plot(epochs, [0.01 * StepLR(6)(epoch) for epoch in epochs], label="reference")
    axes.plot(epochs, [0.03 * WarmupLinear(15)(epoch) for epoch in epochs], label="falling")
    axes.set(xlabel="epoch", ylabel="learning rate")
    axes.legend(**LEGEND)
    return figure


def average() -> Figure:
    """A noisy path, and its exponential moving average."""
    figure, (axes,) = panels()
    weight, mean, path, means = 3.0, 3.0, [], []
    for step, noise in enumerate(torch.randn(400, generator=stream("average")).tolist(), 1):
        weight += -0.3 * weight + noise
        mean += max(0.02, 9 / (10 + step)) * (weight - mean)
        path.append(weight)
        means.append(mean)
    axes.plot(path, color="grey", linewidth=0.7, label="weight")
    axes.plot(means, label="average")
    axes.axhline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="step", ylim=(-5, 7))
    axes.legend(**LEGEND, ncols=2)
    return figure


def singular_values() -> Figure:
    """The singular values of a matrix, and after each of five Newton-Schulz iterations."""
    figure, (axes,) = panels(height=2.4)
    values = torch.logspace(0, -2.5, 16)
    left, _ = torch.linalg.qr(torch.randn(16, 16, generator=stream("left")))
    right, _ = torch.linalg.qr(torch.randn(16, 16, generator=stream("right")))
    matrix = (left * values) @ right
    axes.plot(range(1, 17), values / values.norm(), color="grey", marker=".", label="before")
    for steps in range(1, 6):
        (found,) = torch.linalg.svdvals(orthogonalized(matrix[None], steps=steps))
        label = "after 1 … 5" if steps == 5 else None
        axes.plot(range(1, 17), found, OWN, marker=".", alpha=steps / 5, label=label)
    axes.set(xlabel="singular value, by size", xticks=(1, 4, 8, 12, 16), ylim=(0, 1.45))
    axes.legend(**LEGEND, ncols=2, loc="upper right")
    return figure


_ALL = (
    *(linear, convolution, one_by_one, pooling, phases, width, padding, receptive_fields),
    *(dilation, uses),
    *(batch_norm, dropout, intervals, rotation, affine, standard_error, descent, schedules),
    *(average, singular_values),
)
DRAWINGS: dict[str, Callable[[], Figure]] = {drawing.__name__: drawing for drawing in _ALL}
