"""The course as one HTML page, and its short form in the README: rendered, never typed.

Everything on it comes from the rungs, their records and the code itself.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tinytrain import nets
from tinytrain.course import figures, tables
from tinytrain.course.ladder import Rung, gain, in_words, net_of
from tinytrain.course.lessons import ABLATION_LESSON, FRONTIER_LESSON, STEPS
from tinytrain.course.markup import document, escape, listing, picture, table, wide
from tinytrain.course.records import Record
from tinytrain.course.variations import Variation
from tinytrain.nn import Flatten, LogSoftmax, Sequential
from tinytrain.nn.inspect import layer_rows, parameter_count
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.recipes import RECIPES
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY, TARGET_EPOCHS, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def page(
    rungs: Sequence[Rung],
    ablations: Sequence[Variation],
    frontier: Sequence[Variation],
    at_work: Sequence[tuple[str, Figure]],
) -> str:
    """The whole page. `at_work`: titles and pictures of the final net; empty without data."""
    parts = [opening(rungs)]
    before = None
    for rung in rungs:
        if before is None or before.lesson.step != rung.lesson.step:
            parts.append(f"<h2>{rung.lesson.step}. {escape(STEPS[rung.lesson.step])}</h2>")
        others = [other for other in rungs if other.name in rung.lesson.also]
        parts.append(section(before, rung, others))
        before = rung
    parts += [ablation_section(ablations), frontier_section(frontier)]
    # Shorter recipes have no last five epochs to compare with.
    long = [*rungs, *(one for one in frontier if RECIPES[one.name].epochs >= LAST_EPOCHS)]
    parts += [flattery(long), final_section(at_work)]
    measured = [*rungs, *ablations, *frontier]
    parts.append(colophon({one.name: one.record for one in measured if one.record}))
    return document("tinytrain: the ladder to 99.4 %", parts)


def opening(rungs: Sequence[Rung]) -> str:
    """Title, what to expect, the ladder as pictures and as a table."""
    return f"""<h1>The ladder: MNIST at {TARGET_ACCURACY:g} % with fewer than
{TARGET_PARAMETERS:,} parameters</h1>
<p>The task: {TARGET_ACCURACY:g} % test accuracy in every one of the last {LAST_EPOCHS} epochs, at
most {TARGET_EPOCHS} epochs, fewer than {TARGET_PARAMETERS:,} parameters. Below, a net is changed
step by step until it does that. Each change is a rung of the ladder, and says what changed, what
was hoped for, what was measured, and whether it differs from the rung before by more than chance.
The first seven steps follow a course in which such nets were built by hand and each was trained
once (here: the curriculum); all are measured anew, over seeds. The rest is tinytrain's own.</p>
{wide(picture("Accuracy rung by rung", figures.ladder(rungs)))}
{wide(picture("Accuracy against parameters", figures.against_parameters(rungs)))}
{wide(results_table(rungs))}
<p>{EXPLANATION}</p>"""


EXPLANATION = f"""Accuracy: the mean over seeds of the test accuracy of the last {LAST_EPOCHS}
epochs ± its standard deviation over seeds. Held: seeds with {TARGET_ACCURACY:g} % or more in
every one of those epochs. Gap: training minus test accuracy in points; training accuracy is
measured on the way, while the net changes, with augmentation and dropout where the rung has them,
so it can lie below the test's. A difference between two rungs has a 95 % interval (Welch); of
twenty such intervals one misses by chance, and all share one set of test images."""


def results_table(rungs: Sequence[Rung]) -> str:
    """The table of all rungs as HTML."""
    head, *body = tables.result_cells(rungs)
    linked = [[f"<a href='#{name}'>{name}</a>", *cells] for name, *cells in body]
    return table([head, *linked])


def section(before: Rung | None, rung: Rung, others: Sequence[Rung]) -> str:
    """A rung: change, target, result, analysis, and its code, layers and curves.

    `others` are the rungs that the analysis compares with, besides the one before.
    """
    lesson = rung.lesson
    facts = [("What changes", lesson.change), ("Target of this rung", lesson.target)]
    facts.append(("Result", result(rung)))
    for other in [before, *others]:
        change = gain(other, rung) if other else None
        if change is not None:
            mean = f"{other.record.summary.mean:.3f} %"
            where = "the rung before, " if other is before else ""
            facts.append((f"Against {where}{other.name} ({mean})", in_words(change)))
    facts.append(("Analysis", lesson.analysis))
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    drawn = picture(f"Accuracy of {rung.name}", figures.curves(rung.record)) if rung.record else ""
    as_before = before is not None and before.recipe.net == rung.recipe.net
    layers = f"Its layers: {rung.parameters:,} parameters{', as before' if as_before else ''}"
    return f"""<section id='{rung.name}'><h3>{escape(lesson.title)}</h3><dl>{listed}</dl>{drawn}
