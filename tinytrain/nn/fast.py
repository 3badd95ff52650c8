"""Convolution and batch norm as `functional` defines them, arranged for the device's speed.

On a GPU, torch's own kernels are the fastest: this would be twice as many.

On a CPU a pass over memory costs more than the arithmetic, so the arrangement counts:

- Over images of one channel, torch's convolution is slower than the product of matrices that the
  definition amounts to.
- Images that lie in memory as (N, H, W, C) are a matrix with a row for each place and a column for
  each channel. With 11 columns vector units would run half empty, so batch norm reads 64 places as
  one row of 64·C columns, and what belongs to a channel is repeated 64 times.
- Autograd would keep and pass over an intermediate result for every operation of the formula, so
  the backward of batch norm is worked out on paper. With n places, r = 1 / √(var + eps),
  d = x − mean, y = weight · r · d + bias and the gradient g of y:

    ∂bias = Σ g        ∂weight = r Σ g d
    ∂x    = weight · r · (g − ∂bias / n − d · r · ∂weight / n)

  (Ioffe and Szegedy, "Batch normalization", 2015, give it in steps.) The output is
  scale · x + shift and the last line a · g + b · x + c, with numbers that depend on the channel
  only: the forward writes to memory once, the backward twice.
"""

import math
from typing import Any

import torch
from torch import Tensor

from tinytrain.nn import functional
from tinytrain.nn.functional import Size, pair, values_a_channel


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`functional.conv2d`; over images of one channel as one product of matrices.

    All patches (kH·kW, N·H'·W') meet the kernels (out, kH·kW). A column of the patches is what the
    kernel sees at one place, so the product has the channels last in memory. The patches take
    kH·kW times the memory of the images: little where they have one channel. Chellapilla et al.,
    "High performance convolutional neural networks", 2006.
    """
    one_channel = input.ndim == 4 and input.shape[1] == weight.shape[1] == 1
    if not one_channel or not input.numel() or input.is_cuda:
        return functional.conv2d(input, weight, bias, stride, padding, dilation, groups)
    (stride_y, stride_x), (pad_y, pad_x) = pair(stride), pair(padding)
    step_y, step_x = pair(dilation)
    if pad_y or pad_x:
        input = torch.constant_pad_nd(input, (pad_x, pad_x, pad_y, pad_y))
    outputs, _, kernel_height, kernel_width = weight.shape
    bottom = input.shape[2] - step_y * (kernel_height - 1)
    right = input.shape[3] - step_x * (kernel_width - 1)
    if min(bottom, right) < 1 or min(pad_y, pad_x) < 0:
        raise RuntimeError(f"conv2d: a kernel {tuple(weight.shape)} does not fit {input.shape}")
    patches = torch.stack(
        [
            input[:, 0, y : y + bottom : stride_y, x : x + right : stride_x]
            for y in range(0, step_y * kernel_height, step_y)
            for x in range(0, step_x * kernel_width, step_x)
        ]
    )
    count, height, width = patches.shape[1:]
    output = patches.flatten(1).T @ weight.reshape(outputs, -1).T
    if bias is not None:
        output = output + bias.to(output.dtype)  # another one under autocast
    return output.view(count, height, width, outputs).permute(0, 3, 1, 2)


def as_rows(images: Tensor) -> Tensor:
    """(N, C, H, W), channels last in memory, as a view (N·H·W / k, k·C), k = gcd(N·H·W, 64)."""
    count, channels, height, width = images.shape
    places = math.gcd(count * height * width, 64)
    return images.permute(0, 2, 3, 1).view(-1, places * channels)


def repeated(values: Tensor, *numbers: Tensor) -> Tensor:
    """Numbers a channel, each (C,), repeated along the k·C columns of `values`; one row each."""
    return torch.stack(numbers).repeat(1, values.shape[1] // len(numbers[0]))


def channel_mean_and_variance(values: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every channel, each (C,), over rows of k·C columns.

    torch's kernel gives them for every column, as if a column were a channel. The variance of all
    is then the mean of the columns' variances plus the variance of their means.
    """
    if values.device.type in ("cpu", "cuda"):
        image = values.T[None, :, :, None]
        means, variances = torch.batch_norm_update_stats(image, None, None, 0.0)
    else:
        variances, means = torch.var_mean(values, 0, correction=0)
    means, variances = means.view(-1, channels), variances.view(-1, channels)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def plain_gradients(
    input: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, eps: float
) -> list[Tensor | None]:
    """The gradients by the plain definition: slower, but differentiable again."""
    unused = torch.zeros_like(weight), torch.ones_like(weight)  # running statistics
    output = functional.batch_norm(input, *unused, weight, bias, True, eps=eps)
    inputs = (input, weight, bias)
    wanted = [one for one in inputs if one.requires_grad]
    found = iter(torch.autograd.grad(output, wanted, gradient, create_graph=True))
    return [next(found) if one.requires_grad else None for one in inputs]


class Normalise(torch.autograd.Function):
    """(input, weight, bias, eps) to (output, mean, biased variance); channels last in memory."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        values = as_rows(input)
        mean, var = channel_mean_and_variance(values, len(weight))
        inverse = torch.rsqrt(var + eps)
        scale = weight * inverse
        output = torch.empty_like(input)
        scale_row, shift_row = repeated(values, scale, bias - mean * scale)
        torch.addcmul(shift_row, values, scale_row, out=as_rows(output))
        ctx.save_for_backward(input, weight, bias, mean, inverse, scale)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var)
        return output, mean, var

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of input, weight and bias, from that of the output; None for eps."""
        input, weight, bias, mean, inverse, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted
            return *plain_gradients(input, weight, bias, gradient, ctx.eps), None
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        values, above = as_rows(input), as_rows(gradient)
        products = torch.stack((above.sum(0), (above * values).sum(0)))
        bias_gradient, product = products.view(2, -1, len(mean)).sum(1)
        weight_gradient = (product - mean * bias_gradient) * inverse
        places = gradient.numel() // len(mean)
        slope = -scale * inverse * weight_gradient / places
        offset = -scale * bias_gradient / places - slope * mean
        scale_row, slope_row, offset_row = repeated(values, scale, slope, offset)
        input_gradient = torch.empty_like(gradient)
        below = torch.addcmul(offset_row, values, slope_row, out=as_rows(input_gradient))
        below.addcmul_(above, scale_row)
        return input_gradient, weight_gradient, bias_gradient, None


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
    count = values_a_channel(input, len(weight), training)
    if input.is_cuda:
        numbers = weight, bias, running_mean, running_var
        return torch.batch_norm(input, *numbers, training, momentum, eps, cudnn_enabled=True)
    dtype = input.dtype
    input, weight, bias = functional.in_float32(input, weight, bias)
    input = input.contiguous(memory_format=torch.channels_last)
    if not training:
        mean, var = functional.in_float32(running_mean, running_var)
        scale = weight * torch.rsqrt(var + eps)
        values = as_rows(input)
        scale_row, shift_row = repeated(values, scale, bias - mean * scale)
        output = torch.addcmul(shift_row, values, scale_row)
        images, channels, height, width = input.shape
        return output.view(images, height, width, channels).permute(0, 3, 1, 2).to(dtype)
    normalised: tuple[Tensor, Tensor, Tensor]
    normalised = Normalise.apply(input, weight, bias, eps)  # type: ignore[no-untyped-call]
    output, mean, var = normalised
    with torch.no_grad():
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        unbiased = var * (count / (count - 1))
        running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    return output.to(dtype)
