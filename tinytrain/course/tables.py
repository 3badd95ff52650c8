"""Tables of figures for the page and for the README: a row of headings, then a row each."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tinytrain.course.ladder import Rung, accuracy, gain
from tinytrain.results.comparison import describe
from tinytrain.results.records import Record
from tinytrain.results.statistics import Summary, summarise
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY

Cells = list[list[str]]


def result_cells(rungs: Sequence[Rung]) -> Cells:
    """The table of all rungs."""
    cells = [["rung", "parameters", "sees", "accuracy, %", "held", "gap"]]
    for rung in rungs:
        row = [rung.name, f"{rung.parameters:,}", str(rung.sees)]
        if record := rung.record:
            row += [accuracy(record.summary), held(record.summary)]
            row.append(f"{record.gap:+.2f}")
        else:
            row += ["not measured", "", ""]
        cells.append(row)
    return cells


def ablation_cells(ablations: Sequence[Rung], final: Rung) -> Cells:
    """The table of the final recipe without one ingredient."""
    head = ["recipe", "final, but", "accuracy, %", "held", "against final, points"]
    cells = [[*head, "95 % interval"]]
    for rung in ablations:
        summary, change = rung.summary, gain(final, rung)
        row = [rung.name, describe(rung.changes)]
        row += [accuracy(summary), held(summary)] if summary else ["not measured", ""]
        interval = f"{change.low:+.3f} to {change.high:+.3f}" if change else ""
        cells.append([*row, f"{change.value:+.3f}" if change else "", interval])
    return cells


def view_cells(rungs: Sequence[Rung]) -> Cells:
    """The table of rungs by what a place of their net's last map sees."""
    cells = [["recipe", "sees, pixels", "accuracy, %", "held"]]
    for rung in rungs:
        summary = rung.summary
        row = [accuracy(summary), held(summary)] if summary else ["not measured", ""]
        cells.append([rung.name, str(rung.sees), *row])
    return cells


def frontier_cells(frontier: Sequence[Rung]) -> Cells:
    """The table of what lies beyond the final recipe."""
    head = ["recipe", "parameters", "epochs", "seeds", "last epoch, %"]
    cells = [[*head, f"last {LAST_EPOCHS} epochs, %", "held", "final, but"]]
    for rung in frontier:
        row = [rung.name, f"{rung.parameters:,}", str(rung.recipe.epochs)]
        if record := rung.record:
            last = summarise([seed[-1:] for seed in record.column("test_accuracy")])
            long = rung.recipe.epochs >= LAST_EPOCHS
            row += [str(last.count), accuracy(last)]
            row += [accuracy(record.summary), held(record.summary)] if long else ["", ""]
        else:
            row += ["not measured", "", "", ""]
        cells.append([*row, describe(rung.changes)])
    return cells


def held(summary: Summary) -> str:
    """How many seeds hold the target."""
    return f"{summary.held} of {summary.count}"


def time_cells(rungs: Sequence[Rung]) -> Cells:
    """The table of what a run of each rung took on the machine of its record, in minutes."""
    cells = [["rung", "parameters", "minutes a run", "device", "threads"]]
    for rung in rungs:
        if record := rung.record:
            seconds = statistics.median(map(sum, record.column("seconds")))
            row = [rung.name, f"{rung.parameters:,}", f"{seconds / 60:.1f}"]
            cells.append([*row, record.device, str(record.threads)])
    return cells


def seed_cells(record: Record) -> Cells:
    """The table of a record's seeds."""
    cells = [["seed", f"last {LAST_EPOCHS} epochs, %", "mean", f"each ≥ {TARGET_ACCURACY:.2f}"]]
    for seed, columns in record.seeds.items():
        last = columns["test_accuracy"][-LAST_EPOCHS:]
        below = TARGET_ACCURACY - min(last)
        verdict = "yes" if below <= 0 else f"no, by {below:.2f}"
        shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
        cells.append([str(seed), shown, f"{statistics.mean(last):.2f}", verdict])
    return cells


def selection_bias_cells(rungs: Sequence[Rung]) -> Cells:
    """How far to choose epoch or seed on the test images would have raised what is reported.

    Recipes of fewer epochs have no last five to compare with, and no row.
    """
    head = ["recipe", "reported here", "best epoch of each seed", "best seed", "best epoch of all"]
    cells = [head]
    for rung in rungs:
        if rung.record and rung.recipe.epochs >= LAST_EPOCHS:
            mean = rung.record.summary.mean
            chosen = [f"{value:.2f} ({value - mean:+.2f})" for value in rung.record.chosen_on_test]
            cells.append([rung.name, f"{mean:.2f}", *chosen])
    return cells


def markdown(cells: Cells) -> str:
    """The cells as a Markdown table."""
    head, *body = cells
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {line} |" for line in lines)
