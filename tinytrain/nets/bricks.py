"""Building blocks of nets: layers that are always used together.

Nearly every net is made of 3×3 convolutions, each followed by batch norm, ReLU and dropout;
`blocks` puts them in a row. Initial weights are drawn from `generator`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import torch

from tinytrain import nn

Generator = torch.Generator | None
Stages = Mapping[str, nn.Module | list[nn.Module]]


def blocks(
    widths: Sequence[int],
    generator: Generator,
    *,
    padding: int = 0,
    dilation: int = 1,
    norm: bool = True,
    dropout: float | None = None,
) -> list[nn.Module]:
    """3×3 convolutions from `widths[0]` channels to `widths[1]` and on, each with its followers.

    Those are batch norm, unless `norm` is False, ReLU, and dropout of channels unless it is None.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        conv = partial(nn.Conv2d, inputs, outputs, 3, bias=False, generator=generator)
        layers.append(conv(padding=padding, dilation=dilation))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU(inplace=True))
        layers += [] if dropout is None else [nn.Dropout2d(dropout, generator=generator)]
    return layers


def conv1x1(inputs: int, outputs: int, generator: Generator) -> nn.Conv2d:
    """A 1×1 convolution: at each place, `outputs` weighted sums of the channels."""
    return nn.Conv2d(inputs, outputs, 1, bias=False, generator=generator)


def separable(widths: Sequence[int], generator: Generator) -> list[nn.Module]:
    """3×3 convolutions in two parts: each channel by itself, then weighted sums at each place.

    From c to d channels that takes 9 c + c d weights instead of 9 c d: the less, the narrower.
    Unpadded, with batch norm and ReLU after the sums. Chollet, "Xception", 2017.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        conv = partial(nn.Conv2d, bias=False, generator=generator)
        layers += [conv(inputs, inputs, 3, groups=inputs), conv(inputs, outputs, 1)]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return layers


def fully_connected(sizes: Sequence[int], generator: Generator) -> list[nn.Module]:
    """Linear layers from size to size with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, generator=generator), nn.ReLU(inplace=True)]
    return layers[:-1]


def stacked(stages: Stages) -> nn.Sequential:
    """A net of named stages, each a layer or a list of them; then the log-probabilities."""
    modules = {
        name: nn.Sequential(*stage) if isinstance(stage, list) else stage
        for name, stage in stages.items()
    }
    return nn.Sequential({**modules, "log_softmax": nn.LogSoftmax(dim=1)})
