"""tinytrain: a minimal training engine on torch tensors and autograd, with its curriculum.

    from tinytrain import data, nn, nets, optim, train
    tinytrain.run("runs/1", net=my_function, lr=0.02)  # as the command `train` does
    tinytrain.load_run("runs/1").predict(images)  # classes and probabilities

The rooms, from the ground up: `nn` (layers), `store` (files and downloads), `data` (data sets and
batches), `optim` (optimizers, schedules, averages of the weights), `nets`, `train` (the loop),
`recipes` (the settings of a run by name), `report` (what a run prints, and the verdict),
`from_torch` (torch's own nets, optimizers and data sets), `graph` (steps on a GPU as one captured
graph), `runs` (a run's folder), `workers` (several processes for one run), `results` (records and
statistics), `plots`, `course` (the curriculum) and `cli` (the command line). Below them are
`streams` (random numbers by name) and `errors`.
"""

import importlib
from typing import Any

__version__ = "0.2.0"
ROOMS = (
    *("nn", "store", "data", "optim", "nets", "train", "recipes", "report"),
    *("from_torch", "graph", "runs", "workers", "results", "plots", "course", "cli"),
)
FUNCTIONS = {"load_run": "results.trained_run", "run": "cli.call"}


def __getattr__(name: str) -> Any:
    """A room or function, imported when first asked for: `--help` needs no torch."""
    if name in FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{FUNCTIONS[name]}"), name)
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS, *FUNCTIONS})
