"""Optimizers, learning-rate schedules and weight averaging.

`optimizers`: SGD and Adam, side by side; `muon`: Muon; `schedules`: the learning rate by progress;
`ema`: an exponential moving average of the weights.
"""

from tinytrain.optim.ema import ExponentialMovingAverage
from tinytrain.optim.muon import Muon
from tinytrain.optim.optimizers import SGD, Adam, Optimizer
from tinytrain.optim.schedules import Constant, Cosine, StepLR, WarmupLinear

__all__ = ["SGD", "Adam", "ExponentialMovingAverage", "Muon", "Optimizer"]
__all__ += ["Constant", "Cosine", "StepLR", "WarmupLinear"]
