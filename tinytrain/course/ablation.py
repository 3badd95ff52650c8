"""What each ingredient of the final recipe is worth: take one away, train again, compare.

What helped on the way up may be carried by what came later, so a ladder does not show what its
top rests on. Here every ingredient is taken away alone, and all the others stay as they are, tuned
for the whole: what is lost is what this ingredient adds to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinytrain.course import records
from tinytrain.course.records import Difference, Record
from tinytrain.recipes import ABLATION, RECIPES


@dataclass(frozen=True)
class Ablation:
    """The final recipe with one thing changed, and what was measured of it and of the whole."""

    name: str
    change: dict[str, object]
    record: Record | None
    final: Record | None

    @property
    def effect(self) -> Difference | None:
        """How much higher the mean is without the ingredient; None where that is not known."""
        if self.record is None or self.final is None:
            return None
        return records.difference(self.record.summary, self.final.summary)


def ablations(folder: Path = records.FOLDER) -> list[Ablation]:
    """All of them, with the records in `folder`."""
    final = records.present("final", RECIPES["final"], folder)
    return [
        Ablation(name, change, records.present(name, RECIPES[name], folder), final)
        for name, change in ABLATION.items()
    ]
