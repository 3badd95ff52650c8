"""Batch norm and dropout over a batch that is cut into parts.

Most layers treat every image by itself, so a batch can be cut anywhere. Two kinds depend on the
whole batch. Dropout draws: a part takes its rows of what is drawn for the whole batch, so the
draws do not depend on the cut. And batch norm's mean and variance are those of the whole batch, so
the parts exchange numbers twice a layer and step, two a channel, whatever the size of the images:

- forward, the mean and the variance of every part. Sums of squares would be enough, but where the
  mean is large the variance drowns in their difference. With n places in part p and N in all,

    mean = Σ nₚ meanₚ / N        var = Σ nₚ (varₚ + (meanₚ − mean)²) / N

  (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
  variances", 1979);
- backward, Σ g and Σ g · d of every part: the two sums of the formula in `nn.fast`, in which
  everything else belongs to one image.

`Part.gather` exchanges them: between processes over a network, in one process not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinytrain.data import Augmentation, Dataset, augment, batches
from tinytrain.nn import BatchNorm2d, Dropout, Dropout2d, functional
from tinytrain.nn.fast import as_rows, channel_mean_and_variance, repeated
from tinytrain.train import Training


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
    def sizes(self) -> list[int]:
        """How many rows each part has; those without are the last."""
        each, more = divmod(self.total, self.count)
        return [each + (number < more) for number in range(self.count)]

    @property
    def size(self) -> int:
        """How many of the rows are its own."""
        return self.sizes[self.number]

    @property
    def rows(self) -> slice:
        """The rows that it is given: its own, or the first where it has none."""
        start = sum(self.sizes[: self.number])
        return slice(start, start + self.size) if self.size else slice(0, 1)


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
        sizes = [size for size in part.sizes if size]
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
        everywhere = part.gather(torch.stack(sums).flatten(1))[: part.total]
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
    layers: Sequence[BatchNorm2d], inputs: Sequence[Tensor], parts: Sequence[Part]
) -> list[Tensor]:
    """Batch norm in training over parts (n, C, H, W) of a batch, by replicas of one layer.

    The running statistics become those of the whole batch. Raises ValueError as
    `functional.batch_norm` does, for the whole batch.
    """
    layer, part = layers[0], parts[0]
    channels, (_, found, *place) = layer.num_features, inputs[0].shape
    count = part.total * torch.Size(place).numel()
    if found != channels or len(place) != 2:
        raise ValueError(f"batch norm: expected (N, {channels}, H, W), found {inputs[0].shape}")
    if count < 2:
        raise ValueError(f"batch norm: expected several values a channel, found {count}")
    weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
    ordered = [input.contiguous(memory_format=torch.channels_last) for input in inputs]
    normalised: tuple[Tensor, ...]
    tensors = *weights, *biases, *ordered
    normalised = NormaliseParts.apply(part, layer.eps, *tensors)  # type: ignore[no-untyped-call]
    mean, var, *outputs = normalised
    with torch.no_grad():
        layer.num_batches_tracked += 1
        layer.running_mean.lerp_(mean, layer.momentum)
        layer.running_var.lerp_(var * (count / (count - 1)), layer.momentum)
    return outputs


def dropout(layer: Dropout, part: Part, input: Tensor) -> Tensor:
    """Dropout in training of a part of a batch: its rows of what is drawn for the whole batch."""
    channels_alone = isinstance(layer, Dropout2d)
    shape = (input.shape[1], 1, 1) if channels_alone else input.shape[1:]
    # Numbers are drawn in the order in which they lie in memory.
    last = input.dim() == 4 and input.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if last else torch.contiguous_format
    ones = torch.empty((part.total, *shape), memory_format=order).to(input).fill_(1)
    mask = functional.dropout(ones, layer.p, generator=layer.generator)
    return input * mask[part.rows]


def part_of_batch(
    training: Training, dataset: Dataset, rows: Tensor, some: slice
) -> tuple[Tensor, Tensor]:
    """`make_batch` of `some` of a batch's rows, augmented as in the whole batch.

    An `Augmentation` draws for all and transforms only those; any other function gets all images.
    """
    augmentation, images = training.augmentation, dataset.train.images[rows].float()
    if isinstance(augmentation, Augmentation):
        drawn = augmentation.draw(len(rows), training.stream("augment"))[:, some]
        images = augment.apply(images[some], drawn.to(images.device))
    elif augmentation is not None:
        images = augmentation(images, training.stream("augment"))[some]
    else:
        images = images[some]
    images = batches.normalise(images, dataset.mean, dataset.std)
    return images, dataset.train.labels[rows[some]]
