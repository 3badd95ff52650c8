"""The pictures of the course, each a matplotlib figure made from records or from a net at work.

Accuracies near 100 % are drawn on a logarithmic axis of the error, so that the step from 99.0 to
99.2 is as visible as the one from 98 to 98.5.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.course.ladder import Rung
from tinytrain.course.records import Record
from tinytrain.data import augment
from tinytrain.data.augment import Augmentation
from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Module
from tinytrain.train.plots import mark_target, new_figure
from tinytrain.train.target import TARGET_ACCURACY, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, CURRICULUM = "tab:orange", "tab:blue"


def ladder(rungs: Sequence[Rung]) -> Figure:
    """Accuracy rung by rung: mean and standard deviation over seeds."""
    measured = [rung for rung in rungs if rung.record]
    figure = new_figure(8, 4.2)
    axes = figure.add_subplot()
    for place, rung in enumerate(measured):
        draw_result(axes, place, rung)
    axes.set_xticks(range(len(measured)), [rung.name for rung in measured], rotation=60, size=8)
    finish_error_axis(axes)
    axes.set_title("mean and standard deviation over seeds; orange: tinytrain's own rungs", size=9)
    return figure


def against_parameters(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the number of parameters."""
    figure = new_figure(8, 4.2)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    best: dict[int, Rung] = {}
    for rung in rungs:
        if rung.record:
            draw_result(axes, rung.parameters, rung)
            before = best.get(rung.parameters)
            if before is None or rung.record.summary.mean > before.record.summary.mean:
                best[rung.parameters] = rung
    above = {"left": True, "right": True}
    for rung in sorted(best.values(), key=lambda rung: -rung.record.summary.mean):
        place = (rung.parameters, 100 - rung.record.summary.mean)
        # Most nets crowd just below the limit: their names go left, by turns above and below.
        side = "right" if rung.parameters < TARGET_PARAMETERS else "left"
        offset = (6 if side == "left" else -6, 3 if above[side] else -9)
        above[side] = not above[side]
        axes.annotate(rung.name, place, xytext=offset, textcoords="offset points", size=8, ha=side)
    axes.axvline(TARGET_PARAMETERS, color="grey", linewidth=0.8, linestyle="--")
    ticks = [3000, 5000, 8000, 15000, 30000, 60000, 100000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], size=8)
    axes.set_xlim(ticks[0], 1.7 * ticks[-1])
    axes.minorticks_off()
    axes.set_xlabel("parameters")
    finish_error_axis(axes)
    axes.set_title("dashed: 99.40 % and 8,000 parameters", size=9)
    return figure


def draw_result(axes: Axes, place: float, rung: Rung) -> None:
    summary = rung.record.summary
    spread = summary.deviation if summary.count > 1 else 0
    color = CURRICULUM if rung.lesson.step <= 7 else OWN
    axes.errorbar(place, 100 - summary.mean, spread, color=color, fmt="o", markersize=4, capsize=3)


def finish_error_axis(axes: Axes) -> None:
    """Label a vertical axis of errors with accuracies; better is up."""
    axes.set_yscale("log")
    axes.axhline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    low, high = axes.get_ylim()
    axes.set_ylim(max(high, 1.05), min(low, 0.38))
    accuracies = [96, 97, 98, 98.5, 99, 99.2, 99.4, 99.5, 99.6]
    shown = [accuracy for accuracy in accuracies if axes.get_ylim()[0] > 100 - accuracy]
    axes.set_yticks([100 - accuracy for accuracy in shown], [f"{a:g}" for a in shown], minor=False)
    axes.minorticks_off()
    axes.set_ylabel("test accuracy, %")


