"""Pictures of runs, drawn with matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.errors import UsageError, printable
from tinytrain.store.files import make_folder
from tinytrain.train.state import Epoch
from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches. Raises UsageError where matplotlib is missing."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # or it speaks of its caches
    try:
        from matplotlib import rcParams
        from matplotlib.figure import Figure
    except ImportError as error:
        needed = "drawing needs matplotlib; install it with: pip install '.[plots]'"
        raise UsageError(needed) from error
    rcParams["svg.hashsalt"] = "tinytrain"  # the same picture is the same file
    rcParams["svg.fonttype"] = "none"  # text stays text: small, searchable, in the reader's font
    return Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: Figure, transparent: bool = True, **metadata: str) -> str:
    """The figure as SVG."""
    file = io.StringIO()
    unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=transparent, metadata=unsaid | metadata)
    return file.getvalue()


def save(figure: Figure, output: Path) -> None:
    """Write the figure, its kind by the suffix, into a folder that is made where it is missing.

    Raises UsageError where that cannot be done.
    """
    if not output.suffix:
        raise UsageError(f"--output {output}: expected a name with a suffix: .svg, .png, .pdf")
    make_folder(output.parent)
    try:
        figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output}: {error}") from error


def accuracy_by_epoch(histories: Mapping[str, Sequence[Epoch]]) -> Figure:
    """The test accuracy of every run, by its name; thin lines are raw weights, where averaged."""
    figure = new_figure(8, 4)
    axes = figure.add_subplot()
    last = max((epoch.epoch for history in histories.values() for epoch in history), default=1)
    mark_target(axes, last)
    for name, history in histories.items():
        epochs = [epoch.epoch for epoch in history]
        tested = [epoch.test_accuracy for epoch in history]
        raw = [epoch.raw_test_accuracy for epoch in history]
        label = re.sub("^_", " _", printable(name).replace("$", r"\$"))  # no formula, nor hidden
        (line,) = axes.plot(epochs, tested, marker="o", markersize=3, label=label)
        if raw != tested:
            axes.plot(epochs, raw, color=line.get_color(), linewidth=0.7, alpha=0.6)
    # The first epochs would squeeze the others into a line.
    later = [epoch.test_accuracy for history in histories.values() for epoch in history[1:]]
    axes.set_ylim(min([98.5, *later]) - 0.1, None)
    axes.set_ylabel("test accuracy, %")
    axes.set_title(f"dashed: {TARGET_ACCURACY:.2f} %; grey: the last {LAST_EPOCHS} epochs", size=9)
    axes.legend(loc="lower right", frameon=False)
    return figure


def mark_target(axes: Axes, epochs: int) -> None:
    """A dashed line at the target, and the last epochs, in which it counts, in grey."""
    axes.axhline(TARGET_ACCURACY, color="grey", linewidth=0.8, linestyle="--")
    axes.axvspan(epochs - LAST_EPOCHS + 0.5, epochs + 0.5, color="grey", alpha=0.12, linewidth=0)
    axes.set_xlim(0.5, epochs + 0.5)
    axes.set_xlabel("epoch")
