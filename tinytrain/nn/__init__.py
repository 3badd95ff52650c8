"""Layers and nets on raw torch functions, with the names and arguments of `torch.nn`.

A layer is a function (`functional` defines it, `fast` arranges it for speed) with the numbers that
it has learned (`layers`); a `Module` finds the numbers and the layers below it (`module`). `flat`
lays all weights of a net end to end, and `inspect` says what a net computes and costs.
"""

from tinytrain.nn import fast, functional
from tinytrain.nn.inspect import parameter_count, summary
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
from tinytrain.nn.module import Module, Sequential

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout2d",
    "Flatten",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "ReLU",
    "ReplicationPad2d",
    "Sequential",
    "fast",
    "functional",
    "parameter_count",
    "summary",
]
