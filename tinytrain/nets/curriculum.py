"""The nets of the curriculum, Net1 to Net9_3, and the final net: Net9_3 with a wider view.

All but Net1 are made of one block: a 3×3 convolution without bias, from Net7 on with batch norm
(whose shift does what a bias would), ReLU, from Net8 on dropout of whole channels. Nets up to Net7
have no dropout, and take no rate of it.

The wide view: a digit of MNIST fills a box of 20 × 20 pixels, but a place of Net9_3's last 3×3
convolution sees 18 × 18 of them, and the average over places comes too late to join what they saw.
Dilation spreads the nine weights of that kernel: at dilation 2 a place sees 22 pixels, at 3 it
sees 26, at 4 it sees 30. With as much padding the layers, their shapes, names, parameters and
multiplications stay. Yu and Koltun, "Multi-scale context aggregation by dilated convolutions",
2016.
"""

import itertools
import math
from collections.abc import Sequence
from functools import partial

from tinytrain import nn
from tinytrain.nets.bricks import MNIST, Net, Task, averaged, blocks, conv1x1, stacked
from tinytrain.nn.functional import Generator
from tinytrain.nn.inspect import output_of

# The nets to be had by name.
__all__ = ["net1", "net2", "net3", "net4", "net5", "net6", "net7", "net8", "net9", "net9_3"]
__all__ += ["net9_3_wide2", "net9_3_wide3", "net9_3_wide4", "net9_wide2", "net9_wide3"]


def fully_connected(sizes: Sequence[int], generator: Generator) -> list[nn.Module]:
    """Linear layers from size to size with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, generator=generator), nn.ReLU(inplace=True)]
    return layers[:-1]


def net1(generator: Generator = None, task: Task = MNIST) -> Net:
    """Fully connected, 784-128-64-16-10: 109,946 parameters. Knows nothing of neighbourhood."""
    linear = fully_connected([math.prod(task.shape), 128, 64, 16, task.classes], generator)
    return stacked({"flatten": nn.Flatten(), "linear": linear})


def wide_convolutions(channels: int, generator: Generator) -> list[nn.Module]:
    """The convolutions of Net2 and Net3: (N, 1, 28, 28) to (N, 128, 1, 1)."""
    return [
        *[*blocks([channels, 32], generator, norm=False), nn.MaxPool2d(2)],
        *[*blocks([32, 64], generator, norm=False), nn.MaxPool2d(2)],
        *[*blocks([64, 128], generator, norm=False), nn.AvgPool2d(3)],
    ]


def net2(generator: Generator = None, task: Task = MNIST) -> Net:
    """Convolutions 32-64-128, then linear layers 128-64-32-10: 103,114 parameters."""
    conv = wide_convolutions(task.shape[0], generator)
    flat = output_of(nn.Sequential(*conv), task.shape).numel()  # 128 for MNIST
    linear = fully_connected([flat, 64, 32, task.classes], generator)
    return stacked({"conv": conv, "flatten": nn.Flatten(), "linear": linear})


def net3(generator: Generator = None, task: Task = MNIST) -> Net:
    """Net2 with one 1×1 convolution in place of the linear layers: 93,728 parameters."""
    conv = wide_convolutions(task.shape[0], generator)
    scores = conv1x1(128, task.classes, generator)
    return stacked({"conv": conv, "scores": scores, "flatten": nn.Flatten()})


def squeezed(
    conv1: list[int], trans1: int, conv2: list[int], trans2: int, generator: Generator, task: Task
) -> Net:
    """Net4 and Net5: padded 3×3 convolutions, squeezed by 1×1 and pooled, then 3×3 to 10."""
    conv = partial(blocks, generator=generator, padding=1, norm=False)
    return averaged(
        {
            "conv1": conv([task.shape[0], *conv1]),
            "trans1": [conv1x1(conv1[-1], trans1, generator), nn.MaxPool2d(2)],
            "conv2": conv([trans1, *conv2]),
            "trans2": [conv1x1(conv2[-1], trans2, generator), nn.MaxPool2d(2)],
            "scores": nn.Conv2d(
                trans2, task.classes, 3, padding=1, bias=False, generator=generator
            ),
        }
    )


def net4(generator: Generator = None, task: Task = MNIST) -> Net:
    """3×3 16-32, 1×1 16, pool, 3×3 32-64, 1×1 16, pool, 3×3 10, average: 30,768 parameters."""
    return squeezed([16, 32], 16, [32, 64], 16, generator, task)


def net5(generator: Generator = None, task: Task = MNIST) -> Net:
    """3×3 16-64, 1×1 32, pool, 3×3 128, 1×1 64, pool, 3×3 10, average: 62,224 parameters."""
    return squeezed([16, 64], 32, [128], 64, generator, task)


def lean(
    first: int,
    second: list[int],
    generator: Generator,
    task: Task,
    *,
    norm: bool = True,
    dropout: float | None = None,
    dilation: int = 0,
) -> Net:
    """The skeleton from Net6 on: 3×3 8-`first`, 1×1 10, pool, 3×3 `second`, 1×1 10, average.

    Two 3×3 convolutions see strokes, a 1×1 convolution and a pooling condense them, more 3×3
    convolutions see digits, and the mean over the places that are left decides. `dilation` is
    that of the last 3×3 convolution, and its padding; 0: it has neither.
    """
    conv = partial(blocks, generator=generator, norm=norm, dropout=dropout)
    *narrow, widest = second
    return averaged(
        {
            "conv1": conv([task.shape[0], 8, first]),
            "trans1": [conv1x1(first, 10, generator), nn.MaxPool2d(2)],
            "conv2": conv([10, *narrow])
            + conv([narrow[-1], widest], padding=dilation, dilation=max(dilation, 1)),
            "trans2": [conv1x1(widest, task.classes, generator)],
        }
    )


def net6(generator: Generator = None, task: Task = MNIST) -> Net:
    """The lean skeleton without batch norm: 7,964 parameters."""
    return lean(10, [12, 14, 16, 16], generator, task, norm=False)


def net7(generator: Generator = None, task: Task = MNIST) -> Net:
    """Net6 with batch norm after every 3×3 convolution: 8,116 parameters."""
    return lean(10, [12, 14, 16, 16], generator, task)


def net8(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """Net7 with dropout of channels after every ReLU: 8,116 parameters."""
    return lean(10, [12, 14, 16, 16], generator, task, dropout=dropout)


def nine(
    first: int,
    dilation: int,
    dropout: float = 0.0,
    generator: Generator = None,
    task: Task = MNIST,
) -> Net:
    """Net9 (`first` 10) or Net9_3 (11): one padded 3×3 14→31 in place of two convolutions."""
    return lean(first, [12, 14, 31], generator, task, dropout=dropout, dilation=dilation)


def net9(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """Net8 with one padded 3×3 14→31 in place of its last two convolutions: 7,850 parameters."""
    return nine(10, 1, dropout, generator, task)


def net9_3(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """The curriculum's last net: Net9 with 11 in place of 10 in its second convolution. 7,934."""
    return nine(11, 1, dropout, generator, task)


def net9_3_wide2(dropout: float = 0.0, generator: Generator = None, task: Task = MNIST) -> Net:
    """The final net: Net9_3, dilation 2. 7,934 parameters."""
    return nine(11, 2, dropout, generator, task)


# Other dilations, to compare with; the parameters are as many.
net9_wide2 = partial(nine, 10, 2)
net9_wide3 = partial(nine, 10, 3)
net9_3_wide3 = partial(nine, 11, 3)
net9_3_wide4 = partial(nine, 11, 4)
