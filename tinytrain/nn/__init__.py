"""Layers and nets on raw torch functions, with the names and arguments of `torch.nn`."""

from tinytrain.nn import functional
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

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout2d",
    "Flatten",
    "Linear",
    "LogSoftmax",
    "Looks",
    "MaxPool2d",
    "MeanOfLooks",
    "Module",
    "ReLU",
    "ReplicationPad2d",
    "Sequential",
    "functional",
]
