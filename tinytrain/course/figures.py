"""Measured results as pictures, each a matplotlib figure made from rungs or records.

Accuracies near 100 % are drawn on a logarithmic axis of the error, so that the step from 99.0 to
99.2 is as visible as the one from 98 to 98.5.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tinytrain.course.ladder import Rung, gain
from tinytrain.course.tables import last_epoch
from tinytrain.plots.curves import draw_seeds, mark_target
from tinytrain.plots.drawing import new_figure
from tinytrain.report.target import TARGET_ACCURACY, TARGET_PARAMETERS
from tinytrain.results import records
from tinytrain.results.records import Record
from tinytrain.results.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, CURRICULUM = "#a1559a", "#17857c"  # orange and blue are the signs of weights
WIDTH, SIZE = 4.6, 11  # inches, points: text that can be read on a phone
DASHED: dict[str, Any] = {"color": "grey", "linewidth": 0.8, "linestyle": "--"}
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": SIZE}
BESIDE: dict[str, Any] = {"textcoords": "offset points", "size": SIZE}
DOT: dict[str, Any] = {"fmt": "o", "markersize": 4, "capsize": 3}
CROWDED = 10_000  # parameters, below which most nets are
LOWEST = 97.5  # percent, where the axis of the epochs begins
Curves = dict[str, dict[float, list[float]]]  # losses by label and learning rate


def panels(height: float, count: int = 1, size: float = SIZE) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes side by side, and text of this size at them."""
    figure = new_figure(WIDTH, height)
    panels = [figure.add_subplot(1, count, number) for number in range(1, count + 1)]
    for axes in panels:
        axes.tick_params(labelsize=size)
        axes.xaxis.label.set_fontsize(size)
        axes.yaxis.label.set_fontsize(size)
    return figure, panels


