"""Render the tables of `course/records/README.md`, five rows of the top README, and its pictures.

A table stands between two marks in a file. A picture contains a digest of its numbers, so that a
test can tell when one is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.course import figures, tables
from tinytrain.course.ladder import Course, accuracy
from tinytrain.errors import UsageError
from tinytrain.plots.drawing import as_svg
from tinytrain.report.target import LAST_EPOCHS
from tinytrain.results.trained_run import FINAL
from tinytrain.store.files import read_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- {}: rendered by make course -->", "<!-- {}: end -->"
RECORDS = Path("tinytrain/course/records/README.md")  # below the folder of the top README
ROWS = {
    "final": "the final recipe",
    "reference": "the curriculum's last recipe",
    "below-2000": "fewer than 2,000 parameters; upright, five views",
    "two-epochs": "two epochs; upright, nine views",
    "one-epoch": "one epoch; upright, nine views",
}


def rendered(readme: Path, course: Course) -> dict[Path, str]:
    """The texts of the top README and of the records' README with today's tables.

    Raises UsageError where a file cannot be read or lacks a mark.
    """
    record = course.final.record
    all_tables = {
        "ladder": tables.results(course.ladder),
        "final": tables.seeds(record) if record else [["not measured"]],
        "ablation": tables.ablation(course.ablation, course.final),
        "views": tables.views(course.views),
        "frontier": tables.frontier(course.frontier),
    }
    below = readme.parent / RECORDS
    top = with_tables(readme, {"results": result_rows(course)})
    return {readme: top, below: with_tables(below, all_tables)}


def with_tables(path: Path, shown: Mapping[str, tables.Table]) -> str:
    """The text of a file with each table between the two marks of its name."""
    try:
        text = read_file(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    for name, table in shown.items():
        begin, end = BEGIN.format(name), END.format(name)
        try:
            before, rest = text.split(begin)
            _, after = rest.split(end)
        except ValueError as error:
            raise UsageError(f"{path}: expected the marks {begin} and {end}, once each") from error
        text = f"{before}{begin}\n{tables.markdown(table)}\n{end}{after}"
    return text


def result_rows(course: Course) -> tables.Table:
    """The five results of the top README; a run of fewer than five epochs counts by its last."""
    by_name = {rung.name: rung for rung in (*course.ladder, *course.frontier)}
    head = ["recipe", "", "parameters", "epochs", "seeds", "test accuracy, %"]
    table = [[*head, "seeds that hold"]]
    for name, text in ROWS.items():
        rung = by_name[name]
        row = [f"`{name}`", text, f"{rung.parameters:,}", str(rung.recipe.epochs)]
        if rung.record is None:
            table.append([*row, "", "not measured", ""])
            continue
        long = rung.recipe.epochs >= LAST_EPOCHS
        summary = rung.record.summary if long else tables.last_epoch(rung.record)
        row += [str(summary.count), accuracy(summary), tables.held(summary) if long else ""]
        table.append(row)
    return table


def pictures(course: Course) -> dict[str, str]:
    """The README's pictures as SVG by file name, on white, each with the digest of its numbers."""
    drawn = {"ladder.svg": figures.accuracy_by_rung(course.ladder)}
    if record := course.final.record:
        drawn["final_net.svg"] = figures.accuracy_band(record)
    description = f"figures {digest(course)}"
    return {
        name: as_svg(figure, transparent=False, Description=description)
        for name, figure in drawn.items()
    }


def digits_at_work(figure: Figure) -> str:
    """A picture of right and wrong answers of the published net, with the weights' digest."""
    digest = hashlib.blake2b(FINAL.read_bytes(), digest_size=8).hexdigest()
    return as_svg(figure, transparent=False, Description=f"weights {digest}")


def digest(course: Course) -> str:
    """Sixteen digits that change with any number that the README's pictures show."""
    record = course.final.record
    shown = json.dumps([tables.results(course.ladder), record.seeds if record else None])
    return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()
