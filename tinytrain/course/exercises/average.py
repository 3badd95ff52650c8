"""The average of the weights.

At a high learning rate the weights jump about a good place without coming to rest there. Their
mean over the last few hundred steps lies closer to it, for one addition a step. In the final
recipe, nothing that is left out costs more.

1. self.pairs has (average, value) for each weight and each statistic. Count the step first:
   self.steps.
2. average ← average + w · (value − average), in place: average.lerp_(value, w), with w = 1 −
   decay. A count of batches, which is not a floating-point number, is copied.
3. In the first steps w is larger, so that the start is forgotten: the larger of 1 − decay and 9 /
   (10 + steps).
"""

import torch

from tinytrain import nn, optim
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned

shipped = optim.ExponentialMovingAverage
method = "update"
rungs = ("averaged",)


def draw_arguments(draw: Draw) -> Arguments:
    """The values of the weights after each step, and the decay."""
    return {"values": draw.normal(4), "decay": draw.one_of(0.0, 0.2, 0.9)}


def observe(average_class: Learned, arguments: Arguments) -> Facts:
    """The averages after each step, and the count of batches."""
    source = nn.BatchNorm2d(1)
    source.to(torch.float64)
    average = average_class(source, arguments["decay"])
    facts: Facts = {}
    for step, value in enumerate(arguments["values"].tolist(), 1):
        state = source.state_dict().items()
        source.load_state_dict({name: torch.full_like(tensor, value) for name, tensor in state})
        source.num_batches_tracked.fill_(step)
        average.update()
        for name in ("weight", "running_var", "num_batches_tracked"):
            facts[f"{name} after step {step}"] = average.net.state_dict()[name].clone()
    return facts | {"the weight that is averaged": source.weight.detach()}


mistakes = """
the start is remembered: max(1 - self.decay, 9 / (10 + self.steps)) → 1 - self.decay
decay instead of 1 − decay: max(1 - self.decay, → max(self.decay,
steps are not counted: self.steps += 1 → self.steps += 0
the count of batches stays: average.copy_(value) → average.copy_(average)
the weight is 1 % too large: lerp_(value, weight) → lerp_(value, 1.01 * weight)
"""
