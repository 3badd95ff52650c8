"""The course as one HTML page: rendered, never typed.

Everything on it comes from the rungs, their records and the code itself. Here are the values; how
they stand on the page is in page.html and page.css. The template escapes all text, so that it
arrives as it is, whatever characters it has; only pictures go in as markup.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinytrain import nets
from tinytrain.course import figures, tables
from tinytrain.course.conclusions import ABLATION_LESSON, FRONTIER_LESSON, VIEW_LESSON
from tinytrain.course.exercises import EXERCISES
from tinytrain.course.ladder import Rung, accuracy, gain, in_words, layers_of, net_of
from tinytrain.course.lessons import STEPS, Lesson
from tinytrain.course.live import Live
from tinytrain.course.plots import as_svg
from tinytrain.course.receptive_field import receptive_field
from tinytrain.nn.inspect import parameter_count
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY, TARGET_EPOCHS, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def as_html(
    rungs: Sequence[Rung],
    ablations: Sequence[Rung],
    views: Sequence[Rung],
    frontier: Sequence[Rung],
    at_work: Sequence[tuple[str, Figure]],
    live: Live | None = None,
) -> str:
    """The whole page. `at_work`: titles and pictures of the final net; empty without data.

    `live`: the net that the reader can draw for, look into and train; None leaves these parts out.
    """
    by_name = {rung.name: rung for rung in rungs}
    taught = [(rung, rung.lesson) for rung in rungs if rung.lesson]
    measured = {rung.name: rung for rung in (*rungs, *ablations, *views, *frontier)}.values()
    steps = itertools.groupby(taught, key=lambda pair: pair[1].step)
    return TEMPLATES.get_template("page.html").render(
        target=f"{TARGET_ACCURACY:g}",
        most_epochs=TARGET_EPOCHS,
        limit=f"{TARGET_PARAMETERS:,}",
        last=LAST_EPOCHS,
        overview=[
            picture("Accuracy rung by rung", figures.accuracy_by_rung(rungs)),
            picture("Accuracy against parameters", figures.accuracy_by_parameters(rungs)),
        ],
        results=tables.result_cells(rungs),
        steps=[
            {
                "number": step,
                "title": STEPS[step],
                "rungs": [section(*one, by_name) for one in some],
            }
            for step, some in steps
        ],
        ablation_lesson=ABLATION_LESSON,
        ablations=tables.ablation_cells(ablations, by_name["final"]),
        view_lesson=VIEW_LESSON,
        views=tables.view_cells(views),
        frontier_lesson=FRONTIER_LESSON,
        frontier=tables.frontier_cells(frontier),
        selection_bias=tables.selection_bias_cells([*rungs, *frontier]),
        exercises=EXERCISES.values(),
        at_work=[picture(title, figure) for title, figure in at_work],
        measured=[rung for rung in measured if rung.record],
        live=live,
    )


def picture(title: str, figure: Figure) -> dict[str, str]:
    """A figure's title and its SVG; lines and text take the page's colour."""
    svg = as_svg(figure)
    names = r' id="(figure|axes|patch|matplotlib|xtick|ytick|text|line2d)[^"]*"'
    bare = re.sub(rf"(?s)<metadata>.*?</metadata>|{names}", "", svg[svg.index("<svg") :])
    return {"title": title, "svg": bare.replace("#000000", "currentColor")}


def section(rung: Rung, lesson: Lesson, by_name: Mapping[str, Rung]) -> dict[str, object]:
    """A rung: change, target, result, analysis, and its code, layers and curve."""
    facts = [("What changes", lesson.change), ("Target of this rung", lesson.target)]
    facts.append(("Result", result(rung)))
    for other in (by_name[name] for name in (rung.base, *lesson.also) if name):
        change = gain(other, rung)
        if change and other.summary:
            where = "the rung before, " if other.name == rung.base else ""
            head = f"Against {where}{other.name} ({other.summary.mean:.3f} %)"
            facts.append((head, in_words(change)))
    facts.append(("Analysis", lesson.analysis))
    record, before = rung.record, by_name.get(rung.base or "")
    return {
        "name": rung.name,
        "title": lesson.title,
        "facts": facts,
        "curve": record and picture(f"Accuracy of {rung.name}", figures.accuracy_band(record)),
        "code": code(before, rung),
        "parameters": f"{rung.parameters:,}",
        "same_net": before is not None and before.recipe.net == rung.recipe.net,
        "layers": layer_cells(rung),
        "exercises": [one for one in EXERCISES.values() if rung.name in one.rungs],
    }


def result(rung: Rung) -> str:
    """What was measured of a rung, in words."""
    record = rung.record
    if record is None:
        return "not measured"
    summary = record.summary
    several = summary.count > 1
    seeds = f"{summary.count} seed{'s' * several}"
    return (
        f"{accuracy(summary)} % of the test digits, mean{' ± deviation' * several} "
        f"over {seeds} of the last {LAST_EPOCHS} epochs; {summary.held} of {seeds} held, that is, "
        f"had {TARGET_ACCURACY:g} % or more in every one of these; training minus test accuracy "
        f"{record.gap:+.2f} points ({record.device}, {record.threads} "
        f"thread{'s' if record.threads > 1 else ''})"
    )


def code(before: Rung | None, rung: Rung) -> str:
    """The rung's entry in `recipes.LADDER`, and the functions of its net that are new.

    Where the entry changes a setting, what it was stands after it.
    """
    known = functions(before.recipe.net) if before else []
    new = [function for function in functions(rung.recipe.net) if function not in known]
    sources = [inspect.getsource(function).rstrip() for function in new]
    entry = f"{json.dumps(rung.name)}: {json.dumps(rung.changes)}"
    if before:
        old = {name: getattr(before.recipe, name) for name in rung.changes}
        entry += f"  # before: {json.dumps(old)}"
    return "\n\n\n".join([entry, *sources])


def functions(net: str) -> list[Callable[..., object]]:
    """The functions that build the net: its own, then those that they call."""
    found: list[Callable[..., object]] = [nets.NETS[net]]
    for function in found:  # which grows meanwhile
        called = (function.__globals__.get(name) for name in function.__code__.co_names)
        found += [other for other in called if inspect.isfunction(other) and other not in found]
    return found


def layer_cells(rung: Rung) -> tables.Cells:
    """Layers with output shapes, receptive fields and parameters."""
    seen = {field.name: str(field.field) for field in receptive_field(net_of(rung.recipe))}
    cells = [["layer", "name", "output", "sees, pixels a side", "parameters"]]
    for row in layers_of(rung.recipe):
        shape = " × ".join(map(str, row.output_shape))
        own = parameter_count(row.layer)
        kind = type(row.layer).__name__
        cells.append([kind, row.name, shape, seen.get(row.name, ""), f"{own:,}" if own else ""])
    return cells
