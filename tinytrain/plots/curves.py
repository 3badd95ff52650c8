"""Accuracies, loss and learning rate by epoch: of a run, or of several seeds with their band."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any

from tinytrain.errors import printable
from tinytrain.plots.drawing import new_figure
from tinytrain.report.target import LAST_EPOCHS, TARGET_ACCURACY
from tinytrain.train.state import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The panels: a number of an epoch, and the title.
PANELS = {
    "test_accuracy": "test accuracy, %; thin: a run's raw weights",
    "train_accuracy": "training accuracy, %",
    "test_loss": "test loss; dashed: training loss",
    "lr": "learning rate",
}


def by_epoch(groups: Mapping[str, Sequence[Sequence[Epoch]]], target: bool = False) -> Figure:
    """Draw the histories of each named group, which are those of a run or of several seeds.

    `target`: mark it among the test accuracies.
    """
    figure = new_figure(10, 7)
    panels = dict(zip(PANELS, figure.subplots(2, 2).flat, strict=True))
    for number, (name, runs) in enumerate(groups.items()):
        style = {"color": f"C{number}", "marker": "."}
        for field, axes in panels.items():
            draw_seeds(axes, columns(runs, field), label=label_of(name, runs), **style)
        draw_seeds(panels["test_loss"], columns(runs, "train_loss"), linestyle="--", **style)
        if len(runs) == 1:  # of several, their band would hide the others
            raw = columns(runs, "raw_test_accuracy")
            draw_seeds(panels["test_accuracy"], raw, linewidth=0.7, alpha=0.6, **style)
    histories = [history for runs in groups.values() for history in runs]
    last = max([1, *map(len, histories)])
    for field, axes in panels.items():
        axes.set(title=PANELS[field], xlabel="epoch", xlim=(0.5, last + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True)
        # The first epochs are much lower, and would flatten the rest.
        shown = [value for run in columns(histories, field) for value in run[1:]]
        if shown and field.endswith("accuracy"):
            shown += [98.5, TARGET_ACCURACY] * (target and field == "test_accuracy")
            margin = 0.05 * (max(shown) - min(shown)) + 0.01
            axes.set_ylim(min(shown) - margin, max(shown) + margin)
    if target:
        mark_target(panels["test_accuracy"], last)
    losses = columns(histories, "train_loss") + columns(histories, "test_loss")
    if all(loss > 0 for run in losses for loss in run):  # one's own may be negative
        panels["test_loss"].set_yscale("log")
    handles, labels = panels["lr"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False)
    return figure


def columns(runs: Sequence[Sequence[Epoch]], field: str) -> list[list[float]]:
    """One number of every epoch of each run."""
    return [[getattr(epoch, field) for epoch in history] for history in runs]


def label_of(name: str, runs: Sequence[Sequence[Epoch]]) -> str:
    """The group's line of the legend: a run's name, or that of seeds and what their band is."""
    # In a label "$" begins a formula, and a "_" in front hides it.
    label = re.sub("^_", " _", printable(name).replace("$", r"\$"))
    band = f": mean of {len(runs)} seeds, band from the lowest to the highest"
    return label + band * (len(runs) > 1)


def draw_seeds(axes: Axes, runs: Sequence[Sequence[float]], **style: Any) -> None:
    """Draw the mean of runs by epoch, and a band from the lowest to the highest.

    A run that is shorter than others counts as far as it goes.
    """
    epochs = range(1, max(map(len, runs), default=0) + 1)
    values = [[run[epoch - 1] for run in runs if len(run) >= epoch] for epoch in epochs]
    (line,) = axes.plot(epochs, [*map(mean, values)], **style)
    ends = [*map(min, values)], [*map(max, values)]
    axes.fill_between(epochs, *ends, color=line.get_color(), alpha=0.25, linewidth=0)


def mark_target(axes: Axes, epochs: int) -> None:
    """Draw a dashed line at the target, and in grey the last epochs, for which it counts."""
    axes.axhline(TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    axes.axvspan(epochs - LAST_EPOCHS + 0.5, epochs + 0.5, color="grey", alpha=0.12, linewidth=0)
    axes.set_xlim(0.5, epochs + 0.5)
    axes.set_xlabel("epoch")
