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

Of a layer that has no rule here, kernel, stride and padding are measured: the pixels that a place
depends on have a gradient. `measured_field` asks the same of the whole net; where a field lies
inside the image, it agrees with the formula.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.nn.inspect import Shape, noting
from tinytrain.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout2d,
    LogSoftmax,
    MaxPool2d,
    ReLU,
    ReplicationPad2d,
)
from tinytrain.nn.module import Module, Sequential

POINTWISE = (BatchNorm2d, Dropout2d, LogSoftmax, ReLU)


@dataclass(frozen=True)
class Field:
    """What the places of a feature map see of the input, along one axis, in input pixels.

    The map has `size` places; place i sees `field` pixels around `start` + i · `jump`, where 0 is
    the centre of the first pixel. Beyond the image it sees padding. `measured` says that the field
    rests on the measurement of a layer, in the middle of the image and as far as the image goes.
    """

    name: str
    size: int
    jump: int
    start: float
    field: int
    measured: bool = False

    def span(self, place: int, image_size: int) -> tuple[int, int]:
        """First and last pixel, inside the image, that `place` sees."""
        first = self.start + place * self.jump - (self.field - 1) / 2
        return max(int(first), 0), min(int(first) + self.field, image_size) - 1


def receptive_field(net: Module, image_size: int = 28, axis: int = 0) -> list[Field]:
    """A `Field` for each layer of `net` that looks at a window, along `axis` (0 vertical).

    Starts with the image itself and ends with the images, or before a layer that no window
    describes. Raises ValueError where the image does not fit.
    """
    size, jump, start, field, measured = image_size, 1, 0.0, 1, False
    fields = [Field("input", size, jump, start, field)]
    for name, layer, input, output in passed(net, noise(1, input_channels(net), size, size)):
        window = window_of(layer, size, axis)
        if window is None:
            window = measured_window(layer, input.shape, axis)
            if window == (1, 1, 0):
                continue
            measured = True
        if window is None:
            break
        kernel, stride, padding = window
        size = output.shape[2 + axis]
        field += (kernel - 1) * jump
        start += ((kernel - 1) / 2 - padding) * jump
        jump *= stride
        fields.append(Field(name, size, jump, start, field, measured))
    return fields


def measured_field(
    net: Module, name: str, place: int, image_size: int = 28, axis: int = 0
) -> tuple[int, int]:
    """First and last pixel along `axis` that the outputs at `place` of layer `name` depend on.

    Measured on the net in plain form, where no dependence can hide. Raises ValueError where the
    layer has no `Field`.
    """
    images = sliding((input_channels(net), image_size, image_size), axis).requires_grad_()
    for passed_name, _, _, output in passed(net, images):
        if passed_name == name and (pixels := seen(images, output, place, axis)):
            return pixels[0], pixels[-1]
    raise ValueError(f"{name}: not a layer whose receptive field can be measured")


def passed(net: Module, images: Tensor) -> Iterator[tuple[str, Module, Tensor, Tensor]]:
    """Images on their way through a net in plain form: name, layer, what goes in and comes out.

    Layers that look at single places are left out; it ends where there are no images any more.
    """
    for name, layer in in_order(net):
        if type(layer) not in POINTWISE:
            output = noting(name, in_plain_form(layer), [])(images.clone())
            if output.ndim != 4:
                return
            yield name, layer, images, output
            images = output


def in_order(module: Module, name: str = "") -> Iterator[tuple[str, Module]]:
    """The layers of a net one after the other; what is not exactly a `Sequential` is one layer."""
    if type(module) is Sequential:
        for child_name, child in module.named_children():
            yield from in_order(child, f"{name}.{child_name}" if name else child_name)
    else:
        yield name, module


@torch.no_grad()
def in_plain_form(layer: Module) -> Module:
    """A copy in float64 and in evaluation, in which no dependence cancels or hides.

    A convolution gets equal weights and a maximum becomes an average; in a layer without a rule,
    the weights move a little, so that none stays zero.
    """
    if type(layer) is MaxPool2d:
        return AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    layer = copy.deepcopy(layer).to("cpu", torch.float64).eval()
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
        if type(layer) is Conv2d:
            parameter.fill_(1 / layer.weight[0].numel())
        else:
            parameter.add_(noise(*parameter.shape), alpha=0.01)
    return layer


def window_of(layer: Module, size: int, axis: int) -> tuple[int, int, int] | None:
    """Kernel, stride and padding of a layer on `size` places; None for a type without a rule."""
    if type(layer) is AdaptiveAvgPool2d:
        return size, 1, 0
    if type(layer) is ReplicationPad2d:
        return 1, 1, layer.padding
    if type(layer) is Conv2d or type(layer) is MaxPool2d or type(layer) is AvgPool2d:
        return layer.kernel_size[axis], layer.stride[axis], layer.padding[axis]
    return None


def measured_window(layer: Module, shape: Shape, axis: int) -> tuple[int, int, int] | None:
    """Kernel, stride and padding of `layer` alone on images (N, C, H, W), from three places.

    They lie in the middle. Where all of them see everything, the stride is 0. None where one has
    no gradient, or where they do not look at equal distances (after enlarging, say).
    """
    images = sliding(shape[1:], axis).requires_grad_()
    output = in_plain_form(layer)(images.clone())
    size = output.shape[2 + axis]
    middle = (size - 1) // 2
    near = range(max(middle - 1, 0), min(middle + 2, size))
    spans = {place: seen(images, output, place, axis) for place in near}
    if not all(spans.values()):
        return None
    # At the border of the image an edge stands still, so the larger of two steps is the stride.
    steps = {max(b[0] - a[0], b[-1] - a[-1]) for a, b in pairwise(spans.values())} or {1}
    first, last = spans[middle][0], spans[middle][-1]
    kernel, stride = last - first + 1, max(steps)
    if len(steps) > 1 or stride < 0 or (stride == 0 and kernel < shape[2 + axis]):
        return None
    return kernel, stride, middle * stride - first


def seen(images: Tensor, output: Tensor, place: int, axis: int) -> list[int]:
    """The pixels of `images` along `axis` with a gradient from the outputs at `place`."""
    if not output.requires_grad:
        return []
    outputs = output.select(2 + axis, place)
    uneven = 1 + noise(*outputs.shape).abs()
    (gradient,) = torch.autograd.grad(outputs, images, uneven, retain_graph=True)
    return gradient.abs().sum((0, 1, 3 - axis)).nonzero().flatten().tolist()


def sliding(shape: Shape, axis: int) -> Tensor:
    """Noise (N, *shape), in which each row or column has an image where it holds the maxima."""
    size = shape[1 + axis]
    bright = 10 * torch.eye(size, dtype=torch.float64)[:, None, :, None]
    return noise(size, *shape) + bright.transpose(2, 2 + axis)


def noise(*shape: int) -> Tensor:
    """Normal random numbers in float64, the same ones for the same shape."""
    return torch.randn(shape, dtype=torch.float64, generator=streams.generator(0, "field"))


def input_channels(net: Module) -> int:
    """The channels of the images that `net` takes: those of its first convolution, else 1."""
    convs = (layer for layer in net.modules() if isinstance(layer, Conv2d))
    return next((conv.in_channels for conv in convs), 1)
