"""Build the page from the rungs, their records, the Markdown texts and the code itself.

Here are the values; `page.html`, and the files that it includes, say where they stand. The
templates escape all text; only pictures, formulas and rendered Markdown go in as markup.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinytrain import nets
from tinytrain.course import drawings, figures, tables
from tinytrain.course.exercises import exercises
from tinytrain.course.ladder import Course, Rung, accuracy, gain, layers_of, net_of
from tinytrain.course.lessons import STEPS, Lesson, read_text, sections
from tinytrain.course.page import shapes
from tinytrain.course.page.interactive import JSON, STRICT, scripts
from tinytrain.course.page.text import Renderer, anchor
from tinytrain.nn.inspect import parameter_count
from tinytrain.plots.drawing import as_svg
from tinytrain.report.receptive_field import receptive_field
from tinytrain.report.target import LAST_EPOCHS, TARGET_ACCURACY, TARGET_EPOCHS, TARGET_PARAMETERS

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
STYLES = "page.css", "live/live.css"
TEXTS = "nothing", "ablation", "views", "rates", "frontier", "teach"
WORDS_A_MINUTE = 120
# matplotlib's first two colours of lines: on the page, blue and orange mean signs.
RECOLOURED = {"#1f77b4": "#17857c", "#ff7f0e": "#a1559a"}


def as_html(
    course: Course,
    at_work: Sequence[tuple[str, Figure]],
    live: JSON | None = None,
) -> str:
    """Render the whole page. `at_work`: titles and pictures of the final net; empty without data.

    `live`: the net that the reader can draw for, look into and train; None leaves these parts out.
    """
    every = (*course.ladder, *course.ablation, *course.views, *course.frontier)
    by_name = {rung.name: rung for rung in every}
    taught = [(rung, rung.lesson) for rung in course.ladder if rung.lesson]
    script = STRICT + (FOLDER / "page.js").read_text()
    live_scripts = scripts() if live else {}
    glossary = sections(read_text("glossary"))
    renderer = Renderer(glossary)
    return TEMPLATES.get_template("page.html").render(
        style="".join((FOLDER / name).read_text() for name in STYLES),
        script=script,
        policy=policy([*live_scripts.values(), script]),
        block=renderer.block,
        inline=renderer.inline,
        unlinked=renderer.unlinked,
        glossary={anchor(word): (word, text) for word, text in glossary.items()},
        texts={name: read_text(name) for name in TEXTS},
        target=f"{TARGET_ACCURACY:g}",
        most_epochs=TARGET_EPOCHS,
        limit=f"{TARGET_PARAMETERS:,}",
        last=LAST_EPOCHS,
        overview=[
            picture("Accuracy rung by rung", figures.accuracy_by_rung(course.ladder)),
            picture("Accuracy against parameters", figures.accuracy_by_parameters(course.ladder)),
        ],
        results=tables.results(course.ladder),
        steps=[
            {
                "number": step,
                "title": STEPS[step],
                "rungs": [section(*one, by_name) for one in some],
            }
            for step, some in itertools.groupby(taught, key=lambda pair: pair[1].step)
        ],
        ticks=shapes.ticks(),
        ablations=tables.ablation(course.ablation, course.final),
        views=tables.views(course.views),
        rates=[
            picture(title, figures.loss_by_rate(curves))
            for title, curves in figures.rate_curves().items()
        ],
        beyond=picture(
            "Accuracy beyond the final recipe", figures.accuracy_beyond(course.frontier)
        ),
        gains=picture(
            "What each ingredient is worth", figures.gains(course.final, course.ablation)
        ),
        seen=picture("Accuracy by receptive field", figures.accuracy_by_view(course.views)),
        moved=picture("Accuracy when test digits are moved", figures.accuracy_when_moved()),
        frontier=tables.frontier(course.frontier),
        selection_bias=tables.selection_bias([*course.ladder, *course.frontier]),
        exercises=exercises(),
        times=tables.times(course.ladder),
        at_work=[picture(title, figure) for title, figure in at_work],
        measured=[rung for rung in by_name.values() if rung.record],
        live=live,
        live_scripts=live_scripts,
    )


def policy(scripts: Iterable[str]) -> str:
    """The page's content security policy: nothing is fetched, and only these scripts run.

    A worker is made by a script of the page. W3C, "Content Security Policy Level 3".
    """
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    allowed = " ".join(f"'sha256-{one.decode()}'" for one in digests) or "'none'"
    styles = "style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; {styles}; script-src {allowed}; worker-src blob:"


def picture(title: str, figure: Figure) -> dict[str, str]:
    """A figure's title and SVG; lines and text take the page's colour, text its font.

    Its ids are no other picture's, and its places have one decimal.
    """
    svg = as_svg(figure)
    svg = re.sub(r"(?s)<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :])
    svg = re.sub(r'id="(light|signed)[^"]*"', r'class="\1"', svg)
    svg = re.sub(
        r' id="(figure|axes|patch|matplotlib|image|xtick|ytick|text|line2d)[^"]*"', "", svg
    )
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?|\n *", "", svg)
    svg = re.sub(r' (d|x|y)="[^"]*"', lambda places: re.sub(r"(\.\d)\d+", r"\1", places[0]), svg)
    for blue_or_orange, other in RECOLOURED.items():
        svg = svg.replace(blue_or_orange, other)
    own = hashlib.sha256((title + svg).encode()).hexdigest()[:6]
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>p{own}-", svg)
    return {"title": title, "svg": svg.replace("#000000", "currentColor")}


def section(rung: Rung, lesson: Lesson, by_name: Mapping[str, Rung]) -> dict[str, object]:
    """The values of a rung's section."""
    before, record = by_name.get(lesson.against or rung.base or ""), rung.record
    change = gain(before, rung) if before else None
    facts = [("Result", result(rung))]
    for other in filter(None, [before, *map(by_name.get, lesson.compare)]):
        against = gain(other, rung)
        if against and other.summary:
            which = "the rung before, " if other.name == rung.base else ""
            facts.append(
                (f"Against {which}{other.name} ({other.summary.mean:.3f} %)", f"{against}")
            )
    facts.append(("Analysis", lesson.analysis))
    read = [lesson.idea, lesson.change, lesson.target, lesson.question, lesson.answer]
    read += [lesson.source, *(text for _, text in facts)]
    return {
        "name": rung.name,
        "lesson": lesson,
        "minutes": 2 + round(len(" ".join(read).split()) / WORDS_A_MINUTE),
        "drawing": picture(lesson.caption, drawings.DRAWINGS[lesson.drawing]()),
        "before": before and before.name,
        "truth": truth(before, rung),
        "facts": facts,
        "seeds": shapes.points([one for one in (before, rung) if one]),
        "curve": record and picture(f"Accuracy of {rung.name}", figures.accuracy_band(record)),
        "boxes": shapes.boxes(rung.recipe),
        "field": rung.field,
        "code": code(before, rung),
        "parameters": parameters(before, rung),
        "interval": change
        and f"95 % interval {tables.signed(change.low)} to {tables.signed(change.high)} points",
        "layers": layer_table(rung),
        "exercises": [one for one in exercises() if rung.name in one.rungs],
    }


