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
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytrain.cli.options import (
    Parser,
)
from tinytrain.errors import DataError, TinytrainError, UsageError
from tinytrain.recipes import Recipe

if TYPE_CHECKING:
    from tinytrain.runs.settings import Settings
    from tinytrain.train import Epoch

HELP = """\
List the runs below folders: the nearest named recipe and what was overridden, data, seed, epochs,
accuracy of the last epoch and mean of the last five, verdict, time. 'runs compare RUN RUN'
says what differs between two, and what came of it; of two folders of `seeds`, how much better the
second recipe is, seed by seed or fold by fold.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `runs`."""
    folders = "where to look (default: runs); or compare, and two runs"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=folders)
    parser.add_argument("--json", action="store_true", help="as JSON, for tools")


FILES = {"run.json", "history.jsonl", "checkpoint.pt"}
RESULTS = {
    "epochs_done": ("epochs done", ""),
    "last_five": ("mean accuracy of the last 5 epochs, %", ".3f"),
    "last_accuracy": ("accuracy of the last epoch, %", ".2f"),
    "last_loss": ("loss of the last epoch", ".4f"),
    "seconds": ("seconds of training and testing", ".0f"),
    "verdict": ("verdict", ""),
}
HEAD = (
    "run",
    "recipe",
    "data",
    "seed",
    "epochs",
    "last",
    "last 5",
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


def run(options: argparse.Namespace) -> None:
    """List the runs below some folders, or compare two."""
    (compare if options.folders[:1] == ["compare"] else list_runs)(options)


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
    from tinytrain.runs import run_folder as folders

    return summed_up(folder, folders.read_settings(folder), folders.read_history(folder))


def summed_up(folder: Path, settings: Settings, history: Sequence[Epoch]) -> Run:
    """The run with these settings and epochs."""
    from tinytrain.results.comparison import nearest
    from tinytrain.train.target import LAST_EPOCHS

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


def judged(folder: Path, settings: Settings, history: Sequence[Epoch]) -> str:
    """Whether the run meets the target, in a word, or why that cannot be said."""
    from tinytrain.nn.inspect import parameter_count
    from tinytrain.runs import net_file
    from tinytrain.runs import run_folder as folders
    from tinytrain.train.target import reason_not_judged, verdict

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
    from tinytrain.results.comparison import recipe_text

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


def compare(options: argparse.Namespace) -> None:
    """Print what differs between two runs, setting by setting, and what came of it."""
    from tinytrain.results.comparison import meaning, shown

    if len(options.folders) != 3:
        raise UsageError("runs compare: expected two runs, such as: runs compare runs/a runs/b")
    one, other = map(Path, options.folders[1:])
    if (one / "record.jsonl").exists() and (other / "record.jsonl").exists():
        compare_records(one, other)
        return
    runs, settings = (read(one), read(other)), (everything(one), everything(other))
    names = dict.fromkeys(name for run in settings for name in run)
    pairs = {name: [run.get(name) for run in settings] for name in names}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    results = {name: [getattr(run, name) for run in runs] for name in RESULTS}
    if options.json:
        content = {"runs": [str(one), str(other)], "settings": differing, "results": results}
        print(json.dumps(content, indent=2))
        return
    meanings = {field.name: f" ({meaning(field)})" for field in fields(Recipe)}
    print(f"{one} → {other}\n\nSettings{'' if differing else ': the same'}")
    for name, (old, new) in differing.items():
        print(f"  {name}: {shown(old)} → {shown(new)}{meanings.get(name, '')}")
    print("\nResult")
    for name, (said, form) in RESULTS.items():
        old, new = results[name]
        change = f" ({new - old:+{form}})" if form and None not in (old, new) else ""
        print(f"  {said}: {text(old, form) or 'none'} → {text(new, form) or 'none'}{change}")
    print()
    if {"dataset", "data_digest", "holdout", "fold"} & differing.keys():
        print("Tested on different images: what came of it cannot be compared.")
    print(
        "One run each: how much another seed alone would change, they do not say; "
        "python -m tinytrain seeds does."
    )


def compare_records(one: Path, other: Path) -> None:
    """Print how much better the runs of one record are than those of another, seed by seed."""
    from tinytrain.results import records
    from tinytrain.results.comparison import changed

    found = [records.read_record("record", folder) for folder in (one, other)]
    earlier, later = (record for record in found if record is not None)
    print(f"{one} → {other}\n{changed(earlier.recipe, later.recipe) or 'the same recipe'}")
    for folder, record in ((one, earlier), (other, later)):
        if record.fold.startswith("all/"):
            print(f"{folder}: {records.pooled(record)}")
    print(f"mean of the last epochs: {records.compared(earlier, later)}")


def everything(folder: Path) -> dict[str, Any]:
    """The settings in a run.json by name, those of the recipe among them, versions and machine."""
    from tinytrain.runs import run_folder as folders

    settings = asdict(folders.read_settings(folder))
    content = json.loads((folder / "run.json").read_text())
    said = content.get("versions")
    versions = said.items() if isinstance(said, dict) else ()
    recipe: dict[str, Any] = settings.pop("recipe")
    machine = {"machine": content.get("machine")}
    return recipe | settings | {f"{name} version": found for name, found in versions} | machine
