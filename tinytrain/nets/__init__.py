"""All nets by name: those of the curriculum, Net1 to Net9_3, and those beyond it.

A net takes normalised images (N, C, H, W) and gives log-probabilities (N, classes), those of its
`task`, by default MNIST's. Its initial weights are drawn from `generator`. `curriculum` has the
nets of the thirteen rungs and the final net, net9_3_wide2; `beyond` has nets that use each
parameter more often; `bricks` their parts.
"""

import inspect
from collections.abc import Callable

from tinytrain.errors import UsageError
from tinytrain.nets import beyond, curriculum
from tinytrain.nets.beyond import *  # noqa: F403
from tinytrain.nets.bricks import MNIST, Net, Task
from tinytrain.nets.curriculum import *  # noqa: F403
from tinytrain.nn.functional import Generator

NETS: dict[str, Callable[..., Net]] = {
    name: vars(room)[name] for room in (curriculum, beyond) for name in room.__all__
}


def build(name: str, dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """The net called `name`, with that rate of dropout, for the images and classes of `task`.

    Raises UsageError where there is no such net, and for a rate where it has no dropout.
    """
    if name not in NETS:
        there = ", ".join(NETS)
        raise UsageError(f"--net {name}: no such net; there is {there}, or FILE.py:FUNCTION")
    if "dropout" in inspect.signature(NETS[name]).parameters:
        return NETS[name](dropout, generator, task)
    if dropout:
        raise UsageError(f"--dropout {dropout:g}: {name} has no dropout; leave the flag out")
    return NETS[name](generator, task)


__all__ = ["MNIST", "NETS", "Task", "build", *NETS]
