"""Measured results as pictures, each a matplotlib figure made from rungs or records.

Accuracies near 100 % are drawn on a logarithmic axis of the error, so that the step from 99.0 to
99.2 is as visible as the one from 98 to 98.5.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

OWN, CURRICULUM = "#a1559a", "#17857c"  # orange and blue mean signs
WIDTH, SIZE = 4.6, 11  # inches, points: text that can be read on a phone
CROWDED = 10_000  # parameters, below which most nets are
LOWEST = 97.5  # percent, where the axis of the epochs begins
Curves = dict[str, dict[float, list[float]]]  # losses by label and learning rate


def accuracy_by_rung(rungs: Sequence[Rung]) -> Figure:
    """Accuracy rung by rung: mean and standard deviation over seeds."""
    measured = measured_of(rungs)
    figure = new_figure(WIDTH, 0.6 + 0.21 * len(measured))
    axes = figure.add_subplot()
    for place, (rung, summary) in enumerate(measured):
        axes.errorbar(100 - summary.mean, place, xerr=deviation(summary), **style_of(rung))
    names = [rung.name for rung, _ in measured]
    axes.set_yticks(range(len(names)), names, size=SIZE)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    label_error_axis(axes, axes.xaxis)
    axes.set_title("purple: tinytrain's own rungs", size=SIZE)
    return figure


def accuracy_by_parameters(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the number of parameters; every net has its name."""
    measured = sorted(measured_of(rungs), key=lambda pair: -pair[1].mean)
    figure = new_figure(WIDTH, 4.4)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    crowd = [rung for rung, _ in measured if rung.parameters < CROWDED]
    for rung, summary in measured:
        place = (rung.parameters, 100 - summary.mean)
        axes.errorbar(*place, yerr=deviation(summary), **style_of(rung))
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
    axes.set_xlabel("parameters", size=SIZE)
    axes.set_yscale("log")
    axes.axhline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    label_error_axis(axes, axes.yaxis)
    return figure


def accuracy_beyond(rungs: Sequence[Rung]) -> Figure:
    """The last epoch's accuracy, with parameters and epochs, of recipes; the best at the top."""
    found = [(rung, last_epoch(rung.record)) for rung in rungs if rung.record]
    found.sort(key=lambda pair: -pair[1].mean)
    figure = new_figure(WIDTH, 0.6 + 0.42 * len(found))
    axes = figure.add_subplot()
    names = []
    for place, (rung, summary) in enumerate(found):
        axes.errorbar(100 - summary.mean, place, xerr=deviation(summary), **style_of(rung))
        epochs = rung.recipe.epochs
        names.append(f"{rung.name}:\n{rung.parameters:,} in {epochs} epoch{'s' * (epochs > 1)}")
    axes.set_yticks(range(len(names)), names, size=SIZE)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(100 - TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    label_error_axis(axes, axes.xaxis)
    return figure


def gains(final: Rung, rungs: Sequence[Rung]) -> Figure:
    """By how much recipes are above the final one, in points, with 95 % intervals."""
    found = [(rung.name, change) for rung in rungs if (change := gain(final, rung))]
    figure = new_figure(WIDTH, 0.6 + 0.26 * len(found))
    axes = figure.add_subplot()
    for place, (_, change) in enumerate(found):
        color = OWN if change.excludes_zero else "grey"
        axes.plot([change.low, change.high], [place, place], color=color)
        axes.plot(change.value, place, "o", color=color, markersize=4)
    axes.axvline(0, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(found)), [name for name, _ in found], size=SIZE)
    axes.invert_yaxis()
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("points against final", size=SIZE)
    return figure


def accuracy_by_view(rungs: Sequence[Rung]) -> Figure:
    """Accuracy against the receptive field, for nets that differ in little else."""
    families: dict[str, list[tuple[Rung, Summary]]] = defaultdict(list)
    for rung, summary in measured_of(rungs):
        net = "Net8_1" if rung.recipe.net == "net8" else "Net9"
        families["the final recipe" if rung.recipe.ema else net].append((rung, summary))
    figure = new_figure(WIDTH, 2.6)
    axes, drawn = figure.add_subplot(), []
    for (label, family), color in zip(families.items(), ("grey", CURRICULUM, OWN), strict=False):
        for_each = [(rung.field, 100 - some.mean, deviation(some) or 0) for rung, some in family]
        places, errors, deviations = zip(*for_each, strict=True)
        style: dict[str, Any] = {"color": color, "markersize": 4, "capsize": 3}
        drawn.append(axes.errorbar(places, errors, deviations, fmt="o-", label=label, **style))
    axes.set_yscale("log")
    label_error_axis(axes, axes.yaxis)
    axes.set_xticks(sorted({rung.field for rung in rungs}))
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("receptive field, pixels of 28", size=SIZE)
    figure.legend(handles=drawn, loc="outside upper center", ncols=3, frameon=False, fontsize=SIZE)
    return figure


