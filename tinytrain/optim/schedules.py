"""Learning-rate schedules: functions from progress to a factor of the learning rate.

Progress is counted in epochs from the start of the run, and may be a fraction: `schedule(2.5)` is
the factor in the middle of the third epoch. A schedule has no state, so resuming needs only the
position in the run: `optimizer.lr = lr * schedule(progress)`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]  # of the epochs done


@dataclass(frozen=True)
class Constant:
    """The rate stays as it is."""

    def __call__(self, epochs: float) -> float:
        return 1.0


@dataclass(frozen=True)
class StepLR:
    """The rate times `gamma` every `step_size` epochs, as torch's own."""

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if self.step_size < 1:
            raise ValueError(f"step_size: expected at least 1, found {self.step_size}")

    def __call__(self, epochs: float) -> float:
        return self.gamma ** (int(epochs) // self.step_size)


@dataclass(frozen=True)
class WarmupLinear:
    """Rise from 0 over the first `warmup` share of `total` epochs, then fall to 0 on a line.

    The rise lets the averages of Adam and of batch norm settle before the rate is high; the fall
    to zero lets the last epochs average out the noise of the batches. Evaluated in the middle of
    every step it is never zero. Smith and Topin, "Super-convergence", 2018.
    """

    total: float
    warmup: float = 0.2

    def __post_init__(self) -> None:
        if not (self.total > 0 and 0 <= self.warmup <= 1):
            raise ValueError(f"expected total > 0 and warmup in [0, 1], found {self}")

    def __call__(self, epochs: float) -> float:
        progress = min(max(epochs / self.total, 0.0), 1.0)
        if progress < self.warmup:
            return progress / self.warmup
        return (1 - progress) / (1 - self.warmup) if self.warmup < 1 else 1.0


@dataclass(frozen=True)
class Cosine(WarmupLinear):
    """Rise from `first` and fall to `last` as `WarmupLinear` does, but in half waves.

    Without a rise, Loshchilov and Hutter, "SGDR", 2017; torch's OneCycleLR rises from 1/25.
    """

    warmup: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def __call__(self, epochs: float) -> float:
        end = self.first if epochs < self.warmup * self.total else self.last
        return end + (1 - end) * (1 - math.cos(math.pi * super().__call__(epochs))) / 2
