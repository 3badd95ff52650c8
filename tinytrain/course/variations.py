"""Variations of the final recipe: without one of its ingredients, and beyond it.

What helped on the way up may be carried by what came later, so a ladder does not show what its
top rests on. In an ablation every ingredient is taken away alone, and all the others stay as they
are, tuned for the whole: what is lost is what this ingredient adds to the others. The frontier
goes on from there: how much by upright digits, how much by arithmetic alone, how few parameters,
how few epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinytrain.course import records
from tinytrain.course.records import Record
from tinytrain.recipes import ABLATION, FRONTIER, RECIPES
from tinytrain.train.spread import Difference, difference


@dataclass(frozen=True)
class Variation:
    """The final recipe with something changed, and what was measured of it and of the whole."""

    name: str
    change: dict[str, object]
    record: Record | None
    final: Record | None

    @property
    def effect(self) -> Difference | None:
        """How much higher the mean is than the final recipe's; None where that is not known."""
        if self.record is None or self.final is None:
            return None
        return difference(self.record.summary, self.final.summary)


def ablations(folder: Path = records.FOLDER) -> list[Variation]:
    """The final recipe without each of its ingredients, with the records in `folder`."""
    return variations(ABLATION, folder)


def frontier(folder: Path = records.FOLDER) -> list[Variation]:
    """What lies beyond the final recipe, with the records in `folder`."""
    return variations(FRONTIER, folder)


def variations(changes: Mapping[str, dict[str, object]], folder: Path) -> list[Variation]:
    """The recipes of these names, each with what it changes in the final one."""
    final = records.present("final", RECIPES["final"], folder)
    return [
        Variation(name, change, records.present(name, RECIPES[name], folder), final)
        for name, change in changes.items()
    ]
