"""The nets of the curriculum, each as a function that builds it.

A net takes images (N, 1, 28, 28), normalised, and gives log-probabilities (N, 10).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from tinytrain import nn
from tinytrain.errors import UsageError


def net9_3(dropout: float = 0.0, generator: torch.Generator | None = None) -> nn.Sequential:
    """The final net: 7,934 parameters.

    Two 3×3 convolutions see strokes, a 1×1 convolution and a pooling condense them, three more 3×3
    convolutions see digits, and the mean over the 8×8 places that are left decides. No convolution
    has a bias: batch norm's shift does that. Initial weights and dropout are drawn from
    `generator`.
    """

    def conv(inputs: int, outputs: int, kernel_size: int = 3, padding: int = 0) -> nn.Conv2d:
        return nn.Conv2d(
            inputs, outputs, kernel_size, padding=padding, bias=False, generator=generator
        )

    def block(inputs: int, outputs: int, padding: int = 0) -> list[nn.Module]:
        return [
            conv(inputs, outputs, padding=padding),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout, generator=generator),
        ]

    return nn.Sequential(
        {
            "conv1": nn.Sequential(*block(1, 8), *block(8, 11)),
            "trans1": nn.Sequential(conv(11, 10, kernel_size=1), nn.MaxPool2d(2)),
            "conv2": nn.Sequential(*block(10, 12), *block(12, 14), *block(14, 31, padding=1)),
            "trans2": nn.Sequential(conv(31, 10, kernel_size=1)),
            "gap": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            "log_softmax": nn.LogSoftmax(),
        }
    )


NETS: dict[str, Callable[..., nn.Module]] = {"net9_3": net9_3}


def build(name: str, dropout: float = 0.0, generator: torch.Generator | None = None) -> nn.Module:
    """The net called `name`; raises UsageError where there is none of that name."""
    if name not in NETS:
        raise UsageError(f"--net {name}: no such net; there is {', '.join(NETS)}")
    return NETS[name](dropout, generator)
