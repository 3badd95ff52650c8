"""The ladder: every rung changes one thing where it can, and says what that brought.

A rung is a recipe, what it changes in another one, a lesson (`lessons.LESSONS`) and a record
(`records/NAME.jsonl`). On the ladder each changes the one before. What helped on the way up may be
carried by what came later, so a ladder does not show what its top rests on: in an ablation one
ingredient of the final recipe is changed, or all augmentation, and the others stay as they are,
tuned for the whole. The frontier goes on from there: upright digits, more looks, fewer parameters,
fewer epochs.
"""

from __future__ import annotations

import difflib
import itertools
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tinytrain import streams
from tinytrain.course.lessons import LESSONS, Lesson
from tinytrain.errors import UsageError, did_you_mean
from tinytrain.nn import Conv2d, Flatten, Linear, LogSoftmax, Module, Sequential
from tinytrain.nn.inspect import Row, layer_rows, parameter_count
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.recipes import LADDER, Recipe
from tinytrain.results import records
from tinytrain.results.comparison import CHANGES, base_of, changed, changes, describe, meaning
from tinytrain.results.records import Record
from tinytrain.results.statistics import Difference, Summary, difference
from tinytrain.results.variations import RECIPES
from tinytrain.runs import net_file
from tinytrain.train.target import LAST_EPOCHS


@dataclass(frozen=True)
class Rung:
    """A recipe, what it `changes` in that of the rung `base`, and what was measured of it.

    `base` is None for the first rung; `lesson` where there is none, `record` where nothing of the
    present net and recipe was measured.
    """

    name: str
    recipe: Recipe
    base: str | None
    changes: dict[str, object]
    lesson: Lesson | None
    record: Record | None

    @property
    def parameters(self) -> int:
        """How many the net has."""
        return parameter_count(net_of(self.recipe))

    @property
    def sees(self) -> int:
        """How many pixels of an image's side a place of the net's last map sees.

        That is what is known before all places are averaged. Without a map it is all of them.
        """
        image, *fields = receptive_field(net_of(self.recipe))
        return next((field.field for field in fields[::-1] if field.size > 1), image.size)

    @property
    def summary(self) -> Summary | None:
        """The accuracies of the last five epochs, over seeds."""
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


def rungs(names: Iterable[str] = LADDER, folder: Path = records.FOLDER) -> list[Rung]:
    """The rungs so called, with the records in `folder`: those of the ladder, from the ground up.

    ABLATION names the variations of the final recipe without an ingredient, VIEWS those that look
    more or less widely, FRONTIER what lies beyond it.
    """
    return [rung(name, folder) for name in names]


# What a net sees, from Net8_1 and Net9, which the curriculum compares, to the final net.
BY_VIEW = (
    *("net8_1", "net9", "net9-dilation-2", "net9-dilation-3"),
    *("without-wide-view", "final", "dilation-3", "dilation-4"),
)


def rung(name: str, folder: Path = records.FOLDER) -> Rung:
    """The rung called `name`; raises UsageError where there is none."""
    if name not in CHANGES:
        close = did_you_mean(name, CHANGES)
        raise UsageError(f"{name}: no such rung; 'python -m tinytrain recipe list' has all{close}")
    recipe, record = RECIPES[name], records.present(name, RECIPES[name], folder)
    return Rung(name, recipe, base_of(name), CHANGES[name], LESSONS.get(name), record)


def net_of(recipe: Recipe) -> Module:
    """The recipe's net, to be looked at; torch's own generator is not touched."""
    return net_file.build(recipe.net, recipe.dropout, streams.generator(0, "look"))


def layers_of(recipe: Recipe) -> list[Row]:
    """The layers of the recipe's net that compute something, in order.

    Raises UsageError for a net that takes other images than MNIST's.
    """
    bare = (Sequential, Flatten, LogSoftmax)
    try:
        return [row for row in layer_rows(net_of(recipe)) if not isinstance(row.layer, bare)]
    except ValueError as error:
        raise UsageError(f"--net {recipe.net}: {error}") from error


def accuracy(summary: Summary) -> str:
    """Mean and, of several seeds, standard deviation."""
    spread = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
    return f"{summary.mean:.3f}{spread}"


def gain(before: Rung, after: Rung) -> Difference | None:
    """How much the second rung's mean is above the first's; None where that is not known."""
    if before.summary is None or after.summary is None:
        return None
    return difference(after.summary, before.summary)


def as_text(rungs: Iterable[Rung]) -> str:
    """A line a rung: step, name, parameters, result, what changed."""
    lines = [f"{'step':<6}{'rung':<15}{'parameters':>10}  {'result':<39}changed"]
    for item in rungs:
        step = item.lesson.step if item.lesson else ""
        head = f"{step:<6}{item.name:<15}{item.parameters:>10,}"
        before = RECIPES[item.base] if item.base else Recipe()
        said = said_of(item.lesson, before, item.recipe)
        lines.append(f"{head}  {item.result:<39}{said}")
    return "\n".join(lines)


def said_of(lesson: Lesson | None, before: Recipe, after: Recipe) -> str:
    """What one recipe changes in another, in words: the gist of its lesson, where it has one."""
    if lesson is None:
        return changed(before, after)
    gist = re.match(r".{30,}?(?=[.:] |\.$)", lesson.change)
    said = gist[0] if gist else lesson.change
    return f"{said} ({describe({field.name: new for field, _, new in changes(before, after)})})"


def diff(before: Rung, after: Rung) -> str:
    """What differs between two rungs: the recipe's fields, the layers side by side, the result."""
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
        lines.append(f"Difference: {in_words(change)}")
    return "\n".join(lines)


def in_words(change: Difference) -> str:
    """A difference with its interval, and whether it can be believed."""
    verdict = "with zero in it: it may be chance"
    if change.excludes_zero:
        verdict = "without zero: more than seeds alone would explain"
    interval = f"95 % interval {change.low:+.3f} to {change.high:+.3f}"
    return f"{change.value:+.3f} points, {interval}, {verdict}"


def layer_lines(item: Rung) -> list[str]:
    """A line a layer of the rung's net: what it is, the shape of its output, its parameters."""
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
    """Two lists of lines beside each other, equal ones level; | marks a line that differs."""
    result = []
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        mark = " " if kind == "equal" else "|"
        pairs = itertools.zip_longest(left[a:b], right[c:d], fillvalue="")
        result += [f"  {one:<38} {mark} {other}".rstrip() for one, other in pairs]
    return result
