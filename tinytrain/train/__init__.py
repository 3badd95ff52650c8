"""Training: the loop, what a run keeps, what it prints, and whether it holds the target.

`fit` trains and yields every step and every epoch; `evaluate` tests. `state` is what a training is
while it goes on, `build` makes one from a recipe, `runs` and `checkpoints` keep it in a folder,
`log` prints it, `target` judges it, `spread` says what many seeds show together, `plots` draws
them, and `memory` keeps what is freed.
"""

from tinytrain.train import build, checkpoints, log, plots, runs, spread, target
from tinytrain.train.evaluation import evaluate
from tinytrain.train.loop import fit
from tinytrain.train.memory import keep_freed_memory
from tinytrain.train.state import Batch, Epoch, Score, Training

__all__ = [
    "Batch",
    "Epoch",
    "Score",
    "Training",
    "build",
    "checkpoints",
    "evaluate",
    "fit",
    "keep_freed_memory",
    "log",
    "plots",
    "runs",
    "spread",
    "target",
]
