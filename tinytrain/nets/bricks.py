"""What nets are built from: a few layers that always stand together.

The brick of nearly every net is a 3×3 convolution and what follows it; `blocks` stacks
them. Initial weights, and dropout's masks, are drawn from `generator`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from tinytrain import nn

Generator = torch.Generator | None


def blocks(
    widths: Sequence[int],
    generator: Generator,
    *,
    padding: int = 0,
    norm: bool = True,
    dropout: float | None = None,
) -> list[nn.Module]:
    """3×3 convolutions from `widths[0]` channels to `widths[1]` and on, each with what follows it.

    That is batch norm, unless `norm` is False, ReLU, and dropout of channels unless it is None.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers.append(
            nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False, generator=generator)
        )
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU(inplace=True))
        layers += [] if dropout is None else [nn.Dropout2d(dropout, generator=generator)]
    return layers


def conv1x1(inputs: int, outputs: int, generator: Generator) -> nn.Conv2d:
    """A 1×1 convolution: at each place, `outputs` weighted sums of the channels."""
    return nn.Conv2d(inputs, outputs, 1, bias=False, generator=generator)


def fully_connected(sizes: Sequence[int], generator: Generator) -> list[nn.Module]:
    """Linear layers from size to size with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, generator=generator), nn.ReLU(inplace=True)]
    return layers[:-1]


def with_log_probabilities(stages: dict[str, nn.Module]) -> nn.Sequential:
    """A net of `stages` and, after them, the log-probabilities of the classes."""
    return nn.Sequential({**stages, "flatten": nn.Flatten(), "log_softmax": nn.LogSoftmax()})
