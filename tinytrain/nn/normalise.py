"""Batch norm the fast way: channels last, few passes over memory, a backward derived by hand.

`functional.batch_norm` is the formula. This is the same function, arranged for a machine on which
a pass over memory costs more than the arithmetic. Images that lie in memory as (N, H, W, C) are a
matrix with a row for each place and a column for each channel; with 11 columns, vector units would
run half empty, so 64 places are read as one row of 64·C columns, and what belongs to a channel is
repeated 64 times. Autograd would keep and pass over an intermediate result for every operation of
the formula, so the backward is worked out on paper instead. With n places, r = 1 / √(var + eps),
d = x − mean, y = weight · r · d + bias and the gradient g of y:

    ∂bias = Σ g        ∂weight = r Σ g d
    ∂x    = weight · r · (g − ∂bias / n − d · r · ∂weight / n)

(Ioffe and Szegedy, "Batch normalization", 2015, give it in steps.) The last line is
a · g + b · d + c with a, b and c that depend on the channel only: two passes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rows(images: Tensor) -> Tensor:
    """(N, C, H, W), channels last in memory, as a view (N·H·W / k, k·C), k = gcd(N·H·W, 64)."""
    count, channels, height, width = images.shape
    places = math.gcd(count * height * width, 64)
    return images.permute(0, 2, 3, 1).view(-1, places * channels)


def channel_mean(values: Tensor, channels: int) -> Tensor:
    """The mean of every channel, (C,), over rows of k·C columns."""
    sums = values.sum(0).view(-1, channels).sum(0)
    return sums.div_(values.numel() // channels)


def repeated(numbers: Tensor, values: Tensor) -> Tensor:
    """A number a channel, (..., C), repeated along the k·C columns of `values`."""
    return numbers.repeat(*[1] * (numbers.ndim - 1), values.shape[1] // numbers.shape[-1])


def scale_and_shift(
    values: Tensor, scale: Tensor, shift: Tensor, output: Tensor | None = None
) -> Tensor:
    """values · scale + shift, into `output`: rows of k·C columns, scale and shift (C,)."""
    both = repeated(torch.stack((scale, shift)), values)
    return torch.addcmul(both[1], values, both[0], out=output)


class Normalise(torch.autograd.Function):
    """(input, weight, bias, eps) to (output, mean, biased variance); channels last in memory."""

    @staticmethod
    def forward(
        ctx, input: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, ...]:
        values = rows(input)
        mean = channel_mean(values, len(weight))
        centred = values - repeated(mean, values)
        var = channel_mean(centred * centred, len(weight))
        inverse = torch.rsqrt(var + eps)
        output = torch.empty_like(input)
        scale_and_shift(centred, weight * inverse, bias, output=rows(output))
        ctx.save_for_backward(centred, weight, inverse)
        ctx.mark_non_differentiable(mean, var)
        return output, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        centred, weight, inverse = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        above = rows(gradient)
        bias_mean = channel_mean(above, len(weight))
        weight_mean = channel_mean(above * centred, len(weight)).mul_(inverse)
        scale = weight * inverse
        input_gradient = torch.empty_like(gradient)
        below = rows(input_gradient)
        scale_and_shift(centred, scale * inverse * -weight_mean, scale * -bias_mean, output=below)
        below.addcmul_(above, repeated(scale, above))
        places = gradient.numel() // len(weight)
        return input_gradient, weight_mean * places, bias_mean * places, None


def batch_norm(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`functional.batch_norm`, faster: the same arguments, output, gradients and side effects.

    Gradients of gradients are not to be had. Raises ValueError as `functional.batch_norm` does.
    """
    if input.ndim != 4 or input.shape[1] != len(weight):
        raise ValueError(f"batch norm: expected (N, {len(weight)}, H, W), got {input.shape}")
    input = input.contiguous(memory_format=torch.channels_last)
    if not training:
        scale = weight * torch.rsqrt(running_var + eps)
        output = scale_and_shift(rows(input), scale, bias - running_mean * scale)
        count, channels, height, width = input.shape
        return output.view(count, height, width, channels).permute(0, 3, 1, 2)
    count = input.numel() // len(weight)
    if count < 2:
        raise ValueError(f"batch norm: expected several values a channel, got {input.shape}")
    output, mean, var = Normalise.apply(input, weight, bias, eps)
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    return output
