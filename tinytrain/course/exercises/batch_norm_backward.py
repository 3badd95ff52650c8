"""Batch norm backward, by hand.

Every pixel of a channel is part of its mean and of its variance, so the gradient of one pixel
depends on the gradients of all. Autograd works that out in ten passes over memory; a formula
derived on paper needs two.

1. With n places a channel, r = 1 / √(var + eps) (here: inverse) and d = input − mean, the output
   is weight · r · d + bias. With g = `gradient`, that of the output: the bias gets Σ g, the
   weight r Σ g d, both summed over the places of a channel, axes (0, 2, 3).
2. The input counts three times: in d, in the mean, and through the variance in r. Without the
   last two its gradient would be weight · r · g. The mean takes away the mean of g, and the
   variance the part of g that is proportional to d.
3. ∂input = weight · r · (g − ∂bias / n − d · r · ∂weight / n), where a number for each channel
   reaches its pixels as number[:, None, None]. Return a gradient for each argument of forward:
   ∂input, ∂weight, ∂bias, and None for eps.
"""

import torch

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned, call
from tinytrain.nn import fast

shipped = fast.Normalise
method = "backward"
# Not with Adam, which divides by the size of the gradients and would hide a wrong one.
changes = dict(optimizer="sgd", lr=0.1, momentum=0.9)
forbidden = "batch_norm(_legit|_backward)?$"
body = """\
input, _, _, mean, inverse, scale = ctx.saved_tensors
offset = input - mean[:, None, None]
places = gradient.numel() // len(mean)
bias_gradient = gradient.sum((0, 2, 3))
weight_gradient = inverse * (gradient * offset).sum((0, 2, 3))
slope = inverse * weight_gradient / places
gradient = gradient - (bias_gradient / places)[:, None, None] - offset * slope[:, None, None]
return scale[:, None, None] * gradient, weight_gradient, bias_gradient, None
"""
rungs = ("net7",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images with their channels last in memory, weights, biases and an eps."""
    channels = draw.integer(1, 3)
    input = 1 + 3 * draw.normal(draw.integer(2, 3), channels, draw.integer(1, 3), 2)
    return {
        "input": input.contiguous(memory_format=torch.channels_last).requires_grad_(),
        "weight": draw.learned(channels),
        "bias": draw.learned(channels),
        "eps": draw.one_of(1e-5, 0.1),
    }


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The output of the autograd function, and the gradients that its backward gives."""
    return call(lambda **given: function.apply(*given.values())[0], arguments)


mistakes = """
the mean is a constant: gradient - (bias_gradient / places)[:, None, None] → gradient
the variance is a constant: slope = inverse → slope = 0 * inverse
one place too few: // len(mean) → // len(mean) - 1
the weight's gradient without its scale: weight_gradient = inverse * → weight_gradient =
1 % too large: return scale → return 1.01 * scale
"""
