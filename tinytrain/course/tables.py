"""Tables of measured results, for the page and for Markdown: a row of headings, then the rows."""

import statistics
from collections.abc import Sequence

from tinytrain.course.ladder import Rung, accuracy, gain
from tinytrain.recipes.changes import describe
from tinytrain.report.target import LAST_EPOCHS, TARGET_ACCURACY
from tinytrain.results.records import Record
from tinytrain.results.statistics import Summary, summarise

Table = list[list[str]]


def results(rungs: Sequence[Rung]) -> Table:
    """All rungs of the ladder."""
    table = [["rung", "parameters", "receptive field", "accuracy, %", "held", "gap"]]
    for rung in rungs:
        row = [rung.name, f"{rung.parameters:,}", str(rung.field), *measured(rung)]
        table.append([*row, signed(rung.record.gap, 2) if rung.record else ""])
    return table


def ablation(ablations: Sequence[Rung], final: Rung) -> Table:
    """The final recipe with one ingredient changed."""
    head = ["recipe", "final, but", "accuracy, %", "held", "against final, points"]
    table = [[*head, "95 % interval"]]
    for rung in ablations:
        row = [rung.name, describe(rung.changes), *measured(rung)]
        if change := gain(final, rung):
            row += [signed(change.value), f"{signed(change.low)} to {signed(change.high)}"]
        else:
            row += ["", ""]
        table.append(row)
    return table


def views(rungs: Sequence[Rung]) -> Table:
    """Rungs by the receptive field of their net's last map."""
    table = [["recipe", "receptive field, pixels", "accuracy, %", "held"]]
    return table + [[rung.name, str(rung.field), *measured(rung)] for rung in rungs]


def frontier(rungs: Sequence[Rung]) -> Table:
    """Recipes beyond the final one."""
    head = ["recipe", "parameters", "epochs", "seeds", "last epoch, %"]
    table = [[*head, f"last {LAST_EPOCHS} epochs, %", "held", "final, but"]]
    for rung in rungs:
        row = [rung.name, f"{rung.parameters:,}", str(rung.recipe.epochs)]
        if rung.record:
            last = last_epoch(rung.record)
            row += [str(last.count), accuracy(last)]
            row += measured(rung) if rung.recipe.epochs >= LAST_EPOCHS else ["", ""]
        else:
            row += ["not measured", "", "", ""]
        table.append([*row, describe(rung.changes)])
    return table


def measured(rung: Rung) -> list[str]:
    """Accuracy and how many seeds hold the target."""
    summary = rung.summary
    return [accuracy(summary), held(summary)] if summary else ["not measured", ""]


def held(summary: Summary) -> str:
    """How many seeds hold the target."""
    return f"{summary.held} of {summary.count}"


def last_epoch(record: Record) -> Summary:
    """Mean and deviation over seeds of the accuracy of the last epoch."""
    return summarise([seed[-1:] for seed in record.column("test_accuracy")])


def times(rungs: Sequence[Rung]) -> Table:
    """The time of a run of each rung, in minutes, on the machine of its record."""
    table = [["rung", "parameters", "minutes a run", "device", "threads"]]
    for rung in rungs:
        if record := rung.record:
            seconds = statistics.median(map(sum, record.column("seconds")))
            row = [rung.name, f"{rung.parameters:,}", f"{seconds / 60:.1f}"]
            table.append([*row, record.device, str(record.threads)])
    return table


def seeds(record: Record) -> Table:
    """The seeds of a record, each with its last five epochs."""
    table = [["seed", f"last {LAST_EPOCHS} epochs, %", "mean", f"each ≥ {TARGET_ACCURACY:.2f}"]]
    for seed, columns in record.seeds.items():
        last = columns["test_accuracy"][-LAST_EPOCHS:]
        below = TARGET_ACCURACY - min(last)
        verdict = "yes" if below <= 0 else f"no, by {below:.2f}"
        shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
        table.append([str(seed), shown, f"{statistics.mean(last):.2f}", verdict])
    return table


def selection_bias(rungs: Sequence[Rung]) -> Table:
    """By how much choosing epoch or seed on the test images would have raised each accuracy.

    Recipes of fewer than five epochs have no row.
    """
    head = ["recipe", "reported here", "best epoch of each seed", "best seed", "best epoch of all"]
    table = [head]
    for rung in rungs:
        if rung.record and rung.recipe.epochs >= LAST_EPOCHS:
            mean = rung.record.summary.mean
            chosen = rung.record.chosen_on_test
            higher = [f"{value:.2f} ({signed(value - mean, 2)})" for value in chosen]
            table.append([rung.name, f"{mean:.2f}", *higher])
    return table


def signed(difference: float, digits: int = 3) -> str:
    """A difference with its sign, which is a minus and not a hyphen: +0.013, −0.142."""
    return f"{difference:+.{digits}f}".replace("-", "−")


def markdown(table: Table) -> str:
    """Format a table as Markdown."""
    head, *body = table
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {line} |" for line in lines)
