"""Training: the loop, what a run keeps, what it prints, and whether it holds the target.

`loop` trains: `fit` yields every step and every epoch. `evaluation` tests: `evaluate`, with five
looks at an image where a recipe asks for them. `state` is what a training is while it goes on,
`build` makes one from a recipe, `settings` say what decides its outcome, `runs` and `checkpoints`
keep it in a folder, `log` prints it, `target` judges it, and `memory` has the allocator reuse what
is freed.
"""

from tinytrain.train import build, log, target
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
    "evaluate",
    "fit",
    "keep_freed_memory",
    "log",
    "target",
]
