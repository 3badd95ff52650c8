"""The course as one HTML page: rendered, never typed.

Everything on it comes from the rungs, their records and the code itself. Here are the values; how
they stand on the page is in page.html, and in the files that it includes. The templates escape all
text, so that it arrives as it is, whatever characters it has; only pictures and formulas go in as
markup.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinytrain import nets
from tinytrain.course import figures, glossary, net_drawing, rates, seed_points, tables, teach
from tinytrain.course.concepts import CONCEPTS
from tinytrain.course.conclusions import (
    ABLATION_LESSON,
    FRONTIER_LESSON,
    RATE_LESSON,
    VIEW_LESSON,
)
from tinytrain.course.exercises import exercises
from tinytrain.course.exercises.checking.template import answer
from tinytrain.course.ladder import Rung, accuracy, gain, in_words, layers_of, net_of
from tinytrain.course.lessons import STEPS, Lesson
from tinytrain.course.live import Live
from tinytrain.course.markup import picture, policy
from tinytrain.nn.inspect import parameter_count
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY, TARGET_EPOCHS, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLES = "page.css", "live/live.css", "live/train.css"
WORDS_A_MINUTE = 120


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
    style = "".join((FOLDER / name).read_text() for name in STYLES)
    script = (FOLDER / "page.js").read_text()
    scripts = [*live.scripts.values(), script] if live and live.payload else [script]
    return TEMPLATES.get_template("page.html").render(
        style=style,
        script=script,
        policy=policy([style], scripts),
        first_use=glossary.FirstUse(),
        glossary={glossary.place(word): (word, text) for word, text in glossary.GLOSSARY.items()},
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
        ticks=seed_points.ticks(),
        ablation_lesson=ABLATION_LESSON,
        ablations=tables.ablation_cells(ablations, by_name["final"]),
        view_lesson=VIEW_LESSON,
        views=tables.view_cells(views),
        rate_lesson=RATE_LESSON,
        rates=[
            picture(title, rates.loss_by_rate(found))
            for title, found in zip(rates.TITLES, rates.curves(), strict=True)
        ],
        frontier_lesson=FRONTIER_LESSON,
        frontier=tables.frontier_cells(frontier),
        selection_bias=tables.selection_bias_cells([*rungs, *frontier]),
        exercises=exercises(),
        paths=teach.PATHS,
        handed_out=teach.HANDED_OUT,
        times=tables.time_cells(rungs),
        at_work=[picture(title, figure) for title, figure in at_work],
        measured=[rung for rung in measured if rung.record],
        live=live,
    )


def answers_as_html() -> str:
    """For teachers: every exercise with its hints and its answer, as one page."""
    style = (FOLDER / "page.css").read_text()
    answers = [(one, answer(one)) for one in exercises()]
    template = TEMPLATES.get_template("answers.html")
    return template.render(answers=answers, style=style, policy=policy([style], []))


def section(rung: Rung, lesson: Lesson, by_name: Mapping[str, Rung]) -> dict[str, object]:
    """A rung: its idea, what changes and is hoped for, what came of it, its code and layers."""
    found = [("Result", result(rung))]
    compared = [by_name[name] for name in (rung.base, *lesson.also) if name]
    for other in compared:
        change = gain(other, rung)
        if change and other.summary:
            where = "the rung before, " if other.name == rung.base else ""
            head = f"Against {where}{other.name} ({other.summary.mean:.3f} %)"
            found.append((head, in_words(change)))
    found.append(("Analysis", lesson.analysis))
    record, before = rung.record, by_name.get(rung.base or "")
    concept = CONCEPTS[rung.name]
    said = [concept.explanation, lesson.change, lesson.target, *(text for _, text in found)]
    said += [concept.question, concept.answer, concept.lines]
    return {
        "name": rung.name,
        "title": lesson.title,
        "minutes": reading_minutes(" ".join(said)),
        "concept": concept,
        "drawing": picture(concept.caption, concept.drawing()),
        "change": lesson.change,
        "target": lesson.target,
        "before": before and before.name,
        "truth": truth(before, rung),
        "facts": found,
        "seeds": seed_points.rows([one for one in (before, rung) if one]),
        "curve": record and picture(f"Accuracy of {rung.name}", figures.accuracy_band(record)),
        "boxes": net_drawing.boxes(rung.recipe),
        "sees": rung.sees,
        "code": code(before, rung),
        "parameters": f"{rung.parameters:,}",
        "same_net": before is not None and before.recipe.net == rung.recipe.net,
        "layers": layer_cells(rung),
        "exercises": [one for one in exercises() if rung.name in one.rungs],
    }


def truth(before: Rung | None, rung: Rung) -> str:
    """What a prediction is compared with: "up", "down", "same"; "" where it is not known."""
    change = gain(before, rung) if before else None
    if change is None:
        return ""
    if not change.excludes_zero:
        return "same"
    return "up" if change.value > 0 else "down"


def reading_minutes(text: str) -> int:
    """How long it takes to read a text of new ideas, to predict and to answer, in minutes."""
    return 2 + round(len(text.split()) / WORDS_A_MINUTE)


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
