"""Layers and nets on raw torch functions, with the names and arguments of `torch.nn`.

`functional`: the layers as functions; `fast`: two of them arranged for a CPU; `layers`, `norm`,
`activations`: the same as modules with weights; `module`: the base class, where a layer of one's
own is explained; `inspect`: the shapes and parameters of a net's layers.
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
from tinytrain.nn.inspect import parameter_count
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
]
