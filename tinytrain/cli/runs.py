"""The command `runs`: what was trained below a folder, with what, and what came of it.

A run's folder keeps the values of its recipe and no name, so listed is the recipe that it differs
least from, and in what.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinytrain.course.ladder import changes, describe
from tinytrain.errors import DataError, TinytrainError
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.runs import net_file
from tinytrain.runs import run_folder as folders
from tinytrain.runs.settings import Settings
from tinytrain.train import Epoch
from tinytrain.train.target import LAST_EPOCHS, reason_not_judged, verdict

FILES = {"run.json", "history.jsonl", "checkpoint.pt"}
HEAD = (
    "run",
    "recipe",
    "data",
    "seed",
    "epochs",
    "last",
    f"last {LAST_EPOCHS}",
    "verdict",
    "time",
)


@dataclass(frozen=True)
class Run:
    """A run, and what came of it; accuracies in percent, None where there is no such epoch.

    `changes`: what its recipe has other than the one called `recipe`. `last_five` is the mean
    over the last five epochs, where there are five; `seconds` those of all epochs together.
    """

    folder: str
    recipe: str
    changes: dict[str, str]
    dataset: str
    holdout: int
    fold: str
    seed: int
    epochs: int
    epochs_done: int
    last_five: float | None
    last_accuracy: float | None
    last_loss: float | None
    verdict: str
    seconds: float


def list_runs(options: argparse.Namespace) -> None:
    """List the runs below some folders."""
    named = [Path(folder) for folder in options.folders]
    for folder in named:
        if not folder.is_dir():
            raise DataError(f"{folder}: expected a folder of runs, found none")
    tops, good, damaged = named or [Path("runs")], [], {}
    for folder in dict.fromkeys(run for top in tops for run in found(top)):
        try:
            good.append(read(folder))
        except DataError as error:
            damaged[str(folder)] = str(error)
    if options.json:
        broken = [{"folder": folder, "error": said} for folder, said in damaged.items()]
        print(json.dumps([*map(asdict, good), *broken], indent=2))
        return
    if good:
        print(as_text([HEAD, *map(row, good)]))
    for said in damaged.values():
        print(f"damaged: {said}")
    if not good and not damaged:
        places = ", ".join(map(str, tops))
        print(f"no runs below {places}; python -m tinytrain train makes one")


def found(top: Path) -> Iterator[Path]:
    """The folders of runs at or below `top`, seed-2 before seed-10."""
    places = []
    for place, below, names in os.walk(top):
        if FILES.intersection(names):
            below.clear()
            places.append(Path(place))
    return iter(sorted(places, key=lambda place: natural_order(str(place))))


def natural_order(text: str) -> list[tuple[int, str]]:
    """A key by which numbers in texts sort as numbers."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def read(folder: Path) -> Run:
    """The run in a folder. Raises DataError where it is damaged."""
    return summed_up(folder, folders.read_settings(folder), folders.read_history(folder))


def summed_up(folder: Path, settings: Settings, history: Sequence[Epoch]) -> Run:
    """The run with these settings and epochs."""
    recipe, changed = nearest(settings.recipe)
    accuracies = [epoch.test_accuracy for epoch in history]
    long = len(accuracies) >= LAST_EPOCHS
    return Run(
        folder=str(folder),
        recipe=recipe,
        changes=changed,
        dataset=settings.dataset,
        holdout=settings.holdout,
        fold=settings.fold,
        seed=settings.seed,
        epochs=settings.recipe.epochs,
        epochs_done=len(history),
        last_five=statistics.mean(accuracies[-LAST_EPOCHS:]) if long else None,
        last_accuracy=history[-1].test_accuracy if history else None,
        last_loss=history[-1].test_loss if history else None,
        verdict=judged(folder, settings, history),
        seconds=sum(epoch.seconds for epoch in history),
    )


def nearest(recipe: Recipe) -> tuple[str, dict[str, str]]:
    """The named recipe that differs from `recipe` in the fewest fields, and what is other there.

    Of several equally near it is the first: `final` rather than its variations.
    """
    name = min(RECIPES, key=lambda name: len(changes(RECIPES[name], recipe)))
    return name, {field.name: new for field, _, new in changes(RECIPES[name], recipe)}


def judged(folder: Path, settings: Settings, history: Sequence[Epoch]) -> str:
    """Whether the run meets the target, in a word, or why that cannot be said."""
    reason = reason_not_judged(settings.dataset, settings.holdout, settings.recipe.epochs)
    if reason:
        return f"not judged ({reason})"
    if len(history) < settings.recipe.epochs:
        return "unfinished"
    try:
        parameters = parameter_count(net_file.start(folders.recipe_of(folder, settings), 0).net)
    except TinytrainError as error:
        return f"not judged ({error})"
    met = verdict([epoch.test_accuracy for epoch in history], parameters).met
    return "met" if met else "not met"


def row(run: Run) -> tuple[str, ...]:
    """The run's line of the table."""
    return (
        run.folder,
        recipe_text(run.recipe, run.changes),
        tested(run),
        str(run.seed),
        f"{run.epochs_done}/{run.epochs}",
        text(run.last_accuracy, ".2f"),
        text(run.last_five, ".3f"),
        run.verdict.partition(" (")[0],
        str(datetime.timedelta(seconds=round(run.seconds))),
    )


def recipe_text(name: str, changed: dict[str, str], most: int = 4) -> str:
    """A recipe and what is other: final, lr 0.02; the first `most` changes, and how many more."""
    first = dict(list(changed.items())[:most])
    more = f" and {len(changed) - most} more" if len(changed) > most else ""
    return ", ".join([name, *([describe(first)] if first else [])]) + more


def tested(run: Run | Settings) -> str:
    """The data of a run, and which of its training images play the test set, if any."""
    if run.fold:
        return f"{run.dataset}, fold {run.fold}"
    return f"{run.dataset}, {run.holdout:,} held out" if run.holdout else run.dataset


def text(value: float | str | None, form: str) -> str:
    """A value in that form, or nothing where there is none."""
    return "" if value is None else format(value, form)


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows as lines, each column as wide as it has to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
