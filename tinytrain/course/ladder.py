"""The ladder: rungs in order, listed and compared.

A rung is a recipe, what it changes in another one, a lesson (`rungs/NAME.md`) and a record of
measured runs (`records/NAME.jsonl`). On the ladder each rung changes the one before. The
variations of the final recipe (one ingredient changed, another receptive field, other limits) are
rungs without a lesson.
"""

from __future__ import annotations

import difflib
import itertools
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tinytrain import streams
from tinytrain.course.lessons import Lesson, read_lesson
from tinytrain.errors import UsageError, did_you_mean
from tinytrain.nn import Conv2d, Flatten, Linear, LogSoftmax, Module, Sequential
from tinytrain.nn.inspect import Row, layer_rows, parameter_count
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.recipes import LADDER, Recipe
from tinytrain.results import records
from tinytrain.results.recipe_changes import CHANGES, base_of, changed, changes, describe, meaning
from tinytrain.results.records import Record
from tinytrain.results.statistics import Difference, Summary, difference
from tinytrain.results.variations import ABLATION, FRONTIER, RECIPES
from tinytrain.runs import net_file
from tinytrain.train.target import LAST_EPOCHS

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

    @property
    def result(self) -> str:
        """The summary in one line."""
        summary = self.summary
        if summary is None:
            return "not measured"
        if summary.epochs < LAST_EPOCHS:
            return f"{accuracy(summary)} % (mean of {summary.epochs} epochs)"
        return f"{accuracy(summary)} % ({summary.held} of {summary.count} seeds hold)"


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
    """The rung called `name`. Raises UsageError where there is none."""
    if name not in CHANGES:
        close = did_you_mean(name, CHANGES)
        raise UsageError(f"{name}: no such rung; 'python -m tinytrain recipe list' has all{close}")
    recipe, record = RECIPES[name], records.read_current(name, RECIPES[name], folder)
    return Rung(name, recipe, base_of(name), CHANGES[name], read_lesson(name), record)


def net_of(recipe: Recipe) -> Module:
    """Build the recipe's net to inspect it, without torch's own generator."""
    return net_file.build(recipe.net, recipe.dropout, streams.generator(0, "look"))


def layers_of(recipe: Recipe) -> list[Row]:
    """The layers of the recipe's net that compute something, in order.

    Raises UsageError for a net that does not take MNIST's images.
    """
    bare = (Sequential, Flatten, LogSoftmax)
    try:
        return [row for row in layer_rows(net_of(recipe)) if not isinstance(row.layer, bare)]
    except ValueError as error:
        raise UsageError(f"--net {recipe.net}: {error}") from error


def accuracy(summary: Summary) -> str:
    """Format the mean and, of several seeds, the standard deviation."""
    deviation = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
    return f"{summary.mean:.3f}{deviation}"


def gain(before: Rung, after: Rung) -> Difference | None:
    """By how much the mean of `after` is above that of `before`; None where that is not known."""
    if before.summary is None or after.summary is None:
        return None
    return difference(after.summary, before.summary)


def as_text(rungs: Iterable[Rung]) -> str:
    """Format a table of rungs: step, name, parameters, result, what changed."""
    lines = [f"{'step':<6}{'rung':<15}{'parameters':>10}  {'result':<39}changed"]
    for item in rungs:
        step = item.lesson.step if item.lesson else ""
        head = f"{step:<6}{item.name:<15}{item.parameters:>10,}"
        lines.append(f"{head}  {item.result:<39}{change_of(item)}")
    return "\n".join(lines)


def change_of(item: Rung) -> str:
    """Describe what a rung changes: its lesson's first clause and the fields, or only these."""
    before = RECIPES[item.base] if item.base else Recipe()
    if item.lesson is None:
        return changed(before, item.recipe)
    clause = re.match(r".{30,}?(?=[.:] |\.$)", item.lesson.change)
    text = clause[0] if clause else item.lesson.change
    fields = {field.name: new for field, _, new in changes(before, item.recipe)}
    return f"{text} ({describe(fields)})"


def diff(before: Rung, after: Rung) -> str:
    """Format the difference of two rungs: fields of the recipe, layers side by side, results."""
    lines = [f"{before.name} → {after.name}"]
    if after.lesson and after.base == before.name:
        lines += ["", *textwrap.wrap(after.lesson.change, 90)]
    lines += ["", "Recipe"]
    for field, old, new in changes(before.recipe, after.recipe):
        lines.append(f"  {field.name}: {old} → {new} ({meaning(field)})")
    lines += ["", "Layers", *side_by_side(layer_lines(before), layer_lines(after)), ""]
    more = after.parameters - before.parameters
    lines.append(f"Parameters: {before.parameters:,} → {after.parameters:,} ({more:+,})")
    lines.append(f"Result: {before.result} → {after.result}")
    if change := gain(before, after):
        lines.append(f"Difference: {change}")
    return "\n".join(lines)


def layer_lines(item: Rung) -> list[str]:
    """A line for each layer of the rung's net: kind, shape of its output, parameters."""
    lines = []
    for row in layers_of(item.recipe):
        layer = row.layer
        kind = type(layer).__name__
        if isinstance(layer, Conv2d):
            kind += f" {layer.kernel_size[0]}×{layer.kernel_size[1]}"
            dilated = layer.dilation != (1, 1)
            kind += " dilated" if dilated else " padded" if any(layer.padding) else ""
        if isinstance(layer, Linear):
            kind += f" {layer.in_features}→{layer.out_features}"
        shape = "×".join(map(str, row.output_shape))
        lines.append(f"{kind:<19}{shape:<11}{parameter_count(layer) or '':>7}")
    return lines


def side_by_side(left: list[str], right: list[str]) -> list[str]:
    """Put two lists of lines beside each other, equal ones level; | marks lines that differ."""
    result = []
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        mark = " " if kind == "equal" else "|"
        pairs = itertools.zip_longest(left[a:b], right[c:d], fillvalue="")
        result += [f"  {one:<38} {mark} {other}".rstrip() for one, other in pairs]
    return result
