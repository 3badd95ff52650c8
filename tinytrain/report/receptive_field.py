"""Receptive fields: the pixels of the image that a place of a feature map depends on.

Three numbers describe the receptive fields of all places of a map: the distance between those of
two neighbours (jump), the centre of the first (start), and the width (field). `next_field` says
how a layer with a window changes them. Dumoulin and Visin, "A guide to convolution arithmetic",
2016; Araujo et al., "Computing receptive fields of convolutional neural networks", 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinytrain.nn import activations, layers, norm
from tinytrain.nn.functional import pair
from tinytrain.nn.inspect import Row, Shape, layer_rows
from tinytrain.nn.module import Module, Sequential

POINTWISE = (
    *(norm.BatchNorm2d, activations.Dropout, activations.Dropout2d, activations.Identity),
    *(activations.GELU, activations.ReLU, activations.SiLU),
    *(activations.Sigmoid, activations.Tanh, activations.LogSoftmax),
)


@dataclass(frozen=True)
class Field:
    """The receptive fields of a feature map along one axis, in pixels of the image.

    The map has `size` places; place i sees `field` pixels around `start` + i · `jump`, where 0 is
    the centre of the first pixel.
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


def next_field(
    before: Field, name: str, size: int, kernel: int, stride: int, padding: int
) -> Field:
    """The field of a layer that looks at `before` through a window, and has `size` places."""
    field = before.field + (kernel - 1) * before.jump
    start = before.start + ((kernel - 1) / 2 - padding) * before.jump
    return Field(name, size, before.jump * stride, start, field)


def receptive_field(net: Module, input_shape: Shape = (1, 28, 28), axis: int = 0) -> list[Field]:
    """A `Field` for the image (C, H, W) and each layer with a window; along `axis` 0, down, or 1.

    Ends where a layer gives no map any more, or its window is unknown. Raises ValueError where the
    image does not fit.
    """
    fields = [Field("input", input_shape[1 + axis], 1, 0.0, 1)]
    for row, found in windows(net, input_shape, axis):
        if found is None:
            break
        if type(row.layer) not in POINTWISE:
            fields.append(next_field(fields[-1], row.name, row.output_shape[1 + axis], *found))
    return fields


def windows(
    net: Module, input_shape: Shape, axis: int
) -> Iterator[tuple[Row, tuple[int, int, int] | None]]:
    """Each layer that gives a map, with its window, in nested `Sequential`s of the net.

    Another module, such as a block of one's own, counts as one layer, whose window is unknown.
    """
    followed = {""} if type(net) is Sequential else set()
    for row in layer_rows(net, input_shape):
        if row.name.rpartition(".")[0] not in followed:
            continue
        if type(row.layer) is Sequential:
            followed.add(row.name)
        elif len(row.output_shape) == 3:
            yield row, window(row, axis)
        else:
            return


def window(row: Row, axis: int) -> tuple[int, int, int] | None:
    """(kernel, stride, padding) of a layer, dilation in the kernel; None if unknown."""
    layer: Any = row.layer
    if type(layer) in POINTWISE:
        return 1, 1, 0
    if type(layer) is layers.ReplicationPad2d:
        return 1, 1, layer.padding
    if type(layer) is layers.AdaptiveAvgPool2d:
        return row.input_shape[1 + axis], 1, 0
    if type(layer) not in (layers.Conv2d, layers.MaxPool2d, layers.AvgPool2d):
        return None
    sizes = layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1)
    kernel, stride, padding, dilation = (pair(size)[axis] for size in sizes)
    return dilation * (kernel - 1) + 1, stride, padding