def rows(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """A figure with a row for each name, the first at the top."""
    figure, (axes,) = panels(0.6 + height * len(names))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return figure, axes


def accuracy_by_rung(rungs: Sequence[Rung]) -> Figure:
    """Accuracy rung by rung: mean and standard deviation over seeds."""
    measured = measured_of(rungs)
    figure = accuracy_rows(measured, [rung.name for rung, _ in measured], 0.21)
    figure.axes[0].set_title("purple: tinytrain's own rungs", size=SIZE)
    return figure


def accuracy_by_parameters(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the number of parameters; every net has its name."""
    measured = sorted(measured_of(rungs), key=lambda pair: -pair[1].mean)
    figure, (axes,) = panels(4.4)
    axes.set_xscale("log")
    crowd = [rung for rung, _ in measured if rung.parameters < CROWDED]
    for rung, summary in measured:
        place = (rung.parameters, 100 - summary.mean)
        axes.errorbar(*place, yerr=deviation(summary), color=color_of(rung), **DOT)
        if rung not in crowd:
            axes.annotate(rung.name, place, (-6, 6), ha="right", **BESIDE)
            continue
        # Most nets have nearly as many parameters: their names stand in a column, best first.
        slot = (0.34, 1 - (crowd.index(rung) + 0.6) / len(crowd))
        line = {"arrowstyle": "-", "color": color_of(rung), "alpha": 0.5, "linewidth": 0.8}
        axes.text(*slot, rung.name, size=SIZE, ha="right", va="center", transform=axes.transAxes)
        axes.annotate("", place, slot, textcoords="axes fraction", arrowprops=line)
    axes.axvline(TARGET_PARAMETERS, **DASHED)
    axes.axhline(100 - TARGET_ACCURACY, **DASHED)
    ticks = [8000, 30000, 100000]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlim(1200, 1.5 * ticks[-1])
    axes.set_xlabel("parameters")
    label_error_axis(axes, "y")
    return figure


def accuracy_beyond(rungs: Sequence[Rung]) -> Figure:
    """The last epoch's accuracy, with parameters and epochs, of recipes; the best at the top."""
    found = [(rung, last_epoch(rung.record)) for rung in rungs if rung.record]
    found.sort(key=lambda pair: -pair[1].mean)
    names = []
    for rung, _ in found:
        epochs = rung.recipe.epochs
        names.append(f"{rung.name}:\n{rung.parameters:,} in {epochs} epoch{'s' * (epochs > 1)}")
    return accuracy_rows(found, names, 0.42)


def accuracy_rows(
    found: Sequence[tuple[Rung, Summary]], names: Sequence[str], height: float
) -> Figure:
    """Mean and standard deviation over seeds, a row for each rung."""
    figure, axes = rows(names, height)
    for place, (rung, summary) in enumerate(found):
        axes.errorbar(
            100 - summary.mean, place, xerr=deviation(summary), color=color_of(rung), **DOT
        )
    axes.axvline(100 - TARGET_ACCURACY, **DASHED)
    label_error_axis(axes, "x")
    return figure


def gains(final: Rung, rungs: Sequence[Rung]) -> Figure:
    """By how much recipes are above the final one, in points, with 95 % intervals."""
    changes = {rung.name: change for rung in rungs if (change := gain(final, rung))}
    figure, axes = rows([*changes], 0.26)
    for place, change in enumerate(changes.values()):
        color = OWN if change.excludes_zero else "grey"
        axes.errorbar(change.value, place, xerr=change.value - change.low, color=color, **DOT)
    axes.axvline(0, **DASHED)
    axes.set_xlabel("points against final")
    return figure


def accuracy_by_view(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the receptive field, for nets that differ in little else."""
    families: dict[str, list[tuple[Rung, Summary]]] = defaultdict(list)
    for rung, summary in measured_of(rungs):
        net = "Net8_1" if rung.recipe.net == "net8" else "Net9"
        families["the final recipe" if rung.recipe.ema else net].append((rung, summary))
    figure, (axes,) = panels(2.6)
    for (label, family), color in zip(families.items(), ("grey", CURRICULUM, OWN), strict=False):
        for_each = [(rung.field, 100 - some.mean, deviation(some)) for rung, some in family]
        places, errors, deviations = zip(*for_each, strict=True)
        axes.errorbar(places, errors, deviations, label=label, color=color, **DOT | {"fmt": "o-"})
    label_error_axis(axes, "y")
    axes.set_xticks(sorted({rung.field for rung in rungs}))
    axes.set_xlabel("receptive field, pixels of 28")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, **LEGEND)
    return figure


def accuracy_when_moved() -> Figure:
    """Accuracy of trained nets on test digits moved by 0, 1, … pixels."""
    record: dict[str, Any] = json.loads((records.FOLDER / "moved.json").read_text())
    figure, (axes,) = panels(2.4)
    for measured, color in zip(record["nets"], ("grey", CURRICULUM, OWN), strict=True):
        axes.plot(record["shifts"], measured["accuracy"], "o-", color=color, markersize=4)
        place = record["shifts"][-1], measured["accuracy"][-1]
        axes.annotate(measured["net"], place, (14, 0), va="center", color=color, **BESIDE)
    axes.set(ylim=(0, 103), xlabel="test digits moved, pixels", ylabel="accuracy, %")
    return figure


def measured_of(rungs: Sequence[Rung]) -> list[tuple[Rung, Summary]]:
    """The rungs that have a record, each with its summary."""
    return [(rung, rung.summary) for rung in rungs if rung.summary]


def deviation(summary: Summary) -> float:
    """The standard deviation over seeds; 0 for one seed."""
    return summary.deviation if summary.count > 1 else 0


def color_of(rung: Rung) -> str:
    """Green in the curriculum, purple beyond."""
    return CURRICULUM if rung.lesson and rung.lesson.step <= 7 else OWN


def label_error_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis of errors logarithmic, labelled with accuracies; better is right or up."""
    axes.set(**{f"{which}scale": "log"})
    axis: Any = getattr(axes, f"{which}axis")
    axis.set_inverted(True)
    low, high = sorted(axis.get_view_interval())
    low, high = min(low, 0.38), max(high, 1.05)
    axis.set_view_interval(high, low, ignore=True)
    accuracies = [97, 98, 99, 99.4, 99.6]
    shown = [accuracy for accuracy in accuracies if high >= 100 - accuracy >= low]
    axis.set_ticks([100 - accuracy for accuracy in shown], [f"{a:g}" for a in shown])
    axes.minorticks_off()
    axis.set_label_text("test accuracy, %")


def accuracy_band(record: Record) -> Figure:
    """Accuracy by epoch: the mean over seeds with a band from the lowest to the highest.

    The axis is the same for every rung, so that they can be compared; lower values are cut off.
    """
    figure, (axes,) = panels(2.6)
    mark_target(axes, record.recipe.epochs)
    shown = (("train_accuracy", "training", "grey"), ("test_accuracy", "test", CURRICULUM))
    for name, label, color in shown:
        draw_seeds(axes, record.column(name), color=color, label=label)
    axes.set_ylim(LOWEST, 100)
    ticks = [97.5, 98, 98.5, 99, 99.4, 100]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylabel("accuracy, %")
    figure.legend(loc="outside upper center", ncols=2, **LEGEND)
    return figure


def rate_curves() -> dict[str, Curves]:
    """The held-out losses of all seeds by learning rate, under the titles of two pictures.

    For each optimizer at the final recipe's batch, and for each batch with its optimizer.
    """
    record: dict[str, Any] = json.loads((records.FOLDER / "rates.json").read_text())
    names = {"sgd": "SGD, momentum 0.9", "adam": "Adam"}
    optimizers: Curves = defaultdict(lambda: defaultdict(list))
    batches: Curves = defaultdict(lambda: defaultdict(list))
    for run in record["runs"]:
        lr, loss = run["lr"], run["loss"]
        if run["batch_size"] == record["batch_size"]:
            optimizers[names[run["optimizer"]]][lr].append(loss)
        if run["optimizer"] == record["optimizer"]:
            batches[f"batch {run['batch_size']}"][lr].append(loss)
    return {
        "Held-out loss by learning rate and optimizer": optimizers,
        "Held-out loss by learning rate and batch": batches,
    }


def loss_by_rate(curves: Curves) -> Figure:
    """Loss by learning rate: a dot for each seed, a line through the mean of the first two.

    By these two the rate was chosen; the others are hollow.
    """
    figure, (axes,) = panels(2.8)
    for (label, curve), color in zip(curves.items(), (CURRICULUM, OWN, "grey"), strict=False):
        rates = sorted(curve)
        means = [statistics.mean(curve[rate][:2]) for rate in rates]
        axes.plot(rates, means, label=label, color=color)
        for rate, losses in curve.items():
            for some, face in ((losses[:2], color), (losses[2:], "none")):
                axes.scatter([rate] * len(some), some, 12, face, edgecolors=color)
    axes.set_xscale("log")
    ticks = [0.01, 0.03, 0.1, 0.3, 1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="highest learning rate", ylabel="held-out loss")
    figure.legend(loc="outside upper center", ncols=3, **LEGEND)
    return figure
