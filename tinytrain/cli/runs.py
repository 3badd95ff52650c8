"""The command `runs`: list what was trained below a folder, or say which of two is better."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from tinytrain.cli.options import Parser, seed_text
from tinytrain.errors import DataError, UsageError, did_you_mean
from tinytrain.recipes import Recipe

if TYPE_CHECKING:
    from tinytrain.results.comparison import Comparison
    from tinytrain.results.records import Record
    from tinytrain.results.run_list import Run

HELP = """\
List the runs below folders: the nearest named recipe and what was overridden, parameters, data,
seed, epochs, accuracy of the last epoch and mean of the last five, verdict, time.

'runs compare A B' says which is better. A and B are runs, folders of seeds (as `seeds` makes them)
or records. It prints what differs in settings and in the files of nets, means and deviations over
the seeds, and the difference with its 95 % interval: seed by seed where three seeds are shared,
fold by fold with --fold all/N, else by Welch's test; where that does not tell the two apart, how
many more seeds would. A run counts with the mean of its last five epochs, of fewer with the last.
"""
RESULTS = {
    "parameters": ("parameters", ","),
    "last_five": ("mean accuracy of the last 5 epochs, %", ".3f"),
    "last_accuracy": ("accuracy of the last epoch, %", ".2f"),
    "last_loss": ("loss of the last epoch", ".4f"),
    "seconds": ("seconds of training and testing", ".1f"),
}
HEAD: tuple[str, ...] = ("run", "recipe", "parameters", "data", "seed", "epochs")
HEAD += ("last", "last 5", "verdict", "time")


def add_flags(parser: Parser) -> None:
    """Add the flags of `runs`."""
    folders = "where to look (default: runs); or compare, and two runs or folders of seeds"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=folders)
    parser.add_argument("--json", action="store_true", help="as JSON, for tools")


def run(options: argparse.Namespace) -> None:
    """List the runs below some folders, or compare two runs or folders of seeds."""
    folders = [Path(folder) for folder in options.folders]
    if options.folders[:1] != ["compare"]:
        list_runs(folders, options.json)
    elif len(folders) == 3:
        compare(folders[1], folders[2], options.json)
    else:
        expected = "expected two runs or folders of seeds"
        raise UsageError(f"runs compare: {expected}, such as: runs compare runs/a runs/b")


def list_runs(named: list[Path], as_json: bool) -> None:
    """List the runs below some folders, or below `runs`."""
    from tinytrain.results.run_list import read, run_folders

    for folder in named:
        if not folder.is_dir():
            close = did_you_mean(str(folder), ["compare"])
            raise DataError(f"{folder}: expected a folder of runs, found none{close}")
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
    from tinytrain.recipes.changes import recipe_text
    from tinytrain.results.run_list import tested_on

    return (
        run.folder,
        recipe_text(run.recipe, run.changes),
        text(run.parameters, ","),
        tested_on(run),
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


def compare(one: Path, other: Path, as_json: bool) -> None:
    """Print how two sides differ, in settings, files and results, and which is better."""
    from tinytrain.recipes.changes import meaning, value_text
    from tinytrain.results import comparison

    both = comparison.read_side(one), comparison.read_side(other)
    found, diffs = comparison.compare(*both), comparison.file_differences(*both)
    told = found.interval is not None and found.interval.excludes_zero
    better = str((one, other)[found.value > 0]) if told else None
    settings = [all_settings(side.record) for side in both]
    names = dict.fromkeys(name for side in settings for name in side)
    pairs = {name: [side.get(name) for side in settings] for name in names}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    results = [side.results(seeds) for side, seeds in zip(both, found.seeds, strict=True)]
    if as_json:
        content = {"runs": [str(one), str(other)], "better": better, **asdict(found)}
        content |= {"settings": differing, "files": diffs, "results": results}
        content |= {
            name: [getattr(side, name) for side in both] for name in ("left_out", "pooled")
        }
        print(json.dumps(content, indent=2))
        return
    meanings = {field.name: f" ({meaning(field)})" for field in fields(Recipe)}
    print(f"{one} → {other}\n\nSettings{'' if differing.keys() - diffs.keys() else ': the same'}")
    for name, (old, new) in differing.items():
        if name not in diffs:  # no digests where there are lines
            print(f"  {name}: {value_text(old)} → {value_text(new)}{meanings.get(name, '')}")
    for diff in diffs.values():
        print(f"\n{diff}")
    print("\nResult, mean ± standard deviation over seeds")
    print(f"  seeds: {' → '.join(map(seed_text, found.seeds))}")
    for name, (said, form) in RESULTS.items():
        before, after = (side[name] for side in results)
        if before or after:
            change = f" ({mean(after) - mean(before):+{form}})" if before and after else ""
            print(f"  {said}: {spread(before, form)} → {spread(after, form)}{change}")
    for side, seeds in zip(both, found.seeds, strict=True):
        for reason in side.left_out:
            print(f"left out: {reason}")
        if alone := sorted(side.record.seeds.keys() - set(seeds)):
            print(f"left out: {side.place}: {seed_text(alone)}, seeds of one side only")
        if side.pooled:
            print(f"{side.place}: {side.pooled}")
    print(f"\n{conclusion(found, better)}")


def spread(values: Sequence[float], form: str) -> str:
    """The mean of the values in that form and, of several, their standard deviation."""
    deviation = f" ± {stdev(values):{form}}" if len(values) > 1 else ""
    return f"{mean(values):{form}}{deviation}" if values else "none"


def conclusion(found: Comparison, better: str | None) -> str:
    """The difference, and which is better, or how many more seeds would tell."""
    counts = " and ".join(str(len(seeds)) for seeds in found.seeds)
    over = f"{len(found.seeds[0])} pairs of one seed" if found.paired else f"{counts} seeds"
    line = f"Difference over {over}: {found.interval or f'{found.value:+.3f} points'}"
    if better:
        return f"{line}\n{better} is better."
    if found.interval is None:
        advice = "an interval takes three seeds a side; python -m tinytrain seeds trains them"
        return f"{line}\nNot told apart: {advice}."
    more = f"about {found.needed}" if found.needed else "not even a thousand"
    told = f"{more} seeds more a side would tell a difference of this size"
    return f"{line}\nNot told apart; {told} in four of five comparisons."


def all_settings(record: Record) -> dict[str, Any]:
    """The settings that runs share, by name, those of the recipe among them, and the machine."""
    settings = asdict(record)
    for name in ("command", "date", "fingerprint", "seed", "seeds", "holdout", "fold"):
        del settings[name]
    named = {f"{name} version": version for name, version in settings.pop("versions").items()}
    named |= {f"{field} file": digest for field, digest in settings.pop("digests").items()}
    recipe: dict[str, Any] = settings.pop("recipe")
    return recipe | settings | named
