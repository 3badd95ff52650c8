"""The images that a net gets right and wrong, and which class it takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.plots.drawing import Tile, grid, new_figure, viewable
from tinytrain.store.on_disk import Images

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def right_and_wrong(images: Images, labels: Tensor, guess: Tensor, most: int = 10) -> Figure:
    """Draw the first right image of each of `most` classes, and below the first wrong ones.

    Images (N, C, H, W), their labels and the classes that the net gives them (N,).
    """
    right, wrong = (guess == labels).nonzero()[:, 0], (guess != labels).nonzero()[:most, 0]
    classes = sorted({*labels[right].tolist()})[:most]
    firsts = [int(right[labels[right] == label][0]) for label in classes]
    tiles: list[Tile | None] = [
        Tile(viewable(images[row]), str(int(labels[row]))) for row in firsts
    ]
    tiles += [None] * (most - len(firsts))
    tiles += [Tile(viewable(images[row]), f"{labels[row]}: says {guess[row]}") for row in wrong]
    return grid(tiles, columns=most, inch=0.8)


def misclassified(images: Images, labels: Tensor, log_probabilities: Tensor, most: int) -> Figure:
    """Draw the mistakes of the highest confidence: true class, predicted class, number.

    Images (N, C, H, W), labels (N,), log-probabilities (N, classes) of the same images. Raises
    UsageError where there is no mistake.
    """
    confidence, guess = log_probabilities.exp().max(1)
    wrong = (guess != labels).nonzero()[:, 0]
    if not len(wrong):
        raise UsageError(f"the net makes no mistake on these {len(labels):,} images")
    wrong = wrong[confidence[wrong].argsort(descending=True)][:most]
    tiles = [
        Tile(
            viewable(images[row]),
            f"{labels[row]} taken for {guess[row]}\n{100 * confidence[row]:.0f} % sure, no. {row}",
        )
        for row in wrong
    ]
    return grid(tiles, columns=6, inch=1.3)


def confusion(labels: Tensor, log_probabilities: Tensor) -> Figure:
    """Draw how often each class (row) is taken for each other one (column)."""
    guess, classes = log_probabilities.argmax(1), log_probabilities.shape[1]
    table = torch.bincount(labels * classes + guess, minlength=classes**2).view(classes, classes)
    side = min(max(0.45 * classes, 2.0), 20.0)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    mistakes = table.clone().fill_diagonal_(0)
    image = axes.imshow(mistakes.numpy(), "Blues", vmax=max(int(mistakes.max()), 1) * 1.6)
    image.set_gid("light")
    for row, column in table.nonzero().tolist() if classes <= 50 else ():
        color = "grey" if row == column else "black"
        count = str(int(table[row, column]))
        axes.text(column, row, count, ha="center", va="center", size=7, color=color)
    axes.set(xlabel="the net says", ylabel="the class is")
    if classes <= 50:
        axes.set(xticks=range(classes), yticks=range(classes))
    return figure
