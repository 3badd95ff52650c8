"""Training: the loop, what a run keeps, what it prints, and whether it holds the target.

`fit` trains and yields every step and every epoch, `evaluate` tests. `state` is what a training is
while it goes on, `build` makes one from a recipe, `runs` keeps it in a folder, `log` prints it,
`target` judges it, `spread` says what many seeds show together, `plots` draws it.
"""

from tinytrain.train import build, log, runs, spread, target
from tinytrain.train.loop import evaluate, fit
from tinytrain.train.memory import keep_freed_memory
from tinytrain.train.state import Batch, Epoch, Score, Training

__all__ = [
    "Batch",
    "Epoch",
    "Score",
    "Training",
    "build",
    "evaluate",
    "fit",
    "keep_freed_memory",
    "log",
    "runs",
    "spread",
    "target",
]
