"""What one place of a feature map sees of the image, by formula and by experiment.

Going through the layers, three numbers say what one place of a feature map sees of the input: how
far apart two neighbouring places look (jump), where the first one looks (start), and how wide
(receptive field):

    size  ← (size + 2·padding − kernel) // stride + 1
    field ← field + (kernel − 1) · jump
    start ← start + ((kernel − 1) / 2 − padding) · jump
    jump  ← jump · stride

Dumoulin and Visin, "A guide to convolution arithmetic", 2016; Araujo et al., "Computing receptive
fields of convolutional neural networks", 2019.

`measured_field` asks the gradient instead; where a field lies inside the image, the two agree.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from tinytrain.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReplicationPad2d,
)
from tinytrain.nn.module import Module


@dataclass(frozen=True)
class Field:
    """What the places of a feature map see of the input, along one axis, in input pixels.

    The map has `size` places; place i sees `field` pixels around `start` + i · `jump`, where 0 is
    the centre of the first pixel. Beyond the image it sees padding.
    """

    name: str
    size: int
    jump: int
    start: float
    field: int

    def span(self, place: int, image_size: int) -> tuple[int, int]:
        """First and last pixel, inside the image, that `place` sees."""
        first = self.start + place * self.jump - (self.field - 1) / 2
        return max(int(first), 0), min(int(first) + self.field, image_size) - 1


def receptive_field(net: Module, image_size: int = 28, axis: int = 0) -> list[Field]:
    """A `Field` for each layer of `net` that looks at a window, along `axis` (0 vertical).

    Starts with the image itself and ends at the first layer that flattens.
    """
    size, jump, start, field = image_size, 1, 0.0, 1
    fields = [Field("input", size, jump, start, field)]
    for name, layer in net.named_modules():
        if isinstance(layer, (Flatten, Linear)):
            break
        if isinstance(layer, AdaptiveAvgPool2d):
            kernel, stride, padding = size, 1, 0
        elif isinstance(layer, ReplicationPad2d):
            kernel, stride, padding = 1, 1, layer.padding
        elif isinstance(layer, (Conv2d, MaxPool2d, AvgPool2d)):
            kernel, stride, padding = (
                layer.kernel_size[axis],
                layer.stride[axis],
                layer.padding[axis],
            )
        else:
            continue
        size = (size + 2 * padding - kernel) // stride + 1
        field += (kernel - 1) * jump
        start += ((kernel - 1) / 2 - padding) * jump
        jump *= stride
        fields.append(Field(name, size, jump, start, field))
    return fields


def measured_field(
    net: Module, name: str, place: int, image_size: int = 28, axis: int = 0
) -> tuple[int, int]:
    """First and last pixel along `axis` that one output at `place` of layer `name` depends on.

    Measured on a copy of the net with positive weights, no normalisation and averages in place of
    maxima, so that no dependence can cancel or hide: the pixels with a gradient.
    """
    image = torch.ones(1, input_channels(net), image_size, image_size, dtype=torch.float64)
    image.requires_grad_()
    output = image
    for layer_name, layer in net.named_modules():
        if isinstance(layer, Conv2d):
            layer = copy.deepcopy(layer).to(torch.float64)
            with torch.no_grad():
                layer.weight.fill_(1)
        elif isinstance(layer, MaxPool2d):
            layer = AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
        elif not isinstance(layer, (AvgPool2d, AdaptiveAvgPool2d, ReplicationPad2d)):
            continue
        output = layer(output)
        if layer_name == name:
            break
    middle = output.shape[3 - axis] // 2
    places = output[0, 0, place, middle] if axis == 0 else output[0, 0, middle, place]
    (gradient,) = torch.autograd.grad(places, image)
    seen = gradient[0].abs().sum((0, 2 - axis)).nonzero().flatten()
    return int(seen[0]), int(seen[-1])


def input_channels(net: Module) -> int:
    """The channels of the images that `net` takes: those of its first convolution, else 1."""
    convs = (layer for layer in net.modules() if isinstance(layer, Conv2d))
    return next((conv.in_channels for conv in convs), 1)
