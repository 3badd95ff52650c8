"""An optimizer, or a batch, is as good as at the rate that suits it; no rate suits all.

Compare two at the same rate, and it is mostly the rate that wins. So a rate is chosen for each, on
held-out training images: the final recipe in five epochs, a curve over rates for SGD and Adam, and
one for each size of batch. Only then are they compared, each at its best.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytrain.course.figures import SIZE, WIDTH
from tinytrain.plots.drawing import new_figure
from tinytrain.results import records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "rates.json"
TITLES = "Held-out loss by rate and optimizer", "Held-out loss by rate and batch"
OPTIMIZERS = {"sgd": "SGD, momentum 0.9", "adam": "Adam"}
Curves = dict[str, dict[float, list[float]]]


def curves(folder: Path = records.FOLDER) -> tuple[Curves, Curves]:
    """The held-out loss of every seed by rate: for each optimizer, and for each size of batch.

    Adam with the final recipe's batch is in both.
    """
    record: dict[str, Any] = json.loads((folder / NAME).read_text())
    optimizers: Curves = defaultdict(lambda: defaultdict(list))
    batches: Curves = defaultdict(lambda: defaultdict(list))
    for run in record["runs"]:
        lr, loss = run["lr"], run["loss"]
        if run["batch_size"] == record["batch_size"]:
            optimizers[OPTIMIZERS[run["optimizer"]]][lr].append(loss)
        if run["optimizer"] == record["optimizer"]:
            batches[f"batch {run['batch_size']}"][lr].append(loss)
    return optimizers, batches


def loss_by_rate(curves: Curves) -> Figure:
    """A line through the mean over seeds, a dot for each."""
    figure = new_figure(WIDTH, 2.8)
    axes = figure.add_subplot()
    for label, found in curves.items():
        rates = sorted(found)
        means = [statistics.mean(found[rate]) for rate in rates]
        (line,) = axes.plot(rates, means, label=label)
        for rate, losses in found.items():
            axes.scatter([rate] * len(losses), losses, s=12, color=line.get_color())
    axes.set_xscale("log")
    ticks = [0.01, 0.03, 0.1, 0.3, 1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.tick_params(labelsize=SIZE)
    axes.set_xlabel("highest rate", size=SIZE)
    axes.set_ylabel("held-out loss", size=SIZE)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=SIZE)
    return figure
