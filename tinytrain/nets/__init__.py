"""All nets by name: those of the curriculum, Net1 to Net9_3, and those beyond it.

A net takes normalised images (N, 1, 28, 28) and gives log-probabilities (N, 10). Its initial
weights are drawn from `generator`. `curriculum` has the nets of the thirteen rungs and the final
net, net9_3_wide2; `beyond` has nets that use each parameter more often; `bricks` their parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from tinytrain import nn
from tinytrain.errors import UsageError
from tinytrain.nets.beyond import (
    framed2791,
    framed7500,
    late7500,
    net9_3_dense,
    separable942,
    separable1908,
)
from tinytrain.nets.bricks import Generator
from tinytrain.nets.curriculum import (
    net1,
    net2,
    net3,
    net4,
    net5,
    net6,
    net7,
    net8,
    net9,
    net9_3,
    net9_3_wide2,
    net9_3_wide3,
    net9_3_wide4,
    net9_wide2,
    net9_wide3,
)

FUNCTIONS: tuple[Callable[..., nn.Sequential], ...] = (
    *(net1, net2, net3, net4, net5, net6, net7, net8, net9, net9_3),
    *(net9_wide2, net9_wide3, net9_3_wide2, net9_3_wide3, net9_3_wide4),
    *(late7500, framed7500, framed2791, separable1908, separable942, net9_3_dense),
)
NETS = {function.__name__: function for function in FUNCTIONS}


def build(name: str, dropout: float = 0.0, generator: Generator = None) -> nn.Module:
    """The net called `name`, with that rate of dropout.

    Raises UsageError where there is no such net, and for a rate where it has no dropout.
    """
    if name not in NETS:
        there = f"there is {', '.join(NETS)}, or FILE.py:FUNCTION"
        raise UsageError(f"--net {name}: no such net; {there}")
    if "dropout" in inspect.signature(NETS[name]).parameters:
        return NETS[name](dropout, generator)
    if dropout:
        raise UsageError(f"--dropout {dropout:g}: {name} has no dropout; leave the flag out")
    return NETS[name](generator)


__all__ = ["NETS", "build", *NETS]
