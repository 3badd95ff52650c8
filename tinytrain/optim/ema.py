"""An exponential moving average (EMA) of the weights, which is steadier than the weights.

At a high learning rate the weights keep jumping around a good place without coming to rest there.
Their mean over the last few hundred steps lies closer to it, for one addition a step. Polyak and
Juditsky, "Acceleration of stochastic approximation by averaging", 1992; Izmailov et al.,
"Averaging weights leads to wider optima", 2018.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch

from tinytrain.nn import Module


class ExponentialMovingAverage:
    """Keep `net`, a copy of `source` that holds the average of its weights and statistics.

    At update t, average ← average + w · (source − average) with w = 1 − `decay`. Early on w is
    9 / (10 + t): the initial weights are forgotten at once, not after 1 / (1 − decay) steps.
    Integer tensors (batch norm's count of batches) are copied. Make it after `Module.to`, which
    gives the source new tensors. Raises ValueError for a decay outside [0, 1).
    """

    def __init__(self, source: Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected a value in [0, 1), found {decay}")
        self.decay = decay
        self.steps = 0
        self.net = copy.deepcopy(source).eval()
        averages, values = (
            [*net.parameters(), *(buffer for _, buffer in net.named_buffers())]
            for net in (self.net, source)
        )
        self.pairs = list(zip(averages, values, strict=True))

    def follows(self, net: Module) -> bool:
        """Whether `net` is the source, with the tensors that it had at the start."""
        now = {value.data_ptr() for value in net.state_dict().values()}
        return now == {value.data_ptr() for _, value in self.pairs}

    def next_weight(self) -> float:
        """Count an update, and return its w."""
        self.steps += 1
        return max(1 - self.decay, 9 / (10 + self.steps))

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the present values of the source."""
        weight = self.next_weight()
        for average, value in self.pairs:
            if value.is_floating_point():
                average.lerp_(value, weight)
            else:
                average.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """The state that a later update depends on, besides the source."""
        return {"steps": self.steps, "net": self.net.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a copy of the state that `state_dict` gave."""
        self.net.load_state_dict(state["net"])
        self.steps = state["steps"]
