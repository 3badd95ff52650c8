"""The README's tables and pictures: rendered from rungs and records, never typed.

The README holds each table between two marks, and its pictures hold a digest of the figures, so
that a test can tell when one is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.course import figures, tables
from tinytrain.course.ladder import Rung
from tinytrain.errors import UsageError
from tinytrain.plots.drawing import as_svg
from tinytrain.results import published
from tinytrain.store.files import read_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- {}: rendered by make course -->", "<!-- {}: end -->"


def with_tables(
    path: Path,
    rungs: Sequence[Rung],
    ablations: Sequence[Rung],
    views: Sequence[Rung],
    frontier: Sequence[Rung],
) -> str:
    """The README's text with the present tables between their marks. Raises UsageError."""
    final = final_rung(rungs)
    rendered = {
        "ladder": tables.markdown(tables.result_cells(rungs)),
        "final": tables.markdown(tables.seed_cells(final.record)) if final.record else "",
        "ablation": tables.markdown(tables.ablation_cells(ablations, final)),
        "views": tables.markdown(tables.view_cells(views)),
        "frontier": tables.markdown(tables.frontier_cells(frontier)),
    }
    try:
        text = read_file(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    for name, table in rendered.items():
        begin, end = BEGIN.format(name), END.format(name)
        try:
            before, rest = text.split(begin)
            _, after = rest.split(end)
        except ValueError as error:
            raise UsageError(f"{path}: expected the marks {begin} and {end}, once each") from error
        text = f"{before}{begin}\n{table or 'not measured'}\n{end}{after}"
    return text


def pictures(rungs: Sequence[Rung]) -> dict[str, str]:
    """The README's pictures as SVG by file name, on white, each with the digest of its figures."""
    drawn = {"ladder.svg": figures.accuracy_by_rung(rungs)}
    if record := final_rung(rungs).record:
        drawn["final_net.svg"] = figures.accuracy_band(record)
    description = f"figures {digest(rungs)}"
    return {
        name: as_svg(figure, transparent=False, Description=description)
        for name, figure in drawn.items()
    }


def digits_at_work(figure: Figure) -> str:
    """A picture of what the published net gets right and wrong, with the digest of its weights."""
    return as_svg(figure, transparent=False, Description=f"weights {published.digest()}")


def digest(rungs: Sequence[Rung]) -> str:
    """Sixteen digits that change with anything that the README's pictures show."""
    record = final_rung(rungs).record
    shown = json.dumps([tables.result_cells(rungs), record.seeds if record else None])
    return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()


def final_rung(rungs: Sequence[Rung]) -> Rung:
    """The rung of the final recipe."""
    return next(rung for rung in rungs if rung.name == "final")
