"""Random nets of all kinds of layers, and layers that a student wrote."""

from __future__ import annotations

import torch
from hypothesis import assume
from hypothesis import strategies as st

from tinytrain import nn

SIZE = 28


class Residual(nn.Module):
    """x + conv(x), in which the convolution counts for nothing at first."""

    def __init__(self, channels):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.strength = torch.zeros(1, requires_grad=True)

    def forward(self, input):
        return input + self.strength * self.conv(input)


class Shared(nn.Module):
    """Runs one layer twice and another not at all."""

    def __init__(self, layer):
        self.layer = self.same = layer
        self.idle = nn.Linear(7, 7)

    def forward(self, input):
        return self.layer(self.layer(input))


class Function(nn.Module):
    """Any function as a layer."""

    def __init__(self, function):
        self.forward = function


@st.composite
def stacks(draw, windows_only: bool = False):
    """A net of random layers in random stages, for images (2, 28, 28)."""
    image, layers = torch.zeros(1, 2, SIZE, SIZE), []
    kinds = ["Conv2d", "MaxPool2d", "AvgPool2d", "ReplicationPad2d"]
    kinds += [] if windows_only else ["BatchNorm2d", "ReLU", "Dropout2d"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7)):
        number, arguments = st.integers(1, 3), []
        if kind == "ReplicationPad2d":
            arguments = [draw(st.integers(0, 3))]
        elif kind == "BatchNorm2d":
            arguments = [image.shape[1]]
        elif kind in ("Conv2d", "MaxPool2d", "AvgPool2d"):
            kernel, stride = draw(st.tuples(number, number)), draw(st.sampled_from([1, 1, 2, 3]))
            padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
            pads = zip(image.shape[2:], kernel, padding, strict=True)
            assume(all(side + 2 * pad >= k for side, k, pad in pads))
            arguments = [image.shape[1], draw(number)] if kind == "Conv2d" else []
            arguments += [kernel, stride, padding]
        layers.append(getattr(nn, kind)(*arguments))
        image = layers[-1].eval()(image)
    if not windows_only and draw(st.booleans()):
        layers += [nn.AdaptiveAvgPool2d(1)] if draw(st.booleans()) else []
        features = nn.Sequential(*layers)(torch.zeros(1, 2, SIZE, SIZE)).flatten(1).shape[1]
        layers += [nn.Flatten(), nn.Linear(features, 3, bias=draw(st.booleans())), nn.LogSoftmax()]
    cut = draw(st.integers(0, len(layers)))
    stages = nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])
    return nn.Sequential(dict(zip(["first", "second"], stages, strict=True)))
