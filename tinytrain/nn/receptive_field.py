"""Receptive fields of the layers of a net, by formula and measured by gradient.

Three numbers describe the receptive fields of all places of a map: the distance between those of
two neighbours (jump), the centre of the first (start), and the width (field). A layer with a
window changes them:

    field ← field + (kernel − 1) · jump
    start ← start + ((kernel − 1) / 2 − padding) · jump
    jump  ← jump · stride

Dumoulin and Visin, "A guide to convolution arithmetic", 2016; Araujo et al., "Computing receptive
fields of convolutional neural networks", 2019.

Measured: the pixels that a place depends on have a gradient. That gives the window of a layer that
has no rule here, and in `measured_field` the receptive field in the whole net; inside the image
the two agree.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tinytrain import nn, streams
from tinytrain.nn import Module, Sequential
from tinytrain.nn.functional import pair
from tinytrain.nn.inspect import noting

POINTWISE = (
    *(nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity, nn.LogSoftmax),
    *(nn.GELU, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Tanh),
)
Window = tuple[int, int, int]  # kernel, stride, padding
Step = tuple[str, Module, Tensor, Tensor]  # name of a layer, plain form, what goes in, comes out


@dataclass(frozen=True)
class Field:
    """The receptive fields of a feature map along one axis, in input pixels.

    The map has `size` places; place i sees `field` pixels around `start` + i · `jump`, where 0 is
    the centre of the first pixel. `measured`: a layer on the way has no rule.
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
    """A `Field` for the image and each layer that looks at a window, along `axis` (0 vertical).

    Ends with the images, or before a layer that no window describes. Raises ValueError where the
    image does not fit.
    """
    fields = [Field("input", image_size, 1, 0.0, 1)]
    for name, layer, input, output in passed(net, sliding(net, image_size, axis)):
        rule = window_by_rule(layer, axis)
        window = rule or measured_window(input, output, axis)
        if window is None:
            break
        if rule or window != (1, 1, 0):
            kernel, stride, padding = window
            last, size = fields[-1], output.shape[2 + axis]
            start = last.start + ((kernel - 1) / 2 - padding) * last.jump
            field = last.field + (kernel - 1) * last.jump
            measured = last.measured or not rule
            fields.append(Field(name, size, last.jump * stride, start, field, measured))
    return fields


def measured_field(
    net: Module, name: str, place: int, image_size: int = 28, axis: int = 0
) -> tuple[int, int]:
    """First and last pixel that `place` of layer `name` depends on; without any, ValueError."""
    images = sliding(net, image_size, axis)
    for passed_name, _, _, output in passed(net, images):
        if passed_name == name and (pixels := seen(images, output, place, axis)):
            return pixels[0], pixels[-1]
    raise ValueError(f"{name}: not a layer whose receptive field can be measured")


def passed(module: Module, images: Tensor, name: str = "") -> Generator[Step, None, Tensor]:
    """(name, layer, input, output) of each layer that may look at more than its own place.

    The layer is in plain form; it takes `input` (N, C, H, W) and gives `output`. What is
    not exactly a `Sequential` is one layer. Ends where there are no images any more.
    """
    if type(module) is Sequential:
        for child_name, child in module.named_children():
            full_name = f"{name}.{child_name}" if name else child_name
            images = yield from passed(child, images, full_name)
    elif images.ndim == 4 and type(module) not in POINTWISE:
        layer = in_plain_form(module, images)
        output = noting(name, layer, [])(images.clone())
        if output.ndim == 4:
            yield name, layer, images, output
        return output
    return images


def in_plain_form(layer: Module, images: Tensor) -> Module:
    """A copy in float64 in which no dependence hides: averages for maxima, no weight is zero."""
    if type(layer) is nn.MaxPool2d:
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    if type(layer) is nn.AdaptiveAvgPool2d:
        return nn.AvgPool2d((images.shape[2], images.shape[3]), stride=1)
    layer = copy.deepcopy(layer).to("cpu", torch.float64).eval()
    for parameter in layer.parameters():
        parameter.requires_grad_(False).add_(noise(*parameter.shape), alpha=0.01)
    return layer


def window_by_rule(layer: Module, axis: int) -> Window | None:
    """(kernel, stride, padding) of a layer along `axis`, dilation in the kernel; or None.

    None is for a type of layer that has no rule here.
    """
    if type(layer) is nn.ReplicationPad2d:
        return 1, 1, layer.padding
    if type(layer) is nn.Conv2d:
        reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
        return reach, layer.stride[axis], layer.padding[axis]
    if type(layer) is nn.AvgPool2d:
        kernel, stride, padding = map(pair, (layer.kernel_size, layer.stride, layer.padding))
        return kernel[axis], stride[axis], padding[axis]
    return None


def measured_window(input: Tensor, output: Tensor, axis: int) -> Window | None:
    """The window of three places in the middle; None where they look at unequal distances."""
    middle = (output.shape[2 + axis] - 1) // 2
    near = range(max(middle - 1, 0), min(middle + 2, output.shape[2 + axis]))
    spans = [seen(input, output, place, axis) for place in near]
    if not all(spans):
        return None
    # At the border of the image an edge stands still, so the larger of two steps is the stride.
    steps = {max(b[0] - a[0], b[-1] - a[-1]) for a, b in pairwise(spans)} or {1}
    if len(steps) > 1 or min(steps) < 1:
        return None
    stride, pixels = min(steps), spans[near.index(middle)]
    return pixels[-1] - pixels[0] + 1, stride, middle * stride - pixels[0]


def seen(images: Tensor, output: Tensor, place: int, axis: int) -> list[int]:
    """The pixels of `images` along `axis` with a gradient from the outputs at `place`."""
    outputs = output.select(2 + axis, place)
    if not outputs.requires_grad:
        return []
    (gradient,) = torch.autograd.grad(outputs, images, noise(*outputs.shape), retain_graph=True)
    return gradient.abs().sum((0, 1, 3 - axis)).nonzero().flatten().tolist()


def sliding(net: Module, size: int, axis: int) -> Tensor:
    """Noise images, one a row or column; in image i that row or column is the brightest."""
    channels = [conv.in_channels for conv in net.modules() if isinstance(conv, nn.Conv2d)]
    images = noise(size, channels[0] if channels else 1, size, size)
    images.diagonal(dim1=0, dim2=2 + axis).add_(10)
    return images.requires_grad_()


def noise(*shape: int) -> Tensor:
    """Normal random numbers in float64, the same ones for the same shape."""
    return torch.randn(shape, dtype=torch.float64, generator=streams.generator(0, "field"))
