"""Optimizers, schedules of the learning rate and the averaging of weights."""

from tinytrain.optim.average import ExponentialAverage
from tinytrain.optim.optimizers import SGD, Adam
from tinytrain.optim.schedules import Constant, StepLR, WarmupLinear

__all__ = ["SGD", "Adam", "Constant", "ExponentialAverage", "StepLR", "WarmupLinear"]
