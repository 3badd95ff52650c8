"""Nets beyond the curriculum, which use each parameter more often.

Parameters are limited, arithmetic is not: a net that pools later has more convolutions on large
maps. A frame around the image, in place of padding in every layer, spares the kernels the zeros
of the padding.
"""

from functools import partial

from tinytrain import nn
from tinytrain.nets.bricks import MNIST, Net, Task, averaged, blocks, conv1x1, separable
from tinytrain.nn.functional import Generator

# The nets to be had by name.
__all__ = ["framed2791", "framed7500", "late7500"]
__all__ += ["net9_3_dense", "separable695", "separable942", "separable1494", "separable1908"]


def pooled_late(
    widths: list[list[int]], dropout: float, generator: Generator, task: Task, *, frame: int = 0
) -> Net:
    """Three stages of blocks with a pooling between two; a 1×1 convolution, and the average.

    The blocks are padded; or the image gets a frame of so many pixels, which repeats its border.
    """
    first, second, third = widths
    conv = partial(blocks, generator=generator, padding=0 if frame else 1, dropout=dropout)
    return averaged(
        {
            **({"frame": nn.ReplicationPad2d(frame)} if frame else {}),
            "conv1": conv([task.shape[0], *first]),
            "pool1": nn.MaxPool2d(2),
            "conv2": conv([first[-1], *second]),
            "pool2": nn.MaxPool2d(2),
            "conv3": conv([second[-1], *third]),
            "scores": conv1x1(third[-1], task.classes, generator),
        }
    )


def separable_in_frame(widths: list[list[int]], generator: Generator, task: Task) -> Net:
    """Three stages, pooled in between, framed: a convolution, then separable ones only."""
    first, second, third = widths
    return averaged(
        {
            "frame": nn.ReplicationPad2d(6),
            "conv1": blocks([task.shape[0], first[0]], generator) + separable(first, generator),
            "pool1": nn.MaxPool2d(2),
            "conv2": separable([first[-1], *second], generator),
            "pool2": nn.MaxPool2d(2),
            "conv3": separable([second[-1], *third], generator),
            "scores": conv1x1(third[-1], task.classes, generator),
        }
    )


def separable1908(generator: Generator = None, task: Task = MNIST) -> Net:
    """8-12, pool, 14-14, pool, 16-16: 1,908 parameters."""
    return separable_in_frame([[8, 12], [14, 14], [16, 16]], generator, task)


def separable1494(generator: Generator = None, task: Task = MNIST) -> Net:
    """8-10, pool, 11-12, pool, 13-14: 1,494 parameters."""
    return separable_in_frame([[8, 10], [11, 12], [13, 14]], generator, task)


def separable942(generator: Generator = None, task: Task = MNIST) -> Net:
    """5-8, pool, 8-8, pool, 10-10: 942 parameters."""
    return separable_in_frame([[5, 8], [8, 8], [10, 10]], generator, task)


def separable695(generator: Generator = None, task: Task = MNIST) -> Net:
    """4-6, pool, 6-7, pool, 8-8: 695 parameters."""
    return separable_in_frame([[4, 6], [6, 7], [8, 8]], generator, task)


def late7500(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """10-11, pool, 12-13, pool, 14-15: 7,500 parameters, each used at more places."""
    return pooled_late([[10, 11], [12, 13], [14, 15]], dropout, generator, task)


def framed7500(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """late7500 with a frame of 6 pixels in place of padding: 7,500 parameters."""
    return pooled_late([[10, 11], [12, 13], [14, 15]], dropout, generator, task, frame=6)


def net9_3_dense(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """The final net with pooling at stride 1 and dilations 2, 2 and 4 behind it: 7,934 parameters.

    Pooling at stride 2 keeps one place of four, by an accident of where the digit lies. Here all
    are kept, and with twice the dilation every kernel sees what it saw before: the final net at
    all four phases of its pooling, averaged. "À trous" convolutions: Holschneider et al., 1989.
    """
    conv = partial(blocks, generator=generator, dropout=dropout)
    return averaged(
        {
            "conv1": conv([task.shape[0], 8, 11]),
            "trans1": [conv1x1(11, 10, generator), nn.MaxPool2d(2, stride=1)],
            "conv2": conv([10, 12, 14], dilation=2) + conv([14, 31], padding=4, dilation=4),
            "trans2": [conv1x1(31, task.classes, generator)],
        }
    )


def framed2791(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """5-7, pool, 7-8, pool, 8-10, framed like framed7500: 2,791 parameters. How few are enough?"""
    return pooled_late([[5, 7], [7, 8], [8, 10]], dropout, generator, task, frame=6)
