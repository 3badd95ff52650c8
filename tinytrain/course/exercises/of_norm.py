"""Exercises on what stands between convolutions: batch norm, there and back, and dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tinytrain import streams
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import (
    Draw,
    Exercise,
    Facts,
    Rows,
    values_and_gradients,
)
from tinytrain.nn import fast, functional


def to_norm(draw: Draw) -> dict[str, Any]:
    """Images, and the running statistics, weights and biases of their channels."""
    channels = draw.integer(1, 3)
    input = 1 + 3 * draw.normal(draw.integer(2, 3), channels, draw.integer(1, 3), 2)
    return {
        "input": input.requires_grad_(),
        "running_mean": draw.normal(channels),
        "running_var": draw.normal(channels).square(),
        **{"weight": draw.learned(channels), "bias": draw.learned(channels)},
        "training": draw.one_of(True, True, False),
        **{"momentum": draw.number(0.05, 0.4), "eps": draw.one_of(1e-5, 0.1)},
    }


BATCH_NORM = Exercise(
    name="batch-norm",
    title="Batch norm",
    shipped=functional.batch_norm,
    replaces=(fast.batch_norm,),
    why="A layer learns while what reaches it changes, because the layers before it learn, too. "
    "Batch norm gives every channel a mean and a deviation of its own again, batch by batch, and "
    "keeps running ones for the day when there is no batch.",
    hints=(
        "In training, mean and variance of each channel over the axes (0, 2, 3), the variance "
        "divided by n (correction=0); in evaluation the running ones.",
        "(input − mean) / √(var + eps) · weight + bias, a number a channel reaching its pixels as "
        "number[:, None, None].",
        "The running ones move in place and without a gradient (with torch.no_grad(): "
        "running_mean.lerp_(mean, momentum)); the running variance takes the unbiased one, "
        "var · n / (n − 1), where n = values_a_channel(input, channels, training).",
    ),
    arguments=to_norm,
    engine=engine.training,
    kernels=("batch_norm", "native_batch_norm", "instance_norm", "group_norm"),
    rungs=("net7",),
    mistakes={
        "the running variance is biased": ("var * (count / (count - 1))", "var"),
        "the batch's variance is unbiased": ("correction=0", "correction=1"),
        "eps outside the root": ("torch.rsqrt(var + eps)", "1 / (var.sqrt() + eps)"),
        "evaluation looks at the batch": (
            "mean, var = running_mean, running_var",
            "var, mean = torch.var_mean(input, (0, 2, 3), correction=0)",
        ),
        "the momentum is the other one": (
            "mean.to(running_mean.dtype), momentum",
            "mean.to(running_mean.dtype), 1 - momentum",
        ),
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


def by_sgd() -> Rows:
    """Train with SGD: Adam divides by the size of the gradients, and would hide a wrong one."""
    return engine.training(optimizer="sgd", lr=0.1, momentum=0.9)


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
        "output is weight · r · d + bias. With g = `gradient`, that of the output: the bias gets "
        "Σ g, the weight r Σ g d, each over the places of a channel, axes (0, 2, 3).",
        "The input is in three places: in d, in the mean, and through the variance in r. Without "
        "the last two its gradient would be weight · r · g. The mean takes away the mean of g, "
        "and the variance what of g goes along with d.",
        "∂input = weight · r · (g − ∂bias / n − d · r · ∂weight / n), a number a channel reaching "
        "its pixels as number[:, None, None]. Return a gradient for each argument of forward: "
        "∂input, ∂weight, ∂bias, and None for eps.",
    ),
    arguments=to_normalise,
    facts=normalised,
    engine=by_sgd,
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


def to_silence(draw: Draw) -> dict[str, Any]:
    """Many numbers, none of them 0, and how many of them are to be silent."""
    count = 20_000
    return {
        "input": (1 + draw.normal(count).square()).requires_grad_(),
        "p": draw.one_of(0.0, 1.0, draw.number(0.1, 0.8), draw.number(0.1, 0.8)),
        **{"training": draw.one_of(True, True, True, False), "generator": draw.stream()},
    }


def silenced(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """What is the same of every right way to draw: not which numbers are silent."""
    options = {name: value for name, value in arguments.items() if name != "generator"}
    input = options.pop("input")
    first, equal, another = (streams.generator(seed, "silence") for seed in (1, 1, 2))
    one, again, other, following = (
        function(1 * input, generator=generator, **options)
        for generator in (first, equal, another, first)
    )
    above = torch.linspace(1, 2, len(input), dtype=input.dtype)
    (gradient,) = torch.autograd.grad(one, input, above, materialize_grads=True)
    factor = (one / input).detach()
    kept = factor != 0
    return {
        "share that is silent": float((~kept).double().mean()),
        "least factor of the others": float(factor[kept].amin()) if kept.any() else 0.0,
        "largest factor of the others": float(factor[kept].amax()) if kept.any() else 0.0,
        "largest difference of gradient and factor": float(
            (gradient / above - factor).abs().amax()
        ),
        "numbers that differ in a call with an equal generator": int((one != again).sum()),
        "share that another generator leaves alike": float((one == other).double().mean()),
        "share that the next call leaves alike": float((one == following).double().mean()),
    }


def dropping() -> Rows:
    """Train a net that drops a tenth of its channels."""
    return engine.training(dropout=0.1)


DROPOUT = Exercise(
    name="dropout",
    title="Dropout, and its scale",
    shipped=functional.dropout,
    why="Numbers that may be silenced at any step cannot rely on one another. What is left must "
    "speak louder in return, or every layer would get less in training than in evaluation.",
    hints=(
        "In evaluation, and where p is 0, nothing happens: the input goes through.",
        "A mask of the input's shape, 0 with probability p: torch.zeros_like(input).bernoulli_("
        "1 - p, generator=generator). Draw from that generator alone, so that a run can be "
        "repeated. Drawn in another way, as with torch.rand, it is right, too, but other numbers "
        "are silent: in the engine that is another run, as with another seed.",
        "The expected value of what is kept is (1 − p) · input: divide the mask by 1 − p. With "
        "p = 1 everything is 0, and nothing is divided by 0.",
    ),
    arguments=to_silence,
    facts=silenced,
    tolerance=0.03,
    engine=dropping,
    kernels=("dropout", "feature_dropout", "native_dropout"),
    rungs=("net8", "net8_1"),
    mistakes={
        "no scale": (".div_(1 - p)", ""),
        "p of them stay": ("bernoulli_(1 - p", "bernoulli_(p"),
        "in evaluation, too": ("not training or p == 0", "p == 0"),
        "quieter, not louder": (".div_(1 - p)", ".mul_(1 - p)"),
        "from torch's own generator": ("1 - p, generator=generator)", "1 - p)"),
        "every step alike": (
            "generator=generator)",
            "generator=torch.Generator().manual_seed(generator.initial_seed()))",
        ),
    },
)
