"""What was measured as pictures, each a matplotlib figure made from rungs or from a record.

Accuracies near 100 % are drawn on a logarithmic axis of the error, so that the step from 99.0 to
99.2 is as visible as the one from 98 to 98.5.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinytrain.course.ladder import Rung
from tinytrain.plots.curves import mark_target
from tinytrain.plots.drawing import new_figure
from tinytrain.results.records import Record
from tinytrain.results.statistics import Summary
from tinytrain.train.target import TARGET_ACCURACY, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, CURRICULUM = "tab:orange", "tab:blue"
WIDTH, SIZE = 4.6, 11  # inches, points: text that can be read on a phone
CROWDED = 10_000  # parameters, below which most nets are
LOWEST = 97.5  # percent, where the axis of the epochs begins


def accuracy_by_rung(rungs: Sequence[Rung]) -> Figure:
    """Accuracy rung by rung: mean and standard deviation over seeds."""
    measured = measured_of(rungs)
    figure = new_figure(WIDTH, 0.6 + 0.21 * len(measured))
    axes = figure.add_subplot()
    for place, (rung, summary) in enumerate(measured):
        draw_result(axes, summary, place, color_of(rung))
    names = [rung.name for rung, _ in measured]
    axes.set_yticks(range(len(names)), names, size=SIZE)
    axes.invert_yaxis()
    finish_error_axis(axes)
    axes.set_title("orange: tinytrain's own rungs", size=SIZE)
    return figure


def accuracy_by_parameters(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the number of parameters; every net has its name."""
    measured = sorted(measured_of(rungs), key=lambda pair: -pair[1].mean)
    figure = new_figure(WIDTH, 4.4)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    crowd = [rung for rung, _ in measured if rung.parameters < CROWDED]
    for rung, summary in measured:
        draw_result(axes, summary, rung.parameters, color_of(rung), upright=True)
        place = (rung.parameters, 100 - summary.mean)
        if rung not in crowd:
            axes.annotate(
                rung.name, place, (-6, 6), textcoords="offset points", size=SIZE, ha="right"
            )
            continue
        # Most nets have nearly as many parameters: their names stand in a column, best first.
        slot = (0.34, 1 - (crowd.index(rung) + 0.6) / len(crowd))
        line = {"arrowstyle": "-", "color": color_of(rung), "alpha": 0.5, "linewidth": 0.8}
        axes.text(*slot, rung.name, size=SIZE, ha="right", va="center", transform=axes.transAxes)
        axes.annotate("", place, slot, textcoords="axes fraction", arrowprops=line)
    axes.axvline(TARGET_PARAMETERS, color="grey", linewidth=0.8, linestyle="--")
    ticks = [8000, 30000, 100000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], size=SIZE)
    axes.set_xlim(1200, 1.5 * ticks[-1])
    axes.minorticks_off()
    axes.set_xlabel("parameters", size=SIZE)
    finish_error_axis(axes, upright=True)
    return figure


def measured_of(rungs: Sequence[Rung]) -> list[tuple[Rung, Summary]]:
    """The rungs that have a record, each with what its seeds say."""
    return [(rung, rung.record.summary) for rung in rungs if rung.record]


def draw_result(
    axes: Axes, summary: Summary, place: float, color: str, upright: bool = False
) -> None:
    """A dot at the error and at `place`, and a bar of a deviation to each side of the error."""
    spread = summary.deviation if summary.count > 1 else None
    error = 100 - summary.mean
    if upright:
        axes.errorbar(place, error, yerr=spread, color=color, fmt="o", markersize=4, capsize=3)
    else:
        axes.errorbar(error, place, xerr=spread, color=color, fmt="o", markersize=4, capsize=3)


def color_of(rung: Rung) -> str:
    """Blue in the curriculum, orange beyond."""
    return CURRICULUM if rung.lesson and rung.lesson.step <= 7 else OWN


def finish_error_axis(axes: Axes, upright: bool = False) -> None:
    """Label an axis of errors with accuracies; better is right, or `upright`, up."""
    axis = axes.yaxis if upright else axes.xaxis
    axis.set_inverted(True)
    if upright:
        axes.set_yscale("log")
        axes.axhline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    else:
        axes.set_xscale("log")
        axes.axvline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    low, high = sorted(axis.get_view_interval())
    low, high = min(low, 0.38), max(high, 1.05)
    axis.set_view_interval(high, low, ignore=True)
    accuracies = [97, 98, 99, 99.4, 99.6]
    shown = [accuracy for accuracy in accuracies if high >= 100 - accuracy >= low]
    axis.set_ticks([100 - accuracy for accuracy in shown], [f"{a:g}" for a in shown], size=SIZE)
    axes.minorticks_off()
    axis.set_label_text("test accuracy, %", size=SIZE)


def accuracy_band(record: Record) -> Figure:
    """Accuracy by epoch: the mean over seeds with a band from the lowest to the highest.

    The axis is that of every rung, so that they can be compared; what is below it is cut off.
    """
    figure = new_figure(WIDTH, 2.6)
    axes = figure.add_subplot()
    epochs = range(1, record.recipe.epochs + 1)
    mark_target(axes, record.recipe.epochs)
    shown = (("train_accuracy", "training", "grey"), ("test_accuracy", "test", "tab:blue"))
    for name, label, color in shown:
        columns = list(zip(*record.column(name), strict=True))
        low, high = list(map(min, columns)), list(map(max, columns))
        axes.fill_between(epochs, low, high, alpha=0.25, color=color)
        axes.plot(epochs, list(map(statistics.mean, columns)), color=color, label=label)
    axes.set_ylim(LOWEST, 100)
    ticks = [97.5, 98, 98.5, 99, 99.4, 100]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], size=SIZE)
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("epoch", size=SIZE)
    axes.set_ylabel("accuracy, %", size=SIZE)
    axes.legend(loc="lower right", frameon=False, fontsize=SIZE)
    return figure
