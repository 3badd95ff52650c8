"""Layers and nets on raw torch functions, with the names and arguments of `torch.nn`.

A layer is a function (`functional` defines it, `fast` arranges it for speed) with the numbers that
it has learned: `layers` has those that look at neighbours or at everything, `norm` the norms,
`activations` what stands between. A `Module` finds the numbers and the layers below it (`module`,
where a layer of one's own is written). `flat` lays all weights of a net end to end, and `inspect`
says what a net computes and costs.
"""

from tinytrain.nn import fast, functional
from tinytrain.nn.activations import (
    GELU,
    Dropout,
    Dropout2d,
    Identity,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from tinytrain.nn.inspect import parameter_count, summary
from tinytrain.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReplicationPad2d,
)
from tinytrain.nn.module import Module, Sequential
from tinytrain.nn.norm import BatchNorm2d, GroupNorm, LayerNorm

__all__ = [
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "GroupNorm",
    "Identity",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "ReLU",
    "ReplicationPad2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "fast",
    "functional",
    "parameter_count",
    "summary",
]
