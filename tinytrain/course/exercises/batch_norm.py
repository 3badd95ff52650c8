"""Batch norm.

A layer learns while its input changes, because the layers before it learn, too. Batch norm gives
every channel the same mean and variance again, batch by batch, and keeps running statistics for
evaluation, where there is no batch.

1. In training, take mean and variance of each channel over the axes (0, 2, 3), the variance
   divided by n (correction=0); in evaluation the running ones.
2. (input − mean) / √(var + eps) · weight + bias. A number for each channel reaches its pixels as
   number[:, None, None].
3. The running statistics move in place and without a gradient (with torch.no_grad():
   running_mean.lerp_(mean, momentum)). The running variance takes the unbiased variance, var · n
   / (n − 1), where n = values_a_channel(input, channels, training).
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import fast, functional

shipped = functional.batch_norm
also_replaces = (fast.batch_norm,)
forbidden = "(batch_norm|_legit|instance_norm|group_norm|layer_norm)$"
rungs = ("net7",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images, and the running statistics, weights and biases of their channels."""
    channels = draw.integer(1, 3)
    input = 1 + 3 * draw.normal(draw.integer(2, 3), channels, draw.integer(1, 3), 2)
    return {
        "input": input.requires_grad_(),
        "running_mean": draw.normal(channels),
        "running_var": draw.normal(channels).square(),
        "weight": draw.learned(channels),
        "bias": draw.learned(channels),
        "training": draw.one_of(True, True, False),
        "momentum": draw.number(0.05, 0.4),
        "eps": draw.one_of(1e-5, 0.1),
    }


mistakes = """
the running variance is biased: var * (count / (count - 1)) → var
the batch's variance is unbiased: correction=0 → correction=1
eps outside the root: torch.rsqrt(var + eps) → 1 / (var.sqrt() + eps)
batch statistics in evaluation: mean, var = in_float32(running_mean, running_var)
    → var, mean = torch.var_mean(input, (0, 2, 3), correction=0)
1 − momentum: mean.to(running_mean.dtype), → mean.to(running_mean.dtype), 1 -
"""
