"""Building blocks of nets: layers that are always used together.

Nearly every net is made of 3×3 convolutions, each followed by batch norm, ReLU and dropout;
`blocks` puts them in a row. Initial weights are drawn from `generator`.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from tinytrain import nn
from tinytrain.nn.functional import Generator

Net = nn.Sequential
Stages = Mapping[str, nn.Module | list[nn.Module]]


class Task(NamedTuple):
    """The classes that a net tells apart, and the shape (C, H, W) of its images."""

    classes: int = 10
    shape: tuple[int, ...] = (1, 28, 28)


MNIST = Task()


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


def stacked(stages: Stages) -> Net:
    """A net of named stages, each a layer or a list of them; then the log-probabilities."""
    modules = {
        name: nn.Sequential(*stage) if isinstance(stage, list) else stage
        for name, stage in stages.items()
    }
    return Net({**modules, "log_softmax": nn.LogSoftmax(dim=1)})


def averaged(stages: Stages) -> Net:
    """`stacked`, with the mean of each channel over all places as its score."""
    return stacked({**stages, "gap": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()})