def accuracy_when_moved(folder: Path = records.FOLDER) -> Figure:
    """Accuracy of trained nets on test digits moved by 0, 1, … pixels."""
    record: dict[str, Any] = json.loads((folder / "moved.json").read_text())
    figure = new_figure(WIDTH, 2.4)
    axes = figure.add_subplot()
    for measured, color in zip(record["nets"], ("grey", CURRICULUM, OWN), strict=True):
        axes.plot(record["shifts"], measured["accuracy"], "o-", color=color, markersize=4)
        place = (record["shifts"][-1], measured["accuracy"][-1])
        style: dict[str, Any] = {"size": SIZE, "va": "center", "color": color}
        axes.annotate(measured["net"], place, (14, 0), textcoords="offset points", **style)
    axes.set_ylim(0, 103)
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("test digits moved, pixels", size=SIZE)
    axes.set_ylabel("accuracy, %", size=SIZE)
    return figure


def measured_of(rungs: Sequence[Rung]) -> list[tuple[Rung, Summary]]:
    """The rungs that have a record, each with its summary."""
    return [(rung, rung.record.summary) for rung in rungs if rung.record]


def deviation(summary: Summary) -> float | None:
    """The standard deviation over seeds; None for one seed."""
    return summary.deviation if summary.count > 1 else None


def style_of(rung: Rung) -> dict[str, Any]:
    """A dot and an error bar in the rung's colour."""
    return {"color": color_of(rung), "fmt": "o", "markersize": 4, "capsize": 3}


def color_of(rung: Rung) -> str:
    """Green in the curriculum, purple beyond."""
    return CURRICULUM if rung.lesson and rung.lesson.step <= 7 else OWN


def label_error_axis(axes: Axes, axis: Any) -> None:
    """Label the x or y axis of an error with accuracies; better is right or up."""
    axis.set_inverted(True)
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

    The axis is the same for every rung, so that they can be compared; lower values are cut off.
    """
    figure = new_figure(WIDTH, 2.6)
    axes = figure.add_subplot()
    mark_target(axes, record.recipe.epochs)
    shown = (("train_accuracy", "training", "grey"), ("test_accuracy", "test", CURRICULUM))
    for name, label, color in shown:
        draw_seeds(axes, record.column(name), color=color, label=label)
    axes.set_ylim(LOWEST, 100)
    ticks = [97.5, 98, 98.5, 99, 99.4, 100]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], size=SIZE)
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("epoch", size=SIZE)
    axes.set_ylabel("accuracy, %", size=SIZE)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=SIZE)
    return figure


def rate_curves(folder: Path = records.FOLDER) -> dict[str, Curves]:
    """The held-out losses of all seeds by learning rate, under the titles of two pictures.

    For each optimizer at the final recipe's batch, and for each batch with its optimizer.
    """
    record: dict[str, Any] = json.loads((folder / "rates.json").read_text())
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
    figure = new_figure(WIDTH, 2.8)
    axes = figure.add_subplot()
    for (label, curve), color in zip(curves.items(), (CURRICULUM, OWN, "grey"), strict=False):
        rates = sorted(curve)
        means = [statistics.mean(curve[rate][:2]) for rate in rates]
        (line,) = axes.plot(rates, means, label=label, color=color)
        for rate, losses in curve.items():
            axes.scatter([rate] * len(losses[:2]), losses[:2], s=12, color=line.get_color())
            later, edge = losses[2:], line.get_color()
            axes.scatter([rate] * len(later), later, s=12, facecolors="none", edgecolors=edge)
    axes.set_xscale("log")
    ticks = [0.01, 0.03, 0.1, 0.3, 1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("highest learning rate", size=SIZE)
    axes.set_ylabel("held-out loss", size=SIZE)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=SIZE)
    return figure
