"""What is rendered from rungs and records: the page, the README's table and its picture.

Nothing is trained for it. The README holds its table between two marks, and its picture holds a
digest of the figures in it, so that a test can tell when either is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tinytrain import batches, build
from tinytrain.course import figures, page
from tinytrain.course.ladder import Rung
from tinytrain.errors import UsageError
from tinytrain.mnist import Dataset
from tinytrain.nn import Module
from tinytrain.plots import as_svg
from tinytrain.recipes import RECIPES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- ladder: rendered by make course -->", "<!-- ladder: end -->"


@torch.no_grad()
def at_work(net: Module, dataset: Dataset) -> dict[str, Callable[[], tuple[str, Figure]]]:
    """A trained net on the images that `dataset` tests on: by name, what draws a titled picture.

    To draw raises UsageError where the net has nothing such to show.
    """
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
    tested = f"{len(labels):,} {'held-out' if dataset.holdout else 'test'} digits"
    augmentation = build.augmentation(RECIPES["final"])
    return {
        "mistakes": lambda: (
            f"The surest of its {mistakes} mistakes on {tested}",
            figures.misclassified(images, labels, scores, most=24),
        ),
        "confusion": lambda: (
            f"Which of {tested} it takes for which",
            figures.confusion(labels, scores),
        ),
        "filters": lambda: ("What its first layer looks for", figures.filters(net)),
        "strokes": lambda: (
            "What it makes of the first digit: after the first stage",
            figures.feature_maps(net, one, "conv1"),
        ),
        "shapes": lambda: ("… and after the second", figures.feature_maps(net, one, "conv2")),
        "augmentation": lambda: (
            "What the final recipe's augmentation makes of training digits",
            figures.gallery(dataset.train.images[digits], augmentation),
        ),
    }


def ladder_svg(rungs: Sequence[Rung]) -> str:
    """The ladder's picture for the README, on white, with the digest of its figures."""
    description = f"figures {digest(rungs)}"
    return as_svg(figures.ladder(rungs), transparent=False, Description=description)


def digest(rungs: Sequence[Rung]) -> str:
    """Sixteen digits that change with any published figure."""
    table = json.dumps(page.result_cells(rungs))
    return hashlib.blake2b(table.encode(), digest_size=8).hexdigest()


def with_table(readme: Path, rungs: Sequence[Rung]) -> str:
    """The README's text with the present table between its two marks. Raises UsageError."""
    try:
        text = readme.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
    except OSError as error:
        raise UsageError(f"{readme}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{readme}: expected the marks {BEGIN} and {END}, once each") from error
    return f"{before}{BEGIN}\n{page.readme_table(rungs)}\n{END}{after}"
