"""Results as rows of words: the same figures for the page and for the README."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tinytrain.course.ladder import Rung, describe, net_of
from tinytrain.course.records import Record
from tinytrain.course.variations import Variation
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES
from tinytrain.train.spread import Summary, summarise
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY


def result_cells(rungs: Sequence[Rung]) -> list[list[str]]:
    """The table of all rungs: a header, then a row a rung."""
    cells = [["rung", "parameters", "accuracy, %", "held", "gap", "s an epoch"]]
    for rung in rungs:
        row = [rung.name, f"{rung.parameters:,}"]
        if rung.record:
            row += [accuracy(rung.record.summary), held(rung.record.summary)]
            row += [f"{rung.record.gap:+.2f}", f"{rung.record.seconds:.0f}"]
        else:
            row += ["not measured", "", "", ""]
        cells.append(row)
    return cells


def ablation_cells(ablations: Sequence[Variation]) -> list[list[str]]:
    """The table of the final recipe without one ingredient: a header, then a row each."""
    head = ["recipe", "final, but", "accuracy, %", "held", "against final, points"]
    cells = [[*head, "95 % interval"]]
    for ablation in ablations:
        row = [ablation.name, describe(ablation.change)]
        if ablation.record:
            row += [accuracy(ablation.record.summary), held(ablation.record.summary)]
        else:
            row += ["not measured", ""]
        if effect := ablation.effect:
            row += [f"{effect.value:+.3f}", f"{effect.low:+.3f} to {effect.high:+.3f}"]
        else:
            row += ["", ""]
        cells.append(row)
    return cells


def frontier_cells(frontier: Sequence[Variation]) -> list[list[str]]:
    """The table of what lies beyond the final recipe: a header, then a row each."""
    head = ["recipe", "parameters", "epochs", "seeds", "last epoch, %"]
    cells = [[*head, f"last {LAST_EPOCHS} epochs, %", "held", "final, but"]]
    for variation in frontier:
        recipe = RECIPES[variation.name]
        row = [variation.name, f"{parameter_count(net_of(recipe)):,}", str(recipe.epochs)]
        if record := variation.record:
            summary = record.summary
            last = summarise([seed[-1:] for seed in record.column("test_accuracy")])
            row += [str(last.count), accuracy(last)]
            long = recipe.epochs >= LAST_EPOCHS
            row += [accuracy(summary), held(summary)] if long else ["", ""]
        else:
            row += ["not measured", "", "", ""]
        cells.append([*row, describe(variation.change)])
    return cells


def accuracy(summary: Summary) -> str:
    """Mean and, of several seeds, standard deviation."""
    spread = f" ± {summary.deviation:.3f}" if summary.count > 1 else ""
    return f"{summary.mean:.3f}{spread}"


def held(summary: Summary) -> str:
    """How many seeds hold the target."""
    return f"{summary.held} of {summary.count}"


def seed_cells(record: Record) -> list[list[str]]:
    """The table of a record's seeds: a header, then a row a seed."""
    cells = [["seed", f"last {LAST_EPOCHS} epochs, %", "mean", f"each ≥ {TARGET_ACCURACY:.2f}"]]
    for seed, columns in record.seeds.items():
        last = columns["test_accuracy"][-LAST_EPOCHS:]
        below = TARGET_ACCURACY - min(last)
        verdict = "yes" if below <= 0 else f"no, by {below:.2f}"
        shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
        cells.append([str(seed), shown, f"{statistics.mean(last):.2f}", verdict])
    return cells


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one the header, as a Markdown table."""
    head, *body = cells
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {line} |" for line in lines)