<details><summary>The change as code</summary>{listing(code(before, rung))}</details>
<details><summary>{layers}</summary>{wide(layer_table(rung))}</details>
</section>"""


def result(rung: Rung) -> str:
    """What was measured of a rung, in words."""
    record = rung.record
    if record is None:
        return "not measured"
    summary = record.summary
    several = summary.count > 1
    seeds = f"{summary.count} seed{'s' * several}"
    return (
        f"{tables.accuracy(summary)} % of the test digits, mean{' ± deviation' * several} "
        f"over {seeds} of the last {LAST_EPOCHS} epochs; {summary.held} of {seeds} held, that is, "
        f"had {TARGET_ACCURACY:g} % or more in every one of these; training minus test accuracy "
        f"{record.gap:+.2f} points; {record.seconds:.0f} s an epoch ({record.device}, "
        f"{record.threads} thread{'s' if record.threads > 1 else ''})"
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


def layer_table(rung: Rung) -> str:
    """Layers with output shapes, receptive fields and parameters."""
    net = net_of(rung.recipe)
    seen = {field.name: field.field for field in receptive_field(net)}
    cells: list[list[object]] = [["layer", "name", "output", "sees, pixels a side", "parameters"]]
    for row in layer_rows(net):
        if isinstance(row.layer, (Sequential, Flatten, LogSoftmax)):
            continue
        shape = " × ".join(map(str, row.output_shape))
        own = parameter_count(row.layer)
        kind = type(row.layer).__name__
        cells.append([kind, row.name, shape, seen.get(row.name, ""), f"{own:,}" if own else ""])
    return table(cells)


def ablation_section(ablations: Sequence[Variation]) -> str:
    """What each ingredient of the final recipe adds to the others."""
    return f"""<h2>What each ingredient is worth</h2>
<p>{escape(ABLATION_LESSON)}</p>
{wide(table(tables.ablation_cells(ablations)))}"""


def frontier_section(frontier: Sequence[Variation]) -> str:
    """How far one gets with upright digits and more arithmetic, and with less of all else."""
    return f"""<h2>Beyond the final recipe</h2>
<p>{escape(FRONTIER_LESSON)}</p>
{wide(table(tables.frontier_cells(frontier)))}"""


def flattery(measured: Sequence[Rung | Variation]) -> str:
    """How far other ways of reporting would have raised the same measurements."""
    head = ["recipe", "reported here", "best epoch of each seed", "best seed", "best epoch of all"]
    cells: list[list[object]] = [head]
    for one in measured:
        if one.record:
            mean = one.record.summary.mean
            others = [f"{value:.2f} ({value - mean:+.2f})" for value in one.record.flattered]
            cells.append([one.name, f"{mean:.2f}", *others])
    return f"""<h2>What choosing on the test set would have added</h2>
<p>Recipes were compared on 5,000 or 10,000 training images held back; the test images are read by
finished recipes only. (Not so the widths of late7500 and of the nets in a frame, which were
found by runs on the test images.) To pick the epoch or the seed that does best on the test
images is to choose on them, and what is then reported is too high. This is by how much, in percent
and in points, for the same runs:</p>
{wide(table(cells))}"""


def final_section(at_work: Sequence[tuple[str, Figure]]) -> str:
    """The final net at work on the test digits."""
    drawn = [f"<h3>{escape(name)}</h3>{picture(name, figure)}" for name, figure in at_work]
    if not drawn:
        drawn = ["<p>Not drawn: MNIST was not at hand when this page was made.</p>"]
    return "<h2>The final net at work</h2>" + "".join(drawn)


def colophon(measured: Mapping[str, Record]) -> str:
    """Where the figures come from; records by name."""
    lines = [
        f"{name}: {record.command} ({record.date}, torch {record.versions['torch']}, "
        f"{record.device}, seeds {', '.join(map(str, record.seeds))})"
        for name, record in measured.items()
    ]
    return (
        "<h2>Where the figures come from</h2><p>Each recipe's record lies in "
        "<code>tinytrain/course/records</code>; to repeat it:</p>"
        f"{listing(chr(10).join(lines))}"
    )
