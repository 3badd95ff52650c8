"""From gradients to new weights.

`optimizers` has SGD and Adam, side by side; `schedules` the learning rate by progress (`Constant`,
`StepLR`, `WarmupLinear`); `average` the weights averaged over the steps.
"""

from tinytrain.optim.ema import ExponentialAverage
from tinytrain.optim.optimizers import SGD, Adam, Optimizer
from tinytrain.optim.schedules import Constant, StepLR, WarmupLinear

__all__ = ["SGD", "Adam", "Constant", "ExponentialAverage", "Optimizer", "StepLR", "WarmupLinear"]
