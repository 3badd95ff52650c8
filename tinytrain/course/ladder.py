"""The ladder: every rung changes one thing where it can, and says what that brought.

A rung is a recipe (`recipes.LADDER`), a lesson (`lessons.LESSONS`) and a record
(`records/NAME.json`). This file puts the three together as text: the list of all rungs, and the
difference between two of them.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from tinytrain import nets, streams
from tinytrain.course import records
from tinytrain.course.lessons import LESSONS, Lesson
from tinytrain.course.records import Record
from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Flatten, Linear, LogSoftmax, Sequential
from tinytrain.nn.inspect import layer_rows, parameter_count
from tinytrain.recipes import LADDER, RECIPES, Recipe
from tinytrain.train.spread import Difference, difference


@dataclass(frozen=True)
class Rung:
    """A recipe with its lesson, what was measured of it (None where nothing was), and its net."""

    name: str
    recipe: Recipe
    lesson: Lesson
    record: Record | None
    parameters: int

    @property
    def changes(self) -> dict[str, object]:
        """What the recipe changes in that of the rung before."""
        return LADDER[self.name]

    @property
    def result(self) -> str:
        """The accuracy of the last five epochs over seeds, in one line."""
        if self.record is None:
            return "not measured"
        summary = self.record.summary
        spread = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
        return f"{summary.mean:.3f}{spread} % ({summary.held} of {summary.count} seeds hold)"


def all_rungs(folder: Path = records.FOLDER) -> list[Rung]:
    """All rungs, from the ground up, with the records in `folder`."""
    return [rung(name, folder) for name in LADDER]


def rung(name: str, folder: Path = records.FOLDER) -> Rung:
    """The rung called `name`; raises UsageError where there is none."""
    if name not in LADDER:
        raise UsageError(f"{name}: no such rung; there is {', '.join(LADDER)}")
    recipe = RECIPES[name]
    record = records.present(name, recipe, folder)
    return Rung(name, recipe, LESSONS[name], record, parameter_count(net_of(recipe)))


def net_of(recipe: Recipe) -> Sequential:
    """The recipe's net, to be looked at; torch's own generator is not touched."""
    return nets.build(recipe.net, recipe.dropout, streams.generator(0, "look"))


def gain(before: Rung, after: Rung) -> Difference | None:
    """How much the second rung's mean is above the first's; None where that is not known."""
    if before.record is None or after.record is None:
        return None
    return difference(after.record.summary, before.record.summary)


def as_text(rungs: Iterable[Rung]) -> str:
    """A line a rung: step, name, parameters, result, what changed."""
    lines = [f"{'step':<6}{'rung':<15}{'parameters':>10}  {'result':<39}changed"]
    for item in rungs:
        head = f"{item.lesson.step:<6}{item.name:<15}{item.parameters:>10,}"
        lines.append(f"{head}  {item.result:<39}{describe(item.changes)}")
    return "\n".join(lines)


def describe(changes: dict[str, object]) -> str:
    """Changes of a recipe as words: lr 0.03, momentum 0.9."""
    return ", ".join(f"{name} {value}" for name, value in changes.items())


def diff(before: Rung, after: Rung) -> str:
    """What differs between two rungs: the recipe's fields, the layers side by side, the result."""
    lines = [f"{before.name} → {after.name}", "", "Recipe"]
    changed = [
        (field.name, getattr(before.recipe, field.name), getattr(after.recipe, field.name))
        for field in fields(Recipe)
    ]
    lines += [f"  {name}: {old} → {new}" for name, old, new in changed if old != new]
    lines += ["", "Layers", *side_by_side(layer_lines(before), layer_lines(after)), ""]
    more = after.parameters - before.parameters
    lines.append(f"Parameters: {before.parameters:,} → {after.parameters:,} ({more:+,})")
    lines.append(f"Result: {before.result} → {after.result}")
    change = gain(before, after)
    if change is not None:
        lines.append(f"Difference: {in_words(change)}")
    return "\n".join(lines)


def in_words(change: Difference) -> str:
    """A difference with its interval, and whether it can be believed."""
    verdict = (
        "without zero: more than seeds alone would explain"
        if change.excludes_zero
        else "with zero in it: it may be chance"
    )
    return (
        f"{change.value:+.3f} points, 95 % interval {change.low:+.3f} to {change.high:+.3f}, "
        f"{verdict}"
    )


def layer_lines(item: Rung) -> list[str]:
    """A line a layer of the rung's net: what it is, the shape of its output, its parameters."""
    lines = []
    for row in layer_rows(net_of(item.recipe)):
        layer = row.layer
        if isinstance(layer, (Sequential, Flatten, LogSoftmax)):
            continue
        kind = type(layer).__name__
        if isinstance(layer, Conv2d):
            kind += f" {layer.kernel_size[0]}×{layer.kernel_size[1]}"
            kind += " padded" if any(layer.padding) else ""
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
