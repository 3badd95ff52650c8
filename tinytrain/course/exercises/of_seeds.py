"""Exercises on what may be said of a result: over seeds, and against the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, Rows
from tinytrain.results import records, statistics
from tinytrain.train import target

MEASURED = ("net7", "net9_3", "reference", "averaged", "final")


def runs(draw: Draw) -> dict[str, Any]:
    """The test accuracies of one to four runs."""
    epochs = draw.integer(3, 7)
    seeds = [[accuracy(draw) for _ in range(epochs)] for _ in range(draw.integer(1, 4))]
    return {"accuracies": seeds}


def accuracy(draw: Draw) -> float:
    """One near the target, often at it."""
    return float(draw.one_of(99.40, draw.number(99.4, 99.6), draw.number(99.3, 99.6)))


def measured(name: str) -> list[list[float]]:
    """The test accuracies of a recipe, epoch by epoch, a list a seed; none without a record."""
    record = records.read_record(name)
    return record.column("test_accuracy") if record else []


def summaries() -> Rows:
    """What the records of the final recipe and of the one before it say."""
    rows: Rows = {}
    for name in ("wide", "final"):
        summary = statistics.summarise(measured(name))
        low, high = summary.interval or (0.0, 0.0)
        rows[f"{name}: mean, deviation"] = [summary.mean, summary.deviation]
        rows[f"{name}: interval"] = [low, high]
    return rows


INTERVAL = Exercise(
    name="interval",
    title="Mean, deviation and interval over seeds",
    shipped=statistics.summarise,
    why="Two seeds of one recipe differ by more than many a change of the recipe does. What a few "
    "runs say about all the runs that might have been is an interval, and it is wider than the "
    "spread of three numbers suggests.",
    hints=(
        "Of each seed one number: the mean of its last LAST_EPOCHS epochs. Never the best of "
        "them. Then the mean of those, and statistics.stdev, which divides by n − 1; of one seed "
        "the deviation is nan.",
        "The error of a mean of n is deviation / √n; the interval reaches student_t(n − 1) of "
        "those to each side. reason_without_interval(seeds, epochs) says when there is none: "
        "then it is None.",
        "Summary(count, epochs, mean, deviation, interval, held): `epochs` is that of the "
        "shortest run, `held` how many of the runs `holds` is true of.",
    ),
    arguments=runs,
    engine=summaries,
    rungs=("reference", "final"),
    mistakes={
        "the deviation of a population": ("statistics.stdev(means)", "statistics.pstdev(means)"),
        "as if seeds were many": ("student_t(count - 1)", "1.96"),
        "all epochs": ("seed[-LAST_EPOCHS:]", "seed"),
        "the interval of one run": (" * deviation / math.sqrt(count)", " * deviation"),
        "the best epoch": ("statistics.mean(seed[-LAST_EPOCHS:])", "max(seed)"),
    },
)


def run(draw: Draw) -> dict[str, Any]:
    """The test accuracies of a run, near the target."""
    near = [draw.one_of(accuracy(draw), draw.number(99.4, 99.6)) for _ in range(5)]
    late = [draw.number(99.0, 99.6) for _ in range(draw.integer(0, 3))]
    return {"accuracies": late + near[: draw.one_of(5, 5, 5, 4)]}


def judged(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """Whether the target is held (1) or not (0)."""
    return {"held (1) or not (0)": int(bool(function(**arguments)))}


def verdicts() -> Rows:
    """How many seeds hold the target, recipe by recipe."""
    return {name: [float(sum(map(target.holds, measured(name))))] for name in MEASURED}


VERDICT = Exercise(
    name="verdict",
    title="The verdict: held, or only touched",
    shipped=target.holds,
    why="With enough epochs every recipe touches 99.4 % once; to report that epoch is to choose "
    "on the test set. The target asks for each of the last five.",
    hints=(
        "The last LAST_EPOCHS accuracies: accuracies[-LAST_EPOCHS:].",
        "All of them are at the target if the smallest is. Exactly at it is enough.",
        "A run of fewer epochs than that does not hold it, however good they are: a slice is "
        "shorter without a word.",
    ),
    arguments=run,
    facts=judged,
    engine=verdicts,
    rungs=("reference", "wide", "final"),
    mistakes={
        "the best epoch": ("min(last)", "max(last)"),
        "their mean": ("min(last)", "sum(last) / len(last)"),
        "more than the target": (">= TARGET", "> TARGET"),
        "four epochs will do": ("len(last) == LAST_EPOCHS and ", ""),
        "the last epoch alone": ("min(last)", "last[-1]"),
        "every epoch": ("last = accuracies[-LAST_EPOCHS:]", "last = list(accuracies)"),
    },
)
