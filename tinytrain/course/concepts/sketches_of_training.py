"""The drawings of how nets are trained and how results are read, made by the engine's own code."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import torch

from tinytrain.course.concepts.sketches import SMALL, digit, panels, pictures, stream
from tinytrain.data import augment
from tinytrain.nn import functional
from tinytrain.optim import SGD, Adam, Optimizer, StepLR, WarmupLinear
from tinytrain.results.statistics import difference, summarise
from tinytrain.results.variations import RECIPES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AUGMENTATION = augment.Augmentation(
    **{name: getattr(RECIPES["final"], name) for name in ("rotation", "shift", "scale", "shear")}
)


def batch_norm() -> Figure:
    """The values of three channels, before and after."""
    figure, sides = panels(2)
    draw = torch.randn((64, 3, 5, 5), generator=stream("norm"))
    values = draw * torch.tensor([0.4, 1.5, 0.8])[:, None, None]
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
    """Eight maps of which some are silenced."""
    kernels = torch.randn((8, 1, 3, 3), generator=stream("kernels"))
    maps = functional.relu(functional.conv2d(digit(), kernels))
    kept = functional.dropout2d(maps, 0.25, generator=stream("dropout"))[0]
    kept = kept / (maps.amax((2, 3))[0, :, None, None] / 0.75)
    shown = []
    for one in kept:
        silent = not one.any()
        shown.append((one, "silent" if silent else "× 4/3", False))
    return pictures(shown, 4, 1.3)


def intervals() -> Figure:
    """Twenty comparisons of a recipe with itself: five drawn seeds of five epochs against five."""
    figure, (axes,) = panels(1, 2.6)
    draw = 99.5 + 0.04 * torch.randn((20, 2, 5, 1), generator=stream("intervals"))
    for place, (one, other) in enumerate(draw.expand(-1, -1, -1, 5).tolist()):
        found = difference(summarise(one), summarise(other))
        assert found is not None
        color = "tab:orange" if found.excludes_zero else "tab:blue"
        axes.plot([place, place], [found.low, found.high], color=color)
        axes.plot(place, found.value, "o", color=color, markersize=4)
    axes.axhline(0, color="grey", linewidth=1)
    axes.set_ylabel("difference, points", size=SMALL)
    axes.set_xticks([])
    return figure


def rotation() -> Figure:
    """A digit, and random turns of it."""
    return turned(augment.Augmentation(rotation=7), 6)


def affine() -> Figure:
    """A digit, and draws of the final recipe's augmentation."""
    return turned(AUGMENTATION, 13)


def turned(augmentation: augment.Augmentation, count: int) -> Figure:
    """A digit as it is, and drawn `count` times, in rows of seven."""
    image = digit(4)
    drawn = augmentation(255 * image.expand(count, -1, -1, -1), stream("turned"))
    shown = torch.cat((255 * image, drawn))[:, 0]
    rows = [torch.cat([*part], 1) for part in torch.split(shown, 7)]
    return pictures([(torch.cat(rows), "", False)], 1, 0.66 * len(rows))


def standard_error() -> Figure:
    """The accuracies of a net that is right with probability 0.994, on drawn test sets."""
    figure, (axes,) = panels(1)
    right = torch.binomial(torch.full((2000,), 1e4), torch.tensor(0.994), stream("binomial"))
    accuracies = (right / 100).tolist()
    axes.hist(accuracies, [99.1 + 0.01 * place - 0.005 for place in range(60)])
    axes.axvline(statistics.mean(accuracies), color="grey", linewidth=1)
    axes.set_xlabel("accuracy, %", size=SMALL)
    axes.set_yticks([])
    return figure


def descent() -> Figure:
    """Three optimizers in a valley that is fifty times steeper across than along."""
    figure, (axes,) = panels(1, 2.4)
    steep = torch.tensor([1.0, 50.0])
    across, along = torch.linspace(-2.1, 1.2, 80)[:, None], torch.linspace(-4.4, 2, 80)
    height = along**2 + 50 * across**2
    axes.contour(along.numpy(), across[:, 0].numpy(), height.numpy(), 6, colors="grey", alpha=0.4)
    for name in ("SGD", "momentum", "Adam"):
        weights = torch.tensor([-4.0, 1.0], requires_grad=True)
        optimizer: Optimizer = Adam([weights], 0.3)
        if name != "Adam":
            rate, momentum = (0.015, 0.0) if name == "SGD" else (0.006, 0.9)
            optimizer = SGD([weights], rate, momentum)
        path = [weights.tolist()]
        for _ in range(40):
            (weights.grad,) = torch.autograd.grad(weights**2 @ steep, weights)
            optimizer.step()
            path.append(weights.tolist())
        axes.plot(*zip(*path, strict=True), marker=".", linewidth=1, label=name)
    axes.legend(fontsize=SMALL, frameon=False, ncols=3, loc="lower center")
    return figure


def schedules() -> Figure:
    """The rate over 15 epochs, in steps, and up and down."""
    figure, (axes,) = panels(1)
    epochs = [place / 20 for place in range(300)]
    axes.plot(epochs, [0.01 * StepLR(6)(epoch) for epoch in epochs], label="reference")
    axes.plot(epochs, [0.03 * WarmupLinear(15)(epoch) for epoch in epochs], label="falling")
    axes.set_xlabel("epoch", size=SMALL)
    axes.set_ylabel("rate", size=SMALL)
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def average() -> Figure:
    """A noisy path, and its exponential average."""
    figure, (axes,) = panels(1)
    jumps = torch.randn(400, generator=stream("average")).tolist()
    weight, mean, path, means = 3.0, 3.0, [], []
    for step, jump in enumerate(jumps, 1):
        weight += -0.1 * weight + 0.4 * jump
        mean += max(0.02, 9 / (10 + step)) * (weight - mean)
        path.append(weight)
        means.append(mean)
    axes.plot(path, color="grey", linewidth=0.7, label="weight")
    axes.plot(means, label="average")
    axes.set_xlabel("step", size=SMALL)
    axes.legend(fontsize=SMALL, frameon=False, ncols=2)
    return figure
