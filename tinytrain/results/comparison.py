"""Decide which of two is better, each a run, a folder of seeds, or a record."""

import difflib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinytrain.errors import DataError, UsageError, printable
from tinytrain.report.target import LAST_EPOCHS
from tinytrain.results import records
from tinytrain.results.records import Record
from tinytrain.results.run_list import parameters_of, run_folders, tested_on
from tinytrain.results.statistics import (
    FEWEST_SEEDS,
    Difference,
    difference_of,
    score,
    seeds_needed,
)
from tinytrain.runs import run_folder


@dataclass(frozen=True)
class Side:
    """The finished runs at or below a place; `left_out` names each other one, with the reason.

    `folder` is that of the first run, or that of the record where only this is left.
    """

    place: Path
    folder: Path
    record: Record
    left_out: list[str]

    @property
    def pooled(self) -> str:
        """Accuracy and loss over the images of all folds, "" where these are not all of them."""
        part, _, parts = self.record.fold.partition("/")
        every = part == "all" and len(self.record.seeds) == int(parts)
        return records.pooled(self.record) if every else ""

    def results(self, seeds: Sequence[int]) -> dict[str, list[float]]:
        """Numbers by name, one for each of these seeds; an empty list for what runs do not have.

        `parameters`, which the seeds share, is one number.
        """
        columns = [self.record.seeds[seed] for seed in seeds]
        accuracies = [column["test_accuracy"] for column in columns]
        long = min(map(len, accuracies)) >= LAST_EPOCHS
        parameters = parameters_of(self.folder, self.record)
        return {
            "parameters": [parameters] if isinstance(parameters, int) else [],
            "last_five": [*map(score, accuracies)] if long else [],
            "last_accuracy": [values[-1] for values in accuracies],
            "last_loss": [column["test_loss"][-1] for column in columns],
            "seconds": [sum(column["seconds"]) for column in columns],
        }


@dataclass(frozen=True)
class Comparison:
    """How much better the second side is, by the scores of its runs, in percentage points.

    `seeds` are those compared of each side; `paired`: seed by seed. `interval` is None for fewer
    than three seeds a side, and `needed`, how many more seeds of each would tell such a
    difference, where it is told already, or cannot be.
    """

    seeds: tuple[list[int], list[int]]
    paired: bool
    value: float
    interval: Difference | None
    needed: int | None


def read_side(place: Path) -> Side:
    """One side. Raises DataError where no run is finished, UsageError where the runs differ."""
    reasons = {folder: why_left_out(folder) for folder in run_folders(place)}
    finished = [folder for folder, reason in reasons.items() if reason is None]
    left_out = [reason for reason in reasons.values() if reason]
    if finished:
        return Side(place, finished[0], records.collect(finished, ""), left_out)
    path = place if place.is_file() else place / "record.jsonl"
    record = records.read_record(path.stem, path.parent)
    if record is None:
        more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
        found = left_out[0] + more if left_out else "none; `runs` lists runs"
        raise DataError(f"{place}: expected a finished run, found {found}")
    return Side(place, path.parent, record, left_out)


def why_left_out(folder: Path) -> str | None:
    """Why a run cannot be compared, in a line that names it; None where it can."""
    try:
        epochs = run_folder.read_settings(folder).recipe.epochs
        done = len(run_folder.read_history(folder))
    except DataError as error:
        return str(error)
    if done == epochs:
        return None
    log = folder.with_name(f"{folder.name}.log")  # of `seeds`
    diverged = log.is_file() and "is not finite" in log.read_text(errors="replace")
    return f"{folder}: {'diverged' if diverged else 'unfinished'}, {done} of {epochs} epochs"


def compare(one: Side, other: Side) -> Comparison:
    """Compare two sides, seed by seed where at least three seeds, or any folds, are on both.

    Over all folds a seed is a fold, so the same images are compared. Raises UsageError where the
    two were tested on different images.
    """
    earlier, later = one.record, other.record
    tested = [(tested_on(record), record.data_digest) for record in (earlier, later)]
    if tested[0] != tested[1]:
        found = " and ".join(f"{data} ({digest[:8]})" for data, digest in tested)
        raise UsageError(
            f"{one.place}, {other.place}: expected one set of test images, found {found}"
        )
    common = sorted(earlier.seeds.keys() & later.seeds.keys())
    folds = earlier.fold.startswith("all/")
    if folds and not common:
        raise UsageError(f"{one.place}, {other.place}: expected a fold of both, found none")
    paired = folds or len(common) >= FEWEST_SEEDS
    seeds = (common, common) if paired else (sorted(earlier.seeds), sorted(later.seeds))
    scores = [
        [score(record.seeds[seed]["test_accuracy"]) for seed in chosen]
        for record, chosen in zip((earlier, later), seeds, strict=True)
    ]
    value = statistics.mean(scores[1]) - statistics.mean(scores[0])
    if min(map(len, scores)) < FEWEST_SEEDS:
        return Comparison(seeds, paired, value, None, None)
    if paired:
        scores = [[new - old for old, new in zip(*scores, strict=True)]]
    deviations = [(statistics.stdev(values), len(values)) for values in scores]
    interval = difference_of(value, deviations)
    needed = None if interval.excludes_zero else seeds_needed(value, deviations)
    return Comparison(seeds, paired, value, interval, needed)


def file_differences(one: Side, other: Side) -> dict[str, str]:
    """Unified diffs of the files that functions of both recipes come from, such as "net file".

    They are of the copies that the runs keep; files of which there are not two, or whose lines
    are the same, are left out.
    """
    diffs = {}
    for field in one.record.digests.keys() & other.record.digests.keys():
        paths = [side.folder / run_folder.COPIES[field] for side in (one, other)]
        if all(path.is_file() for path in paths):
            old, new = (path.read_text(errors="replace").splitlines() for path in paths)
            lines = difflib.unified_diff(old, new, str(paths[0]), str(paths[1]), lineterm="")
            diffs[f"{field} file"] = "\n".join(map(printable, lines))
    return {name: diff for name, diff in diffs.items() if diff}