def curves(record: Record) -> Figure:
    """Accuracy by epoch: the mean over seeds with a band from the lowest to the highest."""
    figure = new_figure(6, 3)
    axes = figure.add_subplot()
    epochs = range(1, record.recipe.epochs + 1)
    mark_target(axes, record.recipe.epochs)
    for name, label, color in (
        ("train_accuracy", "training", "grey"),
        ("test_accuracy", "test", "tab:blue"),
    ):
        columns = list(zip(*record.column(name), strict=True))
        axes.fill_between(
            epochs, list(map(min, columns)), list(map(max, columns)), alpha=0.25, color=color
        )
        axes.plot(epochs, list(map(statistics.mean, columns)), color=color, label=label)
    tested = [value for seed in record.column("test_accuracy") for value in seed[1:]]
    axes.set_ylim(min([98.4, *tested]) - 0.1, 100)
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def grid(images: Sequence[Tensor], titles: Sequence[str], columns: int, inch: float) -> Figure:
    """Grey pictures (H, W) with titles, in rows of `columns`; `inch` is the side of one."""
    count = -(-len(images) // columns)
    figure = new_figure(columns * inch, count * inch * 1.25)
    for number, (image, title) in enumerate(zip(images, titles, strict=True), 1):
        axes = figure.add_subplot(count, columns, number)
        axes.imshow(image.numpy(), cmap="gray")
        axes.set_title(title, size=7)
        axes.set_axis_off()
    return figure


def misclassified(images: Tensor, labels: Tensor, log_probabilities: Tensor, most: int) -> Figure:
    """The mistakes that the net was surest of: true digit, digit it took it for, confidence.

    Images (N, 1, H, W), labels (N,), log-probabilities (N, 10) of the same digits.
    """
    confidence, guess = log_probabilities.exp().max(1)
    wrong = (guess != labels).nonzero()[:, 0]
    if not len(wrong):
        raise UsageError(f"the net makes no mistake on these {len(labels):,} digits")
    wrong = wrong[confidence[wrong].argsort(descending=True)][:most]
    titles = [
        f"{labels[row]} taken for {guess[row]}\n{100 * confidence[row]:.0f} % sure"
        for row in wrong
    ]
    return grid([images[row, 0] for row in wrong], titles, columns=6, inch=1.3)


def confusion(labels: Tensor, log_probabilities: Tensor) -> Figure:
    """How often each digit (row) is taken for each other one (column)."""
    guess = log_probabilities.argmax(1)
    table = torch.bincount(labels * 10 + guess, minlength=100).view(10, 10)
    figure = new_figure(4.5, 4.5)
    axes = figure.add_subplot()
    mistakes = table.clone().fill_diagonal_(0)
    axes.imshow(mistakes.numpy(), cmap="Blues", vmax=max(int(mistakes.max()), 1) * 1.6)
    for row in range(10):
        for column in range(10):
            color = "grey" if row == column else "#111111"
            if table[row, column]:
                text = str(int(table[row, column]))
                axes.text(column, row, text, ha="center", va="center", size=7, color=color)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xlabel("the net says")
    axes.set_ylabel("the digit is")
    return figure


def filters(net: Module) -> Figure:
    """The kernels of the net's first convolution. Raises UsageError where there is none."""
    convolutions = (layer for layer in net.modules() if isinstance(layer, Conv2d))
    first = next(convolutions, None)
    if first is None:
        raise UsageError("this net has no convolution, so no filters to draw")
    weight = first.weight.detach()
    return grid(list(weight[:, 0]), [f"filter {i}" for i in range(len(weight))], 8, inch=1.0)


@torch.no_grad()
def feature_maps(net: Module, image: Tensor, stage: str) -> Figure:
    """What the channels of a stage answer to a normalised image (1, 1, H, W).

    Raises UsageError where the net has no such stage.
    """
    names = [name for name, _ in net.named_children()]
    if stage not in names:
        raise UsageError(f"this net has no stage {stage}; it has {', '.join(names)}")
    for name, child in net.named_children():
        image = child(image)
        if name == stage:
            break
    maps = list(image[0])
    return grid(maps, [f"channel {i}" for i in range(len(maps))], columns=6, inch=1.0)


def gallery(images: Tensor, augmentation: Augmentation, seed: int = 1) -> Figure:
    """Digits (N, 1, H, W) as they are, one a row, and five times augmented."""
    pictures, titles = [], []
    for number, image in enumerate(images.float()):
        draw = streams.generator(seed, "gallery", number)
        copies = image.expand(5, -1, -1, -1)
        moved = augment.apply(copies, augmentation.draw(5, draw))
        pictures += [image[0], *moved[:, 0]]
        titles += ["as it is", *["augmented"] * 5]
    return grid(pictures, titles, columns=6, inch=1.0)
