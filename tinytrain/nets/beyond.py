"""Nets beyond the curriculum: parameters are what is scarce there, arithmetic is not.

So use each parameter more often: a net that pools later has more convolutions that work on large
images. A frame around the image, in place of padding in every layer, spares the kernels the zeros
that padding puts beside what they see.
"""

from __future__ import annotations

from tinytrain import nn
from tinytrain.nets.bricks import Generator, blocks, conv1x1, with_log_probabilities


def framed(pixels: int, net: nn.Sequential) -> nn.Sequential:
    """The same net on an image with a frame of `pixels` around it, which repeats the border."""
    return nn.Sequential({"frame": nn.ReplicationPad2d(pixels), **dict(net.named_children())})


def pooled_late(
    widths: list[list[int]], dropout: float, generator: Generator, *, padding: int = 1
) -> nn.Sequential:
    """Stages of blocks with a pooling between two; a 1×1 convolution, and the average.

    With a padding of 1 the images stay as large as they are up to the next pooling.
    """
    stages: dict[str, nn.Module] = {}
    channels = 1
    for number, stage in enumerate(widths, 1):
        conv = blocks([channels, *stage], generator, padding=padding, dropout=dropout)
        stages[f"conv{number}"] = nn.Sequential(*conv)
        channels = stage[-1]
        if number < len(widths):
            stages[f"pool{number}"] = nn.MaxPool2d(2)
    stages["scores"] = conv1x1(channels, 10, generator)
    return with_log_probabilities({**stages, "gap": nn.AdaptiveAvgPool2d(1)})


def late7500(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """10-11, pool, 12-13, pool, 14-15: 7,500 parameters, each used at more places."""
    return pooled_late([[10, 11], [12, 13], [14, 15]], dropout, generator)


def framed7500(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """late7500 with a frame of 6 pixels in place of padding: 7,500 parameters."""
    widths = [[10, 11], [12, 13], [14, 15]]
    return framed(6, pooled_late(widths, dropout, generator, padding=0))


def framed2791(dropout: float = 0.0, generator: Generator = None) -> nn.Sequential:
    """5-7, pool, 7-8, pool, 8-10, framed like framed7500: 2,791 parameters. How few are enough?"""
    widths = [[5, 7], [7, 8], [8, 10]]
    return framed(6, pooled_late(widths, dropout, generator, padding=0))
