"""tinytrain: a minimal training engine on torch tensors and autograd, with its curriculum.

    from tinytrain import data, nn, nets, optim, train

The rooms, from the ground up: `nn` (layers), `data` (from files to batches), `optim` (from
gradients to steps), `nets` (what is trained), `train` (the loop, its runs and the target),
`course` (the curriculum and what was measured) and `cli` (the command line). Under them are
`recipes` (every choice of a run, and the rungs with what each changes), `streams` (random numbers
by name) and `errors` (one line and an exit status).
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.2.0"
ROOMS = ("nn", "data", "optim", "nets", "train", "course", "cli")


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is first asked for: `--help` needs neither torch nor numpy."""
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS})
