"""Batch norm the fast way: channels last, few passes over memory, a backward derived by hand.

`functional.batch_norm` is the formula. This is the same function, arranged for a machine on which
a pass over memory costs more than the arithmetic. Images that lie in memory as (N, H, W, C) are a
matrix with a row for each place and a column for each channel; with 11 columns, vector units would
run half empty, so 64 places are read as one row of 64·C columns, and what belongs to a channel is
repeated 64 times. Autograd would keep and pass over an intermediate result for every operation of
the formula, so the backward is worked out on paper instead. With n places, r = 1 / √(var + eps),
y = weight · r · (x − mean) + bias and the gradient g of y:

    ∂bias = Σ g        ∂weight = r (Σ g x − mean Σ g)
    ∂x    = weight · r · (g − ∂bias / n − (x − mean) · r · ∂weight / n)

(Ioffe and Szegedy, "Batch normalization", 2015, give it in steps.) The last line is
a · g + b · x + c with a, b and c that depend on the channel only: two passes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rows(images: Tensor) -> Tensor:
    """(N, C, H, W), channels last in memory, as a view (N·H·W / k, k·C), k = gcd(N·H·W, 64)."""
    count, channels, height, width = images.shape
    places = math.gcd(count * height * width, 64)
    return images.permute(0, 2, 3, 1).view(-1, places * channels)


def channel_means(*tables: Tensor, channels: int) -> Tensor:
    """The mean of every channel over each table of rows of k·C columns: (tables, C)."""
    sums = torch.stack([table.sum(0) for table in tables]).view(len(tables), -1, channels)
    return sums.sum(1).div_(tables[0].numel() // channels)


def scale_and_shift(
    values: Tensor, scale: Tensor, shift: Tensor, output: Tensor | None = None
) -> Tensor:
    """values · scale + shift, into `output`: rows of k·C columns, scale and shift (C,)."""
    repeated = torch.stack((scale, shift)).repeat(1, values.shape[1] // len(scale))
    return torch.addcmul(repeated[1], values, repeated[0], out=output)


class Normalise(torch.autograd.Function):
    """(input, weight, bias, eps) to (output, mean, biased variance); channels last in memory."""

    @staticmethod
    def forward(
        ctx, input: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, ...]:
        values = rows(input)
        mean, square = channel_means(values, values * values, channels=len(weight))
        var = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0)
        inverse = torch.rsqrt(var + eps)
        scale = weight * inverse
        output = torch.empty_like(input)
        scale_and_shift(values, scale, bias - mean * scale, output=rows(output))
        ctx.save_for_backward(input, weight, mean, inverse)
        ctx.mark_non_differentiable(mean, var)
        return output, mean, var

    @staticmethod
    def backward(ctx, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, inverse = ctx.saved_tensors
        values = rows(input)
        above = rows(gradient.contiguous(memory_format=torch.channels_last))
        bias_mean, product = channel_means(above, above * values, channels=len(weight))
        weight_mean = (product - mean * bias_mean).mul_(inverse)
        scale = weight * inverse
        slope = scale * inverse * -weight_mean
        shift = scale * -bias_mean - mean * slope
        input_gradient = torch.empty_like(input)
        below = scale_and_shift(values, slope, shift, output=rows(input_gradient))
        below.addcmul_(above, scale.repeat(values.shape[1] // len(scale)))
        places = input.numel() // len(weight)
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
    """`functional.batch_norm`, faster: the same arguments, output, gradients and side effects."""
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
