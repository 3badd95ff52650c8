"""Exercises on what a layer computes, and on the gradient that it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, values_and_gradients
from tinytrain.nn import fast, functional


def scores(draw: Draw) -> dict[str, Any]:
    """Scores of some images, sometimes so large that exp of them is not finite."""
    size = draw.one_of(1.0, 1.0, 1000.0)
    input = (size * draw.normal(draw.integer(1, 3), draw.integer(2, 4))).requires_grad_()
    return {"input": input, "dim": draw.one_of(-1, 0, 1)}


LOG_SOFTMAX = Exercise(
    name="log-softmax",
    title="Log-softmax that does not overflow",
    shipped=functional.log_softmax,
    why="exp(1000) is infinite, and infinity divided by infinity is nan: the formula as it stands "
    "in the book ends a training at the first score that is too large, and log(0) at the first "
    "that is too small.",
    hints=(
        "log(exp(x) / Σ exp(x)) is x − log Σ exp(x): no division, and no logarithm of 0 for a "
        "small x.",
        "Adding the same number to all x of a row changes nothing: subtract one that leaves no x "
        "above 0. input.amax(dim, keepdim=True) is the largest of each row.",
        "With shifted = input − the largest: shifted − log of the sum of exp(shifted) along dim, "
        "keepdim=True. One term of that sum is exp(0) = 1, so the logarithm is finite.",
    ),
    arguments=scores,
    engine=engine.training,
    kernels=("log_softmax", "softmax", "logsumexp", "cross_entropy"),
    by_hand="""\
shifted = input - input.amax(dim, keepdim=True)
return shifted - shifted.exp().sum(dim, keepdim=True).log()
""",
    rungs=("net1",),
    mistakes={
        "overflows": (" - input.amax(dim, keepdim=True)", ""),
        "along another axis": (".sum(dim, keepdim=True)", ".sum(keepdim=True, dim=0)"),
        "no logarithm": ("shifted.exp().sum(dim, keepdim=True).log()", "shifted.exp().sum()"),
        "the shift is subtracted once only": ("return shifted -", "return input -"),
        "1 % too large": ("return shifted", "return 1.01 * shifted"),
    },
)


def to_normalise(draw: Draw) -> dict[str, Any]:
    """Images with their channels last in memory, weights, biases and an eps."""
    channels = draw.integer(1, 3)
    input = 1 + 3 * draw.normal(draw.integer(2, 3), channels, draw.integer(1, 3), 2)
    input = input.contiguous(memory_format=torch.channels_last).requires_grad_()
    numbers = {"weight": draw.learned(channels), "bias": draw.learned(channels)}
    return {"input": input, **numbers, "eps": draw.one_of(1e-5, 0.1)}


def normalised(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The output of the autograd function `made`, and what its backward gives."""
    return values_and_gradients(lambda **given: made.apply(*given.values())[0], arguments)


BATCH_NORM_BACKWARD = Exercise(
    name="batch-norm-backward",
    title="Batch norm backward, by hand",
    shipped=fast.Normalise,
    method="backward",
    why="Every pixel of a channel has a share in its mean and in its variance, so the gradient of "
    "one pixel depends on the gradients of all; autograd would find that out in ten passes over "
    "memory, and a formula worked out on paper needs two.",
    hints=(
        "With n places a channel, r = 1 / √(var + eps) (here: inverse), d = input − mean, the "
        "output is weight · r · d + bias. So of the gradient g above: the bias gets Σ g, the "
        "weight r Σ g d, each over the places of a channel, axes (0, 2, 3).",
        "The input is in three places: in d, in the mean, and through the variance in r. Without "
        "the last two its gradient would be weight · r · g. The mean takes away the mean of g, "
        "and the variance what of g goes along with d.",
        "∂input = weight · r · (g − ∂bias / n − d · r · ∂weight / n), a number a channel reaching "
        "its pixels as number[:, None, None]. Return a gradient for each argument of forward: "
        "∂input, ∂weight, ∂bias, and None for eps.",
    ),
    arguments=to_normalise,
    facts=normalised,
    engine=engine.training,
    kernels=("batch_norm", "native_batch_norm"),
    withheld=("plain_gradients",),
    rungs=("net7",),
    mistakes={
        "the mean is a constant": (
            "offset = -scale * bias_gradient / places - slope * mean",
            "offset = -slope * mean",
        ),
        "the variance is a constant": (
            "slope = -scale * inverse * weight_gradient / places",
            "slope = 0 * scale",
        ),
        "one place too few": (
            "places = gradient.numel() // len(mean)",
            "places = gradient.numel() // len(mean) - 1",
        ),
        "the weight's gradient without its scale": (
            "(product - mean * bias_gradient) * inverse",
            "(product - mean * bias_gradient)",
        ),
        "1 % too large": ("return input_gradient,", "return 1.01 * input_gradient,"),
    },
)
