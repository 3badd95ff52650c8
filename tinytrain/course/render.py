"""What is rendered from rungs and records: the page, the README's table and its picture.

Nothing is trained for it. The README holds each table between two marks, and its pictures hold a
digest of the figures, so that a test can tell when one is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tinytrain.course import figures, tables
from tinytrain.course.ladder import Rung
from tinytrain.course.records import Record
from tinytrain.course.variations import Variation
from tinytrain.data import batches
from tinytrain.data.sets import Dataset
from tinytrain.errors import UsageError
from tinytrain.nn import Module
from tinytrain.recipes import RECIPES
from tinytrain.train import build
from tinytrain.train.plots import as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- {}: rendered by make course -->", "<!-- {}: end -->"


@torch.no_grad()
def at_work(net: Module, dataset: Dataset) -> dict[str, Callable[[], tuple[str, Figure]]]:
    """A trained net on the images that `dataset` tests on: by name, what draws a titled picture.

    To draw raises UsageError where the net has nothing such to show.
    """
    net.eval()
    images, labels = dataset.test.images, dataset.test.labels
    batch_scores = [
        net(batches.normalise(images[rows].float(), dataset.mean, dataset.std))
        for rows in batches.in_order(len(labels), 50)
    ]
    scores = torch.cat(batch_scores)
    mistakes = int((scores.argmax(1) != labels).sum())
    one = batches.normalise(images[:1].float(), dataset.mean, dataset.std)
    digits = [int((dataset.train.labels == digit).int().argmax()) for digit in (2, 5, 8)]
    tested = f"{len(labels):,} {'held-out' if dataset.holdout else 'test'} digits"
    augmentation = build.new_augmentation(RECIPES["final"])
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


def pictures(rungs: Sequence[Rung]) -> dict[str, str]:
    """The README's pictures as SVG by file name, on white, each with the digest of its figures."""
    drawn = {"ladder.svg": figures.ladder(rungs)}
    final = final_record(rungs)
    if final:
        drawn["final_net.svg"] = figures.curves(final)
    description = f"figures {digest(rungs)}"
    return {
        name: as_svg(figure, transparent=False, Description=description)
        for name, figure in drawn.items()
    }


def final_record(rungs: Sequence[Rung]) -> Record | None:
    """The record of the final recipe."""
    return next(rung.record for rung in rungs if rung.name == "final")


def digest(rungs: Sequence[Rung]) -> str:
    """Sixteen digits that change with anything that the README's pictures show."""
    final = final_record(rungs)
    shown = json.dumps([tables.result_cells(rungs), final.seeds if final else None])
    return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()


def with_tables(
    readme: Path,
    rungs: Sequence[Rung],
    ablations: Sequence[Variation],
    frontier: Sequence[Variation],
) -> str:
    """The README's text with the present tables between their marks. Raises UsageError."""
    rendered = {
        "ladder": tables.markdown(tables.result_cells(rungs)),
        "ablation": tables.markdown(tables.ablation_cells(ablations)),
        "frontier": tables.markdown(tables.frontier_cells(frontier)),
    }
    final = final_record(rungs)
    rendered["final"] = tables.markdown(tables.seed_cells(final)) if final else "not measured"
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{readme}: cannot be read ({error.strerror})") from error
    for name, table in rendered.items():
        begin, end = BEGIN.format(name), END.format(name)
        try:
            before, rest = text.split(begin)
            _, after = rest.split(end)
        except ValueError as error:
            raise UsageError(
                f"{readme}: expected the marks {begin} and {end}, once each"
            ) from error
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text
