"""Data sets and loaders of torch's or torchvision's, as tinytrain's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tinytrain.data import Dataset, from_arrays
from tinytrain.errors import DataError


def dataset(train: Any, test: Any, name: str = "own") -> Dataset:
    """A `Dataset` of two of torch's, such as torchvision's MNIST, or two of its `DataLoader`s.

    Items are pairs of an image, of Pillow, (H, W) or (C, H, W), and a label. Pixels are 0 to 255,
    or those divided by 255, as ToTensor gives them. Of a loader, what it samples is taken;
    order and batches are the training's. Raises DataError for other pixels, as normalised ones,
    for items that are drawn anew each time, and what `from_arrays` raises.
    """
    return from_arrays(*images_and_labels(train, "train"), *images_and_labels(test, "test"), name)


def images_and_labels(source: Any, place: str) -> tuple[np.ndarray[Any, Any], list[Any]]:
    """Images, uint8 (N, H, W), (N, C, H, W) or (N, H, W, C), and labels of a set or a loader."""
    items, rows = source, list(range(len(source)))
    with torch.random.fork_rng():  # samplers draw
        if hasattr(source, "batch_sampler"):
            items, rows = source.dataset, sorted(source.sampler)
        pairs = [items[row] for row in rows]
        again = [np.asarray(items[row][0]) for row in rows[:3]]
    if len({*rows}) < len(pairs):
        raise DataError(f"{place}: expected every item once; leave the sampler out")
    images = [np.asarray(image) for image, _ in pairs]
    if not all(np.array_equal(one, other) for one, other in zip(again, images, strict=False)):
        raise DataError(
            f"{place}: its images are drawn anew each time; leave the random transforms out, and "
            "give Training an augmentation"
        )
    try:
        stacked = np.stack(images)
    except ValueError as error:
        raise DataError(
            f"{place}: expected one or more images, all of one size: {error}"
        ) from error
    return as_pixels(stacked, place), [label for _, label in pairs]


def as_pixels(pixels: np.ndarray[Any, Any], place: str) -> np.ndarray[Any, Any]:
    """Pixels as uint8; where they are floating-point, as ToTensor makes them, times 255."""
    if not np.issubdtype(pixels.dtype, np.floating):
        return pixels
    scaled = np.round(255 * pixels)
    if not (
        np.abs(255 * pixels - scaled).max() < 1e-3 and 0 <= scaled.min() <= scaled.max() < 256
    ):
        found = f"{pixels.min():.4g} to {pixels.max():.4g}"
        raise DataError(
            f"{place}: expected pixels 0 to 255, or k / 255, found {found}; leave Normalize out, "
            "tinytrain normalises, and make pixels of other scales uint8 from 0 to 255"
        )
    return scaled.astype(np.uint8)
