"""Batches: rows of samples, shuffled anew every epoch and cut into pieces; normalised pixels.

A batch is a vector of row numbers; indexing images and labels with the same rows keeps the pairs
together. The last batch holds the remainder.
"""

import torch
from torch import Tensor


def shuffled(count: int, batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Every row 0 … count − 1 once, in an order drawn from `generator`, as int64 (batch_size,)."""
    return torch.split(torch.randperm(count, generator=generator), batch_size)


def in_order(count: int, batch_size: int) -> tuple[slice, ...]:
    """Every row once, in order, as slices: for evaluation, which sees every image once."""
    return tuple(slice(start, start + batch_size) for start in range(0, count, batch_size))


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """Pixels (N, C, H, W), floating-point in 0 … 255, to mean 0 and standard deviation 1.

    `mean` and `std` are those of the training images on the scale 0 … 1. The result, and the
    feature maps computed from it, lie channels last in memory: convolutions are fastest so.
    """
    images = (images - 255 * mean) / (255 * std)
    return images.contiguous(memory_format=torch.channels_last)
