"""The ladder: rungs in order, with their lessons and results.

A rung is a recipe, what it changes in another one, a lesson (`rungs/NAME.md`) and a record of
measured runs (`records/NAME.jsonl`). On the ladder each rung changes the one before. The
variations of the final recipe (one ingredient changed, another receptive field, other limits) are
rungs without a lesson.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tinytrain import streams
from tinytrain.course.lessons import Lesson, read_lesson
from tinytrain.nn import Flatten, LogSoftmax, Module, Sequential
from tinytrain.nn.inspect import Row, layer_rows, parameter_count
from tinytrain.recipes import BASES, CHANGES, LADDER, RECIPES, Recipe
from tinytrain.recipes.variations import ABLATION, FRONTIER
from tinytrain.report.receptive_field import receptive_field
from tinytrain.results import records
from tinytrain.results.records import Record
from tinytrain.results.statistics import Difference, Summary, difference
from tinytrain.runs import user_file

# The rungs of the table of receptive fields: Net8_1 and Net9, which the curriculum compares, with
# other dilations, then the final recipe with each.
VIEWS = (
    *("net8_1", "net9", "net9-dilation-2", "net9-dilation-3"),
    *("without-wide-view", "final", "dilation-3", "dilation-4"),
)


@dataclass(frozen=True)
class Rung:
    """A recipe, its `changes` against that of the rung `base`, its lesson and its record.

    `base` is None for the first rung. `lesson` is None for variations, `record` where the present
    net and recipe were not measured.
    """

    name: str
    recipe: Recipe
    base: str | None
    changes: dict[str, object]
    lesson: Lesson | None
    record: Record | None

    @cached_property
    def parameters(self) -> int:
        """The number of parameters of the net."""
        return parameter_count(net_of(self.recipe))

    @cached_property
    def field(self) -> int:
        """The receptive field, in pixels, of the last map that has more than one place.

        A net without such a map sees the whole side of the image.
        """
        image, *fields = receptive_field(net_of(self.recipe))
        return next((field.field for field in fields[::-1] if field.size > 1), image.size)

    @property
    def summary(self) -> Summary | None:
        """Mean and spread over seeds of the accuracies of the last five epochs."""
        return self.record.summary if self.record else None


@dataclass(frozen=True)
class Course:
    """All rungs of the page: the ladder and three groups of variations of the final recipe."""

    ladder: list[Rung]
    ablation: list[Rung]
    views: list[Rung]
    frontier: list[Rung]

    @property
    def final(self) -> Rung:
        """The rung of the final recipe."""
        return next(rung for rung in self.ladder if rung.name == "final")


def course(folder: Path = records.FOLDER) -> Course:
    """All rungs of the page, with the records in `folder`."""
    return Course(*(rungs(names, folder) for names in (LADDER, ABLATION, VIEWS, FRONTIER)))


def rungs(names: Iterable[str] = LADDER, folder: Path = records.FOLDER) -> list[Rung]:
    """The rungs of these names, with the records in `folder`."""
    return [rung(name, folder) for name in names]


def rung(name: str, folder: Path = records.FOLDER) -> Rung:
    """The rung called `name`. Raises KeyError where there is none."""
    recipe, record = RECIPES[name], records.read_current(name, RECIPES[name], folder)
    return Rung(name, recipe, BASES[name], CHANGES[name], read_lesson(name), record)


def net_of(recipe: Recipe) -> Module:
    """Build the recipe's net to inspect it, without torch's own generator."""
    return user_file.build(recipe.net, recipe.dropout, streams.generator(0, "look"))


def layers_of(recipe: Recipe) -> list[Row]:
    """The layers of the recipe's net that compute something, in order."""
    bare = (Sequential, Flatten, LogSoftmax)
    return [row for row in layer_rows(net_of(recipe)) if not isinstance(row.layer, bare)]


def accuracy(summary: Summary) -> str:
    """Format the mean and, of several seeds, the standard deviation."""
    deviation = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
    return f"{summary.mean:.3f}{deviation}"


def gain(before: Rung, after: Rung) -> Difference | None:
    """By how much the mean of `after` is above that of `before`; None where that is not known."""
    if before.summary is None or after.summary is None:
        return None
    return difference(after.summary, before.summary)
