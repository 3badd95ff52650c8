"""What is rendered from rungs and records: the page, the README's table and its picture.

Nothing is trained for it. The README holds its table between two marks, and its picture holds a
digest of the figures in it, so that a test can tell when either is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch

from tinytrain import batches, build
from tinytrain.course import figures, page
from tinytrain.course.ladder import Rung
from tinytrain.mnist import Dataset
from tinytrain.nn import Module
from tinytrain.plots import as_svg
from tinytrain.recipes import RECIPES

BEGIN, END = "<!-- ladder: rendered by make course -->", "<!-- ladder: end -->"


@torch.no_grad()
def final_net(net: Module, dataset: Dataset) -> page.FinalNet:
    """A trained final net at work on the test digits of `dataset`, in evaluation mode."""
    net.eval()
    images, labels = dataset.test.images, dataset.test.labels
    scores = torch.cat(
        [
            net(batches.normalise(images[rows].float(), dataset.mean, dataset.std))
            for rows in batches.in_order(len(labels), 250)
        ]
    )
    one = batches.normalise(images[:1].float(), dataset.mean, dataset.std)
    wrong = int((scores.argmax(1) != labels).sum())
    first_of_each = torch.stack(
        [(dataset.train.labels == digit).int().argmax() for digit in (2, 5, 8)]
    )
    surest = figures.misclassified(images, labels, scores, most=24)
    drawn = {
        f"The surest of its {wrong} mistakes on {len(labels):,} test digits": surest,
        "Which digits it takes for which": figures.confusion(labels, scores),
        "What its first layer looks for": figures.filters(net),
        "What it makes of the first test digit: after the first stage": figures.feature_maps(
            net, one, "conv1"
        ),
        "… and after the second": figures.feature_maps(net, one, "conv2"),
        "What augmentation makes of digits": figures.gallery(
            dataset.train.images[first_of_each], build.augmentation(RECIPES["final"])
        ),
    }
    return page.FinalNet({title: as_svg(figure) for title, figure in drawn.items()})


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
