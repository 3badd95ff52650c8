"""What is rendered from rungs and records: the page, the README's table and its picture.

Nothing is trained for it. The README holds its table between two marks, and its picture holds a
digest of the figures in it, so that a test can tell when either is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tinytrain import batches, build
from tinytrain.course import figures, page
from tinytrain.course.ladder import Rung
from tinytrain.mnist import Dataset
from tinytrain.nn import Module
from tinytrain.plots import as_svg
from tinytrain.recipes import RECIPES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- ladder: rendered by make course -->", "<!-- ladder: end -->"


@torch.no_grad()
def at_work(net: Module, dataset: Dataset) -> dict[str, tuple[str, Figure]]:
    """A trained net on the test digits of `dataset`: by name, a title and a picture."""
    net.eval()
    images, labels = dataset.test.images, dataset.test.labels
    batch_scores = [
        net(batches.normalise(images[rows].float(), dataset.mean, dataset.std))
        for rows in batches.in_order(len(labels), 250)
    ]
    scores = torch.cat(batch_scores)
    mistakes = int((scores.argmax(1) != labels).sum())
    one = batches.normalise(images[:1].float(), dataset.mean, dataset.std)
    digits = [int((dataset.train.labels == digit).int().argmax()) for digit in (2, 5, 8)]
    surest = f"The surest of its {mistakes} mistakes on {len(labels):,} test digits"
    augmentation = build.augmentation(RECIPES["final"])
    return {
        "mistakes": (surest, figures.misclassified(images, labels, scores, most=24)),
        "confusion": ("Which digits it takes for which", figures.confusion(labels, scores)),
        "filters": ("What its first layer looks for", figures.filters(net)),
        "strokes": (
            "What it makes of the first test digit: after the first stage",
            figures.feature_maps(net, one, "conv1"),
        ),
        "shapes": ("… and after the second", figures.feature_maps(net, one, "conv2")),
        "augmentation": (
            "What augmentation makes of digits",
            figures.gallery(dataset.train.images[digits], augmentation),
        ),
    }


def ladder_svg(rungs: Sequence[Rung]) -> str:
    """The ladder's picture for the README, on white, with the digest of its figures."""
    figure = figures.ladder(rungs)
    figure.set_facecolor("white")
    return as_svg(figure, Description=f"figures {digest(rungs)}")


def digest(rungs: Sequence[Rung]) -> str:
    """Sixteen digits that change with any published figure."""
    table = json.dumps(page.result_cells(rungs))
    return hashlib.blake2b(table.encode(), digest_size=8).hexdigest()


def with_table(readme: str, rungs: Sequence[Rung]) -> str:
    """The README's text with the present table between its two marks."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{page.readme_table(rungs)}\n{END}{after}"
