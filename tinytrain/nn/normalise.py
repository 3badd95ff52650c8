"""Batch norm the fast way: channels last, few passes over memory, a backward derived by hand.

`functional.batch_norm` is the formula. This is the same function, arranged for a machine on which
a pass over memory costs more than the arithmetic. An image batch that lies in memory as
(N, H, W, C) is a matrix with a row for each place and a column for each channel; with 11 columns,
vector units would run half empty, so 64 places at a time are read as one row of 64·C columns, and
what belongs to a channel is repeated 64 times. Autograd would make a pass for every operation of
the formula, so the backward is worked out on paper instead. With n places, centred values
d = x − mean, r = 1 / √(var + eps), output y = weight · r · d + bias and the gradient g of y:

    ∂bias = Σ g        ∂weight = r Σ g d
    ∂x    = weight · r · (g − Σ g / n − d · r² Σ g d / n)

(Ioffe and Szegedy, "Batch normalization", 2015, give it in steps.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rows(images: Tensor) -> Tensor:
    """(N, C, H, W) as (N·H·W / k, k·C) with k = gcd(N·H·W, 64): a view, if channels are last."""
    count, channels, height, width = images.shape
    places = math.gcd(count * height * width, 64)
    return images.permute(0, 2, 3, 1).reshape(-1, places * channels)


def images(rows: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `rows`: a view in the memory format channels-last."""
    count, channels, height, width = shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


def channel_sums(rows: Tensor, channels: int) -> Tensor:
    """The sum of each channel, (C,), over rows of k·C columns."""
    return rows.sum(0).view(-1, channels).sum(0)


class Normalise(torch.autograd.Function):
    """(input, weight, bias, eps) to (output, mean, biased variance), channel by channel."""

    @staticmethod
    def forward(
        ctx, input: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, ...]:
        channels = input.shape[1]
        places = input.numel() // channels
        values = rows(input)
        repeats = values.shape[1] // channels
        mean = channel_sums(values, channels) / places
        centred = values - mean.repeat(repeats)
        var = channel_sums(centred * centred, channels) / places
        inverse = torch.rsqrt(var + eps)
        output = torch.addcmul(bias.repeat(repeats), centred, (weight * inverse).repeat(repeats))
        ctx.save_for_backward(centred, weight, inverse)
        ctx.mark_non_differentiable(mean, var)
        return images(output, input.shape), mean, var

    @staticmethod
    def backward(ctx, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        centred, weight, inverse = ctx.saved_tensors
        channels = len(weight)
        places = gradient.numel() // channels
        repeats = centred.shape[1] // channels
        above = rows(gradient)
        bias_gradient = channel_sums(above, channels)
        product = channel_sums(above * centred, channels)
        scale = weight * inverse
        slope = -scale * inverse**2 * product / places
        shift = -scale * bias_gradient / places
        input_gradient = torch.addcmul(shift.repeat(repeats), centred, slope.repeat(repeats))
        input_gradient.addcmul_(above, scale.repeat(repeats))
        return images(input_gradient, gradient.shape), inverse * product, bias_gradient, None


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
    """`functional.batch_norm`, faster: the same arguments, output, gradients and side effects."""
    channels = input.shape[1]
    if not training:
        values = rows(input)
        repeats = values.shape[1] // channels
        scale = weight * torch.rsqrt(running_var + eps)
        shift = bias - running_mean * scale
        output = torch.addcmul(shift.repeat(repeats), values, scale.repeat(repeats))
        return images(output, input.shape)
    count = input.numel() // channels
    if count < 2:
        raise ValueError(f"batch norm: expected several values a channel, got {input.shape}")
    output, mean, var = Normalise.apply(input, weight, bias, eps)
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    return output
