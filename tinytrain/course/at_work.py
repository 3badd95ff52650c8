"""A trained net at work, in pictures: what it gets wrong, what it looks for, what it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.course.plots import new_figure
from tinytrain.data import augment, batches
from tinytrain.data.augment import Augmentation
from tinytrain.data.sets import Dataset
from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Module
from tinytrain.recipes import RECIPES
from tinytrain.train import build
from tinytrain.train.evaluation import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawings(
    net: Module, dataset: Dataset, looks: int = 1
) -> dict[str, Callable[[], tuple[str, Figure]]]:
    """A trained net on the images that `dataset` tests on: by name, what draws a titled picture.

    To draw raises UsageError where the net has nothing such to show. `looks` as in evaluation.
    """
    net.eval()
    images, labels = dataset.test.images, dataset.test.labels
    scores = predict(net, images, dataset.mean, dataset.std, looks=looks)
    mistakes = int((scores.argmax(1) != labels).sum())
    one = batches.normalise(images[:1].float(), dataset.mean, dataset.std)
    digits = [int((dataset.train.labels == digit).int().argmax()) for digit in (2, 5, 8)]
    tested = f"{len(labels):,} {'held-out' if dataset.holdout else 'test'} digits"
    augmentation = build.new_augmentation(RECIPES["final"]) or Augmentation()
    return {
        "mistakes": lambda: (
            f"The surest of its {mistakes} mistakes on {tested}",
            misclassified(images, labels, scores, most=24),
        ),
        "confusion": lambda: (f"Which of {tested} it takes for which", confusion(labels, scores)),
        "filters": lambda: ("What its first layer looks for", filters(net)),
        "strokes": lambda: (
            "What it makes of the first digit: after the first stage",
            feature_maps(net, one, "conv1"),
        ),
        "shapes": lambda: ("… and after the second", feature_maps(net, one, "conv2")),
        "augmentation": lambda: (
            "What the final recipe's augmentation makes of training digits",
            augmented(dataset.train.images[digits], augmentation),
        ),
    }


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
    for row, column in table.nonzero().tolist():
        color = "grey" if row == column else "#111111"
        count = str(int(table[row, column]))
        axes.text(column, row, count, ha="center", va="center", size=7, color=color)
    axes.set(xticks=range(10), yticks=range(10), xlabel="the net says", ylabel="the digit is")
    return figure


def filters(net: Module) -> Figure:
    """The kernels of the net's first convolution. Raises UsageError where there is none."""
    convolutions = [layer for layer in net.modules() if isinstance(layer, Conv2d)]
    if not convolutions:
        raise UsageError("this net has no convolution, so no filters to draw")
    kernels = list(convolutions[0].weight.detach()[:, 0])
    return grid(kernels, [f"filter {i}" for i in range(len(kernels))], columns=8, inch=1.0)


@torch.no_grad()
def feature_maps(net: Module, image: Tensor, stage: str) -> Figure:
    """What the channels of a stage answer to a normalised image (1, 1, H, W).

    Raises UsageError where the net has no such stage.
    """
    stages = dict(net.named_children())
    if stage not in stages:
        raise UsageError(f"this net has no stage {stage}; it has {', '.join(stages)}")
    for name, child in stages.items():
        image = child(image)
        if name == stage:
            break
    maps = list(image[0])
    return grid(maps, [f"channel {i}" for i in range(len(maps))], columns=6, inch=1.0)


def augmented(images: Tensor, augmentation: Augmentation, seed: int = 1) -> Figure:
    """Digits (N, 1, H, W) as they are, one a row, and five times augmented."""
    pictures, titles = [], []
    for number, image in enumerate(images.float()):
        draw = streams.generator(seed, "gallery", number)
        copies = image.expand(5, -1, -1, -1)
        moved = augment.apply(copies, augmentation.draw(5, draw))
        pictures += [image[0], *moved[:, 0]]
        titles += ["as it is", *["augmented"] * 5]
    return grid(pictures, titles, columns=6, inch=1.0)
