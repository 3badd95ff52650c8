"""What was measured as pictures, each a matplotlib figure made from rungs or from a record.

Accuracies near 100 % are drawn on a logarithmic axis of the error, so that the step from 99.0 to
99.2 is as visible as the one from 98 to 98.5.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinytrain.course.ladder import Rung
from tinytrain.course.plots import mark_target, new_figure
from tinytrain.course.records import Record
from tinytrain.course.spread import Summary
from tinytrain.train.target import TARGET_ACCURACY, TARGET_PARAMETERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, CURRICULUM = "tab:orange", "tab:blue"


def accuracy_by_rung(rungs: Sequence[Rung]) -> Figure:
    """Accuracy rung by rung: mean and standard deviation over seeds."""
    measured = measured_of(rungs)
    figure = new_figure(8, 4.2)
    axes = figure.add_subplot()
    for place, (rung, summary) in enumerate(measured):
        draw_result(axes, place, rung, summary)
    names = [rung.name for rung, _ in measured]
    axes.set_xticks(range(len(names)), names, rotation=60, size=8)
    finish_error_axis(axes)
    axes.set_title("mean and standard deviation over seeds; orange: tinytrain's own rungs", size=9)
    return figure


def accuracy_by_parameters(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the number of parameters; of the nets of one size the best has its name."""
    figure = new_figure(8, 4.2)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    measured = measured_of(rungs)
    for rung, summary in measured:
        draw_result(axes, rung.parameters, rung, summary)
    named: set[int] = set()
    above = {"left": True, "right": True}
    for rung, summary in sorted(measured, key=lambda pair: -pair[1].mean):
        if rung.parameters in named:
            continue
        named.add(rung.parameters)
        place = (rung.parameters, 100 - summary.mean)
        # Most nets crowd just below the limit: their names go left, by turns above and below.
        side = "right" if rung.parameters < TARGET_PARAMETERS else "left"
        offset = (6 if side == "left" else -6, 3 if above[side] else -9)
        above[side] = not above[side]
        axes.annotate(rung.name, place, xytext=offset, textcoords="offset points", size=8, ha=side)
    axes.axvline(TARGET_PARAMETERS, color="grey", linewidth=0.8, linestyle="--")
    ticks = [3000, 5000, 8000, 15000, 30000, 60000, 100000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], size=8)
    axes.set_xlim(ticks[0], 1.7 * ticks[-1])
    axes.minorticks_off()
    axes.set_xlabel("parameters")
    finish_error_axis(axes)
    axes.set_title("dashed: 99.40 % and 8,000 parameters", size=9)
    return figure


def measured_of(rungs: Sequence[Rung]) -> list[tuple[Rung, Summary]]:
    """The rungs that have a record, each with what its seeds say."""
    return [(rung, rung.record.summary) for rung in rungs if rung.record]


def draw_result(axes: Axes, place: float, rung: Rung, summary: Summary) -> None:
    """A dot at the error, and a bar of a standard deviation to each side."""
    spread = summary.deviation if summary.count > 1 else 0
    color = CURRICULUM if rung.lesson and rung.lesson.step <= 7 else OWN
    axes.errorbar(place, 100 - summary.mean, spread, color=color, fmt="o", markersize=4, capsize=3)


def finish_error_axis(axes: Axes) -> None:
    """Label a vertical axis of errors with accuracies; better is up."""
    axes.set_yscale("log")
    axes.axhline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    low, high = axes.get_ylim()
    axes.set_ylim(max(high, 1.05), min(low, 0.38))
    accuracies = [96, 97, 98, 98.5, 99, 99.2, 99.4, 99.5, 99.6]
    shown = [accuracy for accuracy in accuracies if axes.get_ylim()[0] > 100 - accuracy]
    axes.set_yticks([100 - accuracy for accuracy in shown], [f"{a:g}" for a in shown], minor=False)
    axes.minorticks_off()
    axes.set_ylabel("test accuracy, %")


def accuracy_band(record: Record) -> Figure:
    """Accuracy by epoch: the mean over seeds with a band from the lowest to the highest."""
    figure = new_figure(6, 3)
    axes = figure.add_subplot()
    epochs = range(1, record.recipe.epochs + 1)
    mark_target(axes, record.recipe.epochs)
    shown = (("train_accuracy", "training", "grey"), ("test_accuracy", "test", "tab:blue"))
    for name, label, color in shown:
        columns = list(zip(*record.column(name), strict=True))
        low, high = list(map(min, columns)), list(map(max, columns))
        axes.fill_between(epochs, low, high, alpha=0.25, color=color)
        axes.plot(epochs, list(map(statistics.mean, columns)), color=color, label=label)
    tested = [value for seed in record.column("test_accuracy") for value in seed[1:]]
    axes.set_ylim(min([98.4, *tested]) - 0.1, 100)
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure
