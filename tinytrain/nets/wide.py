"""The wide view: a net must see the whole digit.

A digit of MNIST fills a box of 20 × 20 pixels, but a place of Net9_3's last 3×3 convolution sees
18 × 18 of them: no place sees a whole digit, and the average over places comes too late to join
what they saw. Dilation takes the nine weights of that kernel apart: at dilation 2 it looks at
every second place of the map and sees 22 pixels of the image, at 3 it sees 26. With as much
padding the layers, their shapes, names, parameters and multiplications stay. Yu and Koltun,
"Multi-scale context aggregation by dilated convolutions", 2016.
"""

from __future__ import annotations

from functools import partial

from tinytrain import nn
from tinytrain.nets.bricks import Generator
from tinytrain.nets.curriculum import lean


def wide(first: int, dilation: int, dropout: float, generator: Generator) -> nn.Sequential:
    """Net9 or Net9_3, by the width before the pooling, with its last 3×3 convolution dilated."""
    lean_and_wide = partial(lean, last_padding=dilation, last_dilation=dilation)
    return lean_and_wide(first, [12, 14, 31], generator, dropout=dropout)


def net9_wide2(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net9, dilation 2: a place sees 22 pixels. 7,850 parameters."""
    return wide(10, 2, dropout, generator)


def net9_wide3(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net9, dilation 3: a place sees 26 pixels. 7,850 parameters."""
    return wide(10, 3, dropout, generator)


def net9_3_wide2(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net9_3, dilation 2: a place sees 22 pixels. 7,934 parameters."""
    return wide(11, 2, dropout, generator)


def net9_3_wide3(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net9_3, dilation 3: a place sees 26 pixels. 7,934 parameters."""
    return wide(11, 3, dropout, generator)


def net9_3_wide4(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net9_3, dilation 4: a place sees 30 pixels. 7,934 parameters."""
    return wide(11, 4, dropout, generator)
