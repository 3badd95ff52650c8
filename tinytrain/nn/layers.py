"""Linear and convolutional layers, padding, pooling, flattening.

Arguments, defaults, initial weights and meanings are those of the `torch.nn` layer of the same
name, here and in `norm` and `activations`; a layer keeps its arguments under their names. A layer
that draws random numbers takes a `generator` for initial weights or dropout masks; None means
torch's own, as in torch. The functions are in `functional`; convolution and batch norm use
`fast`, which computes the same.
"""

import math

import torch
from torch import Tensor

from tinytrain.nn import fast, functional
from tinytrain.nn.functional import Generator, Size, pair
from tinytrain.nn.module import Module


def uniform(shape: tuple[int, ...], fan_in: int, generator: Generator) -> Tensor:
    """A new parameter, uniform in ±1/√fan_in, where `fan_in` is the inputs of one output.

    That is torch's default for weights and biases (He et al., 2015, with a = √5): the variance of
    an output does not grow with the number of its inputs.
    """
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return torch.empty(shape).uniform_(-bound, bound, generator=generator).requires_grad_()


class Linear(Module):
    """y = x Wᵀ + b: (..., in_features) to (..., out_features)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: Generator = None,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = uniform((out_features, in_features), in_features, generator)
        self.bias = uniform((out_features,), in_features, generator) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.weight, self.bias)


class Conv2d(Module):
    """(N, in_channels, H, W) to (N, out_channels, H', W'); see `functional.conv2d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        generator: Generator = None,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups: {groups} must divide {in_channels} and {out_channels}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])
        self.weight = uniform(shape, fan_in, generator)
        self.bias = uniform((out_channels,), fan_in, generator) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        return fast.conv2d(input, self.weight, self.bias, *geometry)


class ReplicationPad2d(Module):
    """Repeat the border: (N, C, H, W) to (N, C, H + 2·padding, W + 2·padding), `padding` an int.

    In normalised images zeros would be grey; a repeated border is background.
    """

    def __init__(self, padding: int) -> None:
        if not isinstance(padding, int):
            raise ValueError(f"ReplicationPad2d: expected one padding, found {padding}")
        self.padding = padding

    def forward(self, input: Tensor) -> Tensor:
        return functional.replication_pad2d(input, self.padding)


class Pool2d(Module):
    """The base of both poolings; `stride` is `kernel_size` unless it is given."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding


class MaxPool2d(Pool2d):
    """The maximum of every window: (N, C, H, W) to (N, C, H', W')."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.max_pool2d(input, self.kernel_size, self.stride, self.padding)


class AvgPool2d(Pool2d):
    """The mean of every window: (N, C, H, W) to (N, C, H', W')."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool2d(input, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """The mean of every channel: (N, C, H, W) to (N, C, 1, 1). `output_size` must be 1."""

    def __init__(self, output_size: Size) -> None:
        if pair(output_size) != (1, 1):
            raise ValueError(f"AdaptiveAvgPool2d: expected output size 1, found {output_size}")
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(input)


class Flatten(Module):
    """(N, C, H, W) to (N, C·H·W): the axes from `start_dim` to `end_dim` become one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)
