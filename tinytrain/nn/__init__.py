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

__all__ = ["Module", "Sequential", "fast", "functional", "parameter_count"]
__all__ += ["AdaptiveAvgPool2d", "AvgPool2d", "Conv2d", "Flatten", "Linear", "MaxPool2d"]
__all__ += ["BatchNorm2d", "GroupNorm", "LayerNorm", "ReplicationPad2d"]
__all__ += ["GELU", "Dropout", "Dropout2d", "Identity", "LogSoftmax", "ReLU", "SiLU", "Sigmoid"]
__all__ += ["Softmax", "Tanh"]
