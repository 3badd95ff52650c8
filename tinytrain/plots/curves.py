"""The test accuracy of runs by epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinytrain.errors import printable
from tinytrain.plots.drawing import new_figure
from tinytrain.train.state import Epoch
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def accuracy_by_epoch(histories: Mapping[str, Sequence[Epoch]]) -> Figure:
    """Draw the test accuracy of each run, by name; thin lines are raw weights, where averaged."""
    figure = new_figure(8, 4)
    axes = figure.add_subplot()
    last = max((epoch.epoch for history in histories.values() for epoch in history), default=1)
    mark_target(axes, last)
    for name, history in histories.items():
        epochs = [epoch.epoch for epoch in history]
        tested = [epoch.test_accuracy for epoch in history]
        raw = [epoch.raw_test_accuracy for epoch in history]
        # In a label "$" begins a formula, and a "_" in front hides it.
        label = re.sub("^_", " _", printable(name).replace("$", r"\$"))
        (line,) = axes.plot(epochs, tested, marker="o", markersize=3, label=label)
        if raw != tested:
            axes.plot(epochs, raw, color=line.get_color(), linewidth=0.7, alpha=0.6)
    # The first epochs are much lower and would flatten the rest.
    later = [epoch.test_accuracy for history in histories.values() for epoch in history[1:]]
    axes.set_ylim(min([98.5, *later]) - 0.1, None)
    axes.set_ylabel("test accuracy, %")
    axes.set_title(f"dashed: {TARGET_ACCURACY:.2f} %; grey: the last {LAST_EPOCHS} epochs", size=9)
    axes.legend(loc="lower right", frameon=False)
    return figure


def mark_target(axes: Axes, epochs: int) -> None:
    """Draw a dashed line at the target, and in grey the last epochs, for which it counts."""
    axes.axhline(TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    axes.axvspan(epochs - LAST_EPOCHS + 0.5, epochs + 0.5, color="grey", alpha=0.12, linewidth=0)
    axes.set_xlim(0.5, epochs + 0.5)
    axes.set_xlabel("epoch")