def parameters(before: Rung | None, rung: Rung) -> str:
    """The number of parameters of a rung's net, and of that before where it differs."""
    if before and before.parameters != rung.parameters:
        return f"{before.parameters:,} → {rung.parameters:,}"
    return f"{rung.parameters:,}{', as before' if before else ''}"


def truth(before: Rung | None, rung: Rung) -> str:
    """The right prediction: "up", "down" or "same"; "" where it is not known."""
    change = gain(before, rung) if before else None
    if change is None:
        return ""
    if not change.excludes_zero:
        return "same"
    return "up" if change.value > 0 else "down"


def result(rung: Rung) -> str:
    """The measured result of a rung, in words."""
    record = rung.record
    if record is None:
        return "not measured"
    summary = record.summary
    several = summary.count > 1
    seeds = f"{summary.count} seed{'s' * several}"
    return (
        f"{accuracy(summary)} %, mean{' ± deviation' * several} over {seeds}; {summary.held} held "
        f"{TARGET_ACCURACY:g} %; gap {tables.signed(record.gap, 2)} points"
    )


def code(before: Rung | None, rung: Rung) -> str:
    """The rung's entry in `recipes.LADDER`, and those functions of its net that are new."""
    known = functions(before.recipe.net) if before else []
    new = [function for function in functions(rung.recipe.net) if function not in known]
    entry = f"{json.dumps(rung.name)}: {json.dumps(rung.changes)}"
    if before:
        old = {name: getattr(before.recipe, name) for name in rung.changes}
        entry += f"  # before: {json.dumps(old)}"
    return "\n\n\n".join([entry, *(inspect.getsource(function).rstrip() for function in new)])


def functions(net: str) -> list[Callable[..., object]]:
    """The functions that build the net: its own, then those that they call."""
    found: list[Callable[..., object]] = [nets.NETS[net]]
    for function in found:  # which grows meanwhile
        called = (function.__globals__.get(name) for name in function.__code__.co_names)
        found += [other for other in called if inspect.isfunction(other) and other not in found]
    return found


def layer_table(rung: Rung) -> tables.Table:
    """Layers with output shapes, receptive fields and parameters."""
    seen = {field.name: str(field.field) for field in receptive_field(net_of(rung.recipe))}
    table = [["layer", "name", "output", "receptive field", "parameters"]]
    for row in layers_of(rung.recipe):
        shape = " × ".join(map(str, row.output_shape))
        own = parameter_count(row.layer)
        kind = type(row.layer).__name__
        table.append([kind, row.name, shape, seen.get(row.name, ""), f"{own:,}" if own else ""])
    return table
