"""A batch in parts: what a layer has to know of the rows that it does not see.

Most layers treat every image by itself, so a batch can be cut anywhere and nobody notices. Two
kinds notice. Dropout draws: a part takes its rows of what is drawn for the whole batch, and the
draws do not depend on how it was cut. And batch norm lets the images see one another: its mean and
variance are those of the whole batch, so here the parts have to talk, twice a layer and step. What
crosses is little, two numbers a channel each time, whatever the size of the images:

- forward, the mean and the variance of every part. Sums of squares would be enough, but where the
  mean is large the variance drowns in their difference. With n places in part p and N in all,

    mean = Σ nₚ meanₚ / N        var = Σ nₚ (varₚ + (meanₚ − mean)²) / N

  (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
  variances", 1979);
- backward, Σ g and Σ g · d of every part: the two sums of the formula in `fast`, in which all else
  belongs to one image.

How they talk is not known here: `Part.gather` does it, for workers over a network, for parts in
one process without any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinytrain.nn.fast import as_rows, channel_mean_and_variance, repeated


@dataclass(frozen=True)
class Part:
    """Part `number` of the `count` that the `total` rows of a batch are cut into, in their order.

    Their sizes differ by 1 at most, the larger ones first, as torch.tensor_split has it. A part
    without rows is given the first row, so that no layer meets an empty batch; it does not count.
    `gather` makes of the rows of numbers of this process's parts, (K, n), those of all parts in
    order, (count, n).
    """

    number: int
    count: int
    total: int
    gather: Callable[[Tensor], Tensor]

    @property
    def start(self) -> int:
        """The first of its rows."""
        each, more = divmod(self.total, self.count)
        return self.number * each + min(self.number, more)

    @property
    def size(self) -> int:
        """How many of the rows are its own."""
        return self.total // self.count + (self.number < self.total % self.count)

    @property
    def rows(self) -> slice:
        """The rows that it is given: its own, or the first where it has none."""
        return slice(self.start, self.start + self.size) if self.size else slice(0, 1)

    def sizes(self) -> list[int]:
        """The sizes of the parts that have rows; those without are the last."""
        each, more = divmod(self.total, self.count)
        return [each + (number < more) for number in range(min(self.count, self.total))]


class NormaliseParts(torch.autograd.Function):
    """`fast.Normalise` over a batch in parts, of which some, K, are in this process.

    (part, eps, K weights, K biases, K inputs) to (mean, biased variance, K outputs). The weights
    are the same numbers: each has the gradient of its part.
    """

    @staticmethod
    def forward(ctx: Any, part: Part, eps: float, *tensors: Tensor) -> tuple[Tensor, ...]:
        here = len(tensors) // 3
        weights, biases, inputs = tensors[:here], tensors[here : 2 * here], tensors[2 * here :]
        channels = len(weights[0])
        found = [channel_mean_and_variance(as_rows(input), channels) for input in inputs]
        sizes = part.sizes()
        everywhere = part.gather(torch.stack([torch.cat(both) for both in found]))[: len(sizes)]
        means, variances = everywhere.view(len(sizes), 2, channels).unbind(1)
        shares = means.new_tensor([size / part.total for size in sizes])[:, None]
        mean = (shares * means).sum(0)
        var = (shares * (variances + (means - mean).square())).sum(0)
        inverse = torch.rsqrt(var + eps)
        outputs = []
        for weight, bias, input in zip(weights, biases, inputs, strict=True):
            scale = weight * inverse
            outputs.append(combined(input, scale, bias - mean * scale))
        ctx.save_for_backward(mean, inverse, weights[0], *inputs)
        ctx.part = part
        ctx.mark_non_differentiable(mean, var)
        return mean, var, *outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        mean, inverse, weight, *inputs = ctx.saved_tensors
        part, sums = ctx.part, []
        above = [
            gradient.contiguous(memory_format=torch.channels_last) for gradient in gradients[2:]
        ]
        for gradient, input in zip(above, inputs, strict=True):
            values, slopes = as_rows(input), as_rows(gradient)
            products = torch.stack((slopes.sum(0), (slopes * values).sum(0)))
            bias_gradient, product = products.view(2, -1, len(mean)).sum(1)
            sums.append(torch.stack(((product - mean * bias_gradient) * inverse, bias_gradient)))
        everywhere = part.gather(torch.stack(sums).flatten(1))[: len(part.sizes())]
        places = part.total * inputs[0][0, 0].numel()
        of_weight, of_bias = everywhere.sum(0).view(2, -1) / places
        scale = weight * inverse
        slope = -scale * inverse * of_weight
        offset = -scale * of_bias - slope * mean
        below = [
            combined(input, slope, offset, gradient, scale)
            for input, gradient in zip(inputs, above, strict=True)
        ]
        of_weights, of_biases = zip(*sums, strict=True)
        return None, None, *of_weights, *of_biases, *below


def combined(
    input: Tensor,
    scale: Tensor,
    shift: Tensor,
    other: Tensor | None = None,
    other_scale: Tensor | None = None,
) -> Tensor:
    """scale · input + shift (+ other_scale · other) with numbers a channel; channels last."""
    values, output = as_rows(input), torch.empty_like(input)
    rows = as_rows(output)
    scale_row, shift_row = repeated(values, scale, shift)
    torch.addcmul(shift_row, values, scale_row, out=rows)
    if other is not None and other_scale is not None:
        rows.addcmul_(as_rows(other), repeated(values, other_scale))
    return output


def batch_norm(
    part: Part,
    inputs: Sequence[Tensor],
    running_mean: Tensor,
    running_var: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> list[Tensor]:
    """`functional.batch_norm` in training over a batch in parts: some (n, C, H, W) of it.

    `part` is that of the first input, and the others follow it; the running statistics are those
    of the whole batch. Raises ValueError as `functional.batch_norm` does, of the whole batch.
    """
    channels, (_, found, *place) = len(weights[0]), inputs[0].shape
    count = part.total * torch.Size(place).numel()
    if found != channels or len(place) != 2:
        raise ValueError(f"batch norm: expected (N, {channels}, H, W), got {inputs[0].shape}")
    if count < 2:
        raise ValueError(f"batch norm: expected several values a channel, got {count}")
    ordered = [input.contiguous(memory_format=torch.channels_last) for input in inputs]
    normalised: tuple[Tensor, ...]
    tensors = *weights, *biases, *ordered
    normalised = NormaliseParts.apply(part, eps, *tensors)  # type: ignore[no-untyped-call]
    mean, var, *outputs = normalised
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    return outputs
