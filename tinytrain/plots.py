"""Pictures of runs, drawn with matplotlib (the extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tinytrain.errors import UsageError
from tinytrain.log import LAST_EPOCHS, TARGET_ACCURACY
from tinytrain.training import Epoch


def curves(histories: Mapping[str, Sequence[Epoch]], output: Path) -> None:
    """Draw the test accuracy of every run by epoch into `output`, a kind by its suffix (svg, png).

    `histories`: what to call a run → its history. A thin line is the raw weights, where they are
    averaged. Raises UsageError where matplotlib is missing or `output` cannot be written.
    """
    try:
        from matplotlib import rcParams
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "plot: needs matplotlib; install it with: pip install '.[plots]'"
        ) from error
    rcParams["svg.hashsalt"] = "tinytrain"  # the same picture is the same file
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    last = max((epoch.epoch for history in histories.values() for epoch in history), default=1)
    axes.axhline(TARGET_ACCURACY, color="black", linewidth=0.8, linestyle="--")
    axes.axvspan(last - LAST_EPOCHS + 0.5, last + 0.5, color="black", alpha=0.06, linewidth=0)
    for name, history in histories.items():
        epochs = [epoch.epoch for epoch in history]
        tested = [epoch.test_accuracy for epoch in history]
        raw = [epoch.raw_test_accuracy for epoch in history]
        (line,) = axes.plot(epochs, tested, marker="o", markersize=3, label=name)
        if raw != tested:
            axes.plot(epochs, raw, color=line.get_color(), linewidth=0.7, alpha=0.6)
    # The first epochs would squeeze the others into a line.
    later = [epoch.test_accuracy for history in histories.values() for epoch in history[1:]]
    axes.set_ylim(min([98.5, *later]) - 0.1, None)
    axes.set_xlim(0.5, last + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy, %")
    axes.set_title(f"dashed: {TARGET_ACCURACY:.2f} %; grey: the last {LAST_EPOCHS} epochs", size=9)
    axes.legend(loc="lower right", frameon=False)
    try:
        figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output}: {error}") from error
