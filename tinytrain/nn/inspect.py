"""Looking at a net without touching it: what each layer gives, and what it costs.

Shapes follow from kernel, stride and padding alone, so nothing is run and nothing is drawn. Along
each axis a window of `kernel` that moves by `stride` over `size` + 2 · `padding` places fits

    (size + 2·padding − kernel) // stride + 1

times. Dumoulin and Visin, "A guide to convolution arithmetic", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinytrain.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout2d,
    Flatten,
    Linear,
    LogSoftmax,
    MaxPool2d,
    ReLU,
    ReplicationPad2d,
)
from tinytrain.nn.looks import Looks, MeanOfLooks
from tinytrain.nn.module import Module, Sequential

Shape = tuple[int, ...]


def output_shape(layer: Module, shape: Shape) -> Shape:
    """The shape of the layer's output for an input of `shape`, both without the batch axis.

    Raises ValueError where the layer cannot take that shape.
    """
    if isinstance(layer, Sequential):
        for _, child in layer.named_children():
            shape = output_shape(child, shape)
        return shape
    if isinstance(layer, (Conv2d, MaxPool2d, AvgPool2d)):
        channels, *sizes = expect(layer, shape, rank=3)
        if isinstance(layer, Conv2d):
            if channels != layer.in_channels:
                raise ValueError(f"Conv2d: expected {layer.in_channels} channels, got {channels}")
            channels = layer.out_channels
        geometry = zip(sizes, layer.kernel_size, layer.stride, layer.padding, strict=True)
        sizes = [(size + 2 * padding - k) // stride + 1 for size, k, stride, padding in geometry]
        if min(sizes) < 1:
            raise ValueError(
                f"{type(layer).__name__}: the kernel is larger than its input {shape}"
            )
        return (channels, *sizes)
    if isinstance(layer, ReplicationPad2d):
        channels, *sizes = expect(layer, shape, rank=3)
        return (channels, *(size + 2 * layer.padding for size in sizes))
    if isinstance(layer, AdaptiveAvgPool2d):
        return (expect(layer, shape, rank=3)[0], 1, 1)
    if isinstance(layer, Linear):
        if shape[-1] != layer.in_features:
            raise ValueError(f"Linear: expected {layer.in_features} features, got {shape[-1]}")
        return (*shape[:-1], layer.out_features)
    if isinstance(layer, Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
        return (math.prod(shape),)
    if isinstance(layer, BatchNorm2d) and expect(layer, shape, rank=3)[0] != layer.num_features:
        raise ValueError(f"BatchNorm2d: expected {layer.num_features} channels, got {shape[0]}")
    if isinstance(layer, (BatchNorm2d, Dropout2d)):
        return expect(layer, shape, rank=3)
    if isinstance(layer, (ReLU, LogSoftmax, Looks, MeanOfLooks)):
        return shape
    raise ValueError(f"no shape rule for the layer {type(layer).__name__}")


def expect(layer: Module, shape: Shape, rank: int) -> Shape:
    """`shape`, if it has as many axes as `rank`; else ValueError."""
    if len(shape) != rank:
        raise ValueError(f"{type(layer).__name__}: expected {rank} axes, got shape {shape}")
    return shape


@dataclass(frozen=True)
class Row:
    """A module of a net: its place in the tree, and what goes in and out (without batch axis)."""

    name: str
    depth: int
    layer: Module
    input_shape: Shape
    output_shape: Shape


def layer_rows(net: Module, input_shape: Shape = (1, 28, 28)) -> Iterator[Row]:
    """Every module below the sequential `net` in order, a stage before the layers in it."""
    yield from layer_rows_below(net, input_shape, "", 1)


def layer_rows_below(module: Module, shape: Shape, prefix: str, depth: int) -> Iterator[Row]:
    for name, child in module.named_children():
        after = output_shape(child, shape)
        yield Row(f"{prefix}{name}", depth, child, shape, after)
        yield from layer_rows_below(child, shape, f"{prefix}{name}.", depth + 1)
        shape = after


def multiply_adds(row: Row) -> int:
    """Multiplications by a weight of a convolution or linear layer, for one look at one input."""
    if isinstance(row.layer, Conv2d):
        return row.layer.weight.numel() * math.prod(row.output_shape[1:])
    if isinstance(row.layer, Linear):
        return row.layer.weight.numel() * math.prod(row.output_shape[:-1])
    return 0


def parameter_count(module: Module) -> int:
    """How many numbers the module and all below it have learned or will learn."""
    return sum(parameter.numel() for parameter in module.parameters())


def summary(net: Module, input_shape: Shape = (1, 28, 28)) -> str:
    """The table of layers, output shapes and parameters, and the totals.

    Megabytes are 2²⁰ bytes of float32; the pass size is twice (forward and backward) the outputs
    of the layers with parameters. Flattening and log-softmax have no row.
    """
    mega = 4 / 2**20
    table = [
        row
        for row in layer_rows(net, input_shape)
        if not isinstance(row.layer, (Flatten, LogSoftmax))
    ]
    rule = "=" * 90
    lines = [rule, f"{'Layer (type:depth-idx)':<41}{'Output Shape':<26}Param #", rule]
    indices: dict[int, int] = {}
    for row in table:
        index = indices[row.depth] = indices.get(row.depth, 0) + 1
        branch = "├─" if row.depth == 1 else "|    " * (row.depth - 1) + "└─"
        label = f"{branch}{type(row.layer).__name__}: {row.depth}-{index}"
        shape = str([-1, *row.output_shape])
        own = 0 if isinstance(row.layer, Sequential) else parameter_count(row.layer)
        lines.append(f"{label:<41}{shape:<26}{f'{own:,}' if own else '--'}")
    total = parameter_count(net)
    trainable = sum(p.numel() for p in net.parameters() if p.requires_grad)
    leaves = [row for row in table if not isinstance(row.layer, Sequential)]
    outputs = sum(math.prod(row.output_shape) for row in leaves if parameter_count(row.layer))
    input_size = math.prod(input_shape) * mega
    pass_size = 2 * outputs * mega
    parameter_size = total * mega
    return "\n".join(
        [
            *lines,
            rule,
            f"Total params: {total:,}",
            f"Trainable params: {trainable:,}",
            f"Non-trainable params: {total - trainable:,}",
            f"Total mult-adds (M): {sum(map(multiply_adds, leaves)) / 1e6:.2f}",
            rule,
            f"Input size (MB): {input_size:.2f}",
            f"Forward/backward pass size (MB): {pass_size:.2f}",
            f"Params size (MB): {parameter_size:.2f}",
            f"Estimated Total Size (MB): {input_size + pass_size + parameter_size:.2f}",
            rule,
        ]
    )
