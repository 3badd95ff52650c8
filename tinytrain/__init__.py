"""tinytrain: a minimal training engine on torch tensors and autograd, with its curriculum.

    from tinytrain import data, nn, nets, optim, train

The rooms, from the ground up: `nn` (layers), `store` (files and downloads), `data` (data sets and
batches), `optim` (optimizers, schedules, averages of the weights), `nets`, `train` (the loop and
the verdict), `graph` (steps on a GPU as one captured graph), `runs` (a run's folder), `workers`
(several processes for one run), `results` (records and statistics), `plots`, `course` (the
curriculum) and `cli` (the command line). Below them are `recipes` (the settings of a run),
`streams` (random numbers by name) and `errors`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.2.0"
ROOMS = (
    *("nn", "store", "data", "optim", "nets", "train"),
    *("graph", "runs", "workers", "results", "plots", "course", "cli"),
)


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is first asked for: `--help` needs neither torch nor numpy."""
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS})
