"""Results as rows of words: the same figures for the page and for the README."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tinytrain.course.ablation import Ablation
from tinytrain.course.ladder import Rung, describe
from tinytrain.course.records import Record
from tinytrain.log import LAST_EPOCHS, TARGET_ACCURACY


def result_cells(rungs: Sequence[Rung]) -> list[list[str]]:
    """The table of all rungs: a header, then a row a rung."""
    cells = [["rung", "parameters", "accuracy, %", "held", "gap", "s an epoch"]]
    for rung in rungs:
        row = [rung.name, f"{rung.parameters:,}"]
        if rung.record:
            row += accuracy(rung.record)
            row += [f"{rung.record.gap:+.2f}", f"{rung.record.seconds:.0f}"]
        else:
            row += ["not measured", "", "", ""]
        cells.append(row)
    return cells


def ablation_cells(ablations: Sequence[Ablation]) -> list[list[str]]:
    """The table of the final recipe without one ingredient: a header, then a row each."""
    cells = [["final, but", "accuracy, %", "held", "against final, points", "95 % interval"]]
    for ablation in ablations:
        row = [describe(ablation.change)]
        if ablation.record:
            row += accuracy(ablation.record)
        else:
            row += ["not measured", ""]
        if effect := ablation.effect:
            row += [f"{effect.value:+.3f}", f"{effect.low:+.3f} to {effect.high:+.3f}"]
        else:
            row += ["", ""]
        cells.append(row)
    return cells


def accuracy(record: Record) -> list[str]:
    """Mean and standard deviation over seeds, and how many hold the target."""
    summary = record.summary
    spread = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
    return [f"{summary.mean:.3f}{spread}", f"{summary.held} of {summary.count}"]


def seed_cells(record: Record) -> list[list[str]]:
    """The table of a record's seeds: a header, then a row a seed."""
    cells = [["seed", f"last {LAST_EPOCHS} epochs, %", "mean", f"each ≥ {TARGET_ACCURACY:.2f}"]]
    for seed, columns in record.seeds.items():
        last = columns["test_accuracy"][-LAST_EPOCHS:]
        below = TARGET_ACCURACY - min(last)
        held = "yes" if below <= 0 else f"no, by {below:.2f}"
        shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
        cells.append([str(seed), shown, f"{statistics.mean(last):.2f}", held])
    return cells


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one the header, as a Markdown table."""
    head, *body = cells
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {line} |" for line in lines)
