"""Training: the loop, evaluation and the state of a training.

`loop`: `fit` yields every step and every epoch; `compute`: gradients and scores; `state`: a
`Training` and its records; `checks`: before the first step; `evaluation`: `evaluate`; `memory`: a
faster allocator.
"""

from tinytrain.train.checks import require_suited
from tinytrain.train.evaluation import evaluate
from tinytrain.train.loop import fit
from tinytrain.train.memory import keep_freed_memory
from tinytrain.train.state import Batch, Epoch, Score, Training

__all__ = ["Batch", "Epoch", "Score", "Training"]
__all__ += ["evaluate", "fit", "keep_freed_memory", "require_suited"]
