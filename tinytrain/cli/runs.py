"""The command `runs`: list what was trained below a folder, or compare two runs or records."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytrain.cli.options import Parser
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import Recipe

if TYPE_CHECKING:
    from tinytrain.results.run_list import Run

HELP = """\
List the runs below folders: the nearest named recipe and what was overridden, data, seed, epochs,
accuracy of the last epoch and mean of the last five, verdict, time. 'runs compare RUN RUN'
prints how the settings and the results of two differ; for two folders of `seeds`, how much better
the second recipe is, seed by seed or fold by fold.
"""

RESULTS = {
    "epochs_done": ("epochs done", ""),
    "last_five": ("mean accuracy of the last 5 epochs, %", ".3f"),
    "last_accuracy": ("accuracy of the last epoch, %", ".2f"),
    "last_loss": ("loss of the last epoch", ".4f"),
    "seconds": ("seconds of training and testing", ".0f"),
    "verdict": ("verdict", ""),
}
HEAD = ("run", "recipe", "data", "seed", "epochs", "last", "last 5", "verdict", "time")


def add_flags(parser: Parser) -> None:
    """Add the flags of `runs`."""
    folders = "where to look (default: runs); or compare, and two runs"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=folders)
    parser.add_argument("--json", action="store_true", help="as JSON, for tools")


def run(options: argparse.Namespace) -> None:
    """List the runs below some folders, or compare two runs or records."""
    if options.folders[:1] != ["compare"]:
        list_runs([Path(folder) for folder in options.folders], options.json)
        return
    if len(options.folders) != 3:
        raise UsageError("runs compare: expected two runs, such as: runs compare runs/a runs/b")
    one, other = map(Path, options.folders[1:])
    recorded = (one / "record.jsonl").exists() and (other / "record.jsonl").exists()
    (compare_records if recorded else compare_runs)(one, other, options.json)


def list_runs(named: list[Path], as_json: bool) -> None:
    """List the runs below some folders, or below `runs`."""
    from tinytrain.results.run_list import read, run_folders

    for folder in named:
        if not folder.is_dir():
            raise DataError(f"{folder}: expected a folder of runs, found none")
    tops, good, damaged = named or [Path("runs")], [], {}
    for folder in dict.fromkeys(run for top in tops for run in run_folders(top)):
        try:
            good.append(read(folder))
        except DataError as error:
            damaged[str(folder)] = str(error)
    if as_json:
        broken = [{"folder": folder, "error": error} for folder, error in damaged.items()]
        print(json.dumps([*map(asdict, good), *broken], indent=2))
        return
    if good:
        print(as_text([HEAD, *map(row, good)]))
    for reason in damaged.values():
        print(f"damaged: {reason}")
    if not good and not damaged:
        places = ", ".join(map(str, tops))
        print(f"no runs below {places}; python -m tinytrain train makes one")


def row(run: Run) -> tuple[str, ...]:
    """The run's line of the table."""
    from tinytrain.results.comparison import recipe_text

    held_out = f", {run.holdout:,} held out" if run.holdout else ""
    return (
        run.folder,
        recipe_text(run.recipe, run.changes),
        run.dataset + (f", fold {run.fold}" if run.fold else held_out),
        str(run.seed),
        f"{run.epochs_done}/{run.epochs}",
        text(run.last_accuracy, ".2f"),
        text(run.last_five, ".3f"),
        run.verdict.partition(" (")[0],
        str(datetime.timedelta(seconds=round(run.seconds))),
    )


def text(value: float | str | None, form: str) -> str:
    """A value in that form, or nothing where there is none."""
    return "" if value is None else format(value, form)


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows as lines, each column as wide as it has to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def compare_runs(one: Path, other: Path, as_json: bool) -> None:
    """Print how two runs differ: first their settings, then their results."""
    from tinytrain.results.comparison import meaning, shown
    from tinytrain.results.run_list import read

    runs, settings = (read(one), read(other)), (everything(one), everything(other))
    names = dict.fromkeys(name for run in settings for name in run)
    pairs = {name: [run.get(name) for run in settings] for name in names}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    results = {name: [getattr(run, name) for run in runs] for name in RESULTS}
    if as_json:
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
        print("Tested on different images: the results cannot be compared.")
    print(
        "One run each cannot show the effect of the seed; python -m tinytrain seeds measures it."
    )


def compare_records(one: Path, other: Path, as_json: bool) -> None:
    """Print how much better the runs of one record are than those of another, seed by seed."""
    from tinytrain.results import records
    from tinytrain.results.comparison import changed, changes

    found = {str(folder): records.read_record("record", folder) for folder in (one, other)}
    earlier, later = (record for record in found.values() if record is not None)
    gain = records.compared(earlier, later)
    pooled = {
        folder: records.pooled(record)
        for folder, record in found.items()
        if record is not None and record.fold.startswith("all/")
    }
    if as_json:
        differing = {field.name: pair for field, *pair in changes(earlier.recipe, later.recipe)}
        content = {"records": [*found], "settings": differing, "pooled": pooled, "gain": gain}
        print(json.dumps(content, indent=2))
        return
    print(f"{one} → {other}\n{changed(earlier.recipe, later.recipe) or 'the same recipe'}")
    for folder, text in pooled.items():
        print(f"{folder}: {text}")
    print(f"mean of the last epochs: {gain}")


def everything(folder: Path) -> dict[str, Any]:
    """The settings in a run.json by name, those of the recipe among them, versions and machine."""
    from tinytrain.runs import run_folder as folders

    settings = asdict(folders.read_settings(folder))
    content = json.loads((folder / "run.json").read_text())
    versions = content.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    named = {f"{name} version": version for name, version in versions.items()}
    recipe: dict[str, Any] = settings.pop("recipe")
    named |= {f"{field} file": digest for field, digest in settings.pop("digests").items()}
    return recipe | settings | named | {"machine": content.get("machine")}
