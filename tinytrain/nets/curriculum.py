"""The nets of the curriculum, each as a function that builds it.

All but Net1 are made of one brick: a 3×3 convolution without bias, from Net7 on with batch norm
(whose shift does what a bias would), ReLU, from Net8 on dropout of whole channels. Nets up to Net7
have no dropout, and take no rate of it.
"""

from __future__ import annotations

from tinytrain import nn
from tinytrain.nets.bricks import (
    Generator,
    blocks,
    conv1x1,
    fully_connected,
    with_log_probabilities,
)


def net1(generator: Generator = None) -> nn.Sequential:
    """Fully connected, 784-128-64-16-10: 109,946 parameters. Knows nothing of neighbourhood."""
    linear = fully_connected([784, 128, 64, 16, 10], generator)
    stages = {"flatten": nn.Flatten(), "linear": nn.Sequential(*linear)}
    return nn.Sequential({**stages, "log_softmax": nn.LogSoftmax()})


def wide_convolutions(generator: Generator) -> nn.Sequential:
    """What Net2 and Net3 share: (N, 1, 28, 28) to (N, 128, 1, 1)."""
    return nn.Sequential(
        *[*blocks([1, 32], generator, norm=False), nn.MaxPool2d(2)],
        *[*blocks([32, 64], generator, norm=False), nn.MaxPool2d(2)],
        *[*blocks([64, 128], generator, norm=False), nn.AvgPool2d(3)],
    )


def net2(generator: Generator = None) -> nn.Sequential:
    """Convolutions 32-64-128, then linear layers 128-64-32-10: 103,114 parameters."""
    conv = wide_convolutions(generator)
    linear = nn.Sequential(*fully_connected([128, 64, 32, 10], generator))
    stages = {"conv": conv, "flatten": nn.Flatten(), "linear": linear}
    return nn.Sequential({**stages, "log_softmax": nn.LogSoftmax()})


def net3(generator: Generator = None) -> nn.Sequential:
    """Net2 with one 1×1 convolution in place of the linear layers: 93,728 parameters."""
    conv = wide_convolutions(generator)
    return with_log_probabilities({"conv": conv, "scores": conv1x1(128, 10, generator)})


def squeezed(widths: list[list[int]], squeezes: list[int], generator: Generator) -> nn.Sequential:
    """Net4 and Net5: padded 3×3 convolutions, squeezed by 1×1 and pooled, then 3×3 to 10."""
    stages: dict[str, nn.Module] = {}
    channels = 1
    for number, (stage, squeeze) in enumerate(zip(widths, squeezes, strict=True), 1):
        conv = blocks([channels, *stage], generator, padding=1, norm=False)
        stages[f"conv{number}"] = nn.Sequential(*conv)
        trans = conv1x1(stage[-1], squeeze, generator)
        stages[f"trans{number}"] = nn.Sequential(trans, nn.MaxPool2d(2))
        channels = squeeze
    stages["scores"] = nn.Conv2d(channels, 10, 3, padding=1, bias=False, generator=generator)
    return with_log_probabilities({**stages, "gap": nn.AdaptiveAvgPool2d(1)})


def net4(generator: Generator = None) -> nn.Sequential:
    """3×3 16-32, 1×1 16, pool, 3×3 32-64, 1×1 16, pool, 3×3 10, average: 30,768 parameters."""
    return squeezed([[16, 32], [32, 64]], [16, 16], generator)


def net5(generator: Generator = None) -> nn.Sequential:
    """3×3 16-64, 1×1 32, pool, 3×3 128, 1×1 64, pool, 3×3 10, average: 62,224 parameters."""
    return squeezed([[16, 64], [128]], [32, 64], generator)


def lean(
    first: int,
    second: list[int],
    generator: Generator,
    *,
    norm: bool = True,
    dropout: float | None = None,
    last_padding: int = 0,
) -> nn.Sequential:
    """The skeleton from Net6 on: 3×3 8-`first`, 1×1 10, pool, 3×3 `second`, 1×1 10, average.

    Two 3×3 convolutions see strokes, a 1×1 convolution and a pooling condense them, more 3×3
    convolutions see digits, and the mean over the places that are left decides.
    """
    conv1 = blocks([1, 8, first], generator, norm=norm, dropout=dropout)
    trans1 = [conv1x1(first, 10, generator), nn.MaxPool2d(2)]
    *narrow, widest = second
    conv2 = blocks([10, *narrow], generator, norm=norm, dropout=dropout)
    conv2 += blocks(
        [narrow[-1], widest], generator, padding=last_padding, norm=norm, dropout=dropout
    )
    return with_log_probabilities(
        {
            "conv1": nn.Sequential(*conv1),
            "trans1": nn.Sequential(*trans1),
            "conv2": nn.Sequential(*conv2),
            "trans2": nn.Sequential(conv1x1(widest, 10, generator)),
            "gap": nn.AdaptiveAvgPool2d(1),
        }
    )


def net6(generator: Generator = None) -> nn.Sequential:
    """The lean skeleton without batch norm: 7,964 parameters."""
    return lean(10, [12, 14, 16, 16], generator, norm=False)


def net7(generator: Generator = None) -> nn.Sequential:
    """Net6 with batch norm after every 3×3 convolution: 8,116 parameters."""
    return lean(10, [12, 14, 16, 16], generator)


def net8(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net7 with dropout of channels after every ReLU: 8,116 parameters."""
    return lean(10, [12, 14, 16, 16], generator, dropout=dropout)


def net9(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """Net8 with one padded 3×3 14→31 in place of its last two convolutions: 7,850 parameters."""
    return lean(10, [12, 14, 31], generator, dropout=dropout, last_padding=1)


def net9_3(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """The final net: Net9 with 11 channels in place of 10 before the pooling. 7,934 parameters."""
    return lean(11, [12, 14, 31], generator, dropout=dropout, last_padding=1)
