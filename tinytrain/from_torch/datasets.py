"""Data sets and loaders of torch's or torchvision's, as tinytrain's."""

from typing import Any

import numpy as np
import torch

from tinytrain.data import Dataset, from_arrays
from tinytrain.errors import DataError

LOOKED_AT = 1000  # items that are read twice: a transform in one of a hundred is seen


def dataset(train: Any, test: Any, name: str = "own") -> Dataset:
    """A `Dataset` of two of torch's, such as torchvision's MNIST, or two of its `DataLoader`s.

    Items are pairs of an image, of Pillow (grey or RGB), (H, W) or (C, H, W), and a label. Pixels
    are 0 to 255, or those divided by 255, as ToTensor gives them. Of a loader, what it samples is
    taken; order and batches are the training's. Raises DataError for other pixels, as normalised
    ones, for items that are drawn anew each time, for a loader with a function or batches of
    its own, which are not asked, and what `from_arrays` raises.
    """
    return from_arrays(*images_and_labels(train, "train"), *images_and_labels(test, "test"), name)


def images_and_labels(source: Any, place: str) -> tuple[np.ndarray[Any, Any], list[Any]]:
    """Images, uint8 (N, H, W), (N, C, H, W) or (N, H, W, C), and labels of a set or a loader."""
    with torch.random.fork_rng():  # samplers draw
        try:
            items, rows = source, list(range(len(source)))
            if hasattr(source, "collate_fn"):
                items, rows = source.dataset, sampled(source, place)
            pairs, again = (
                [image_and_label(*items[row]) for row in some] for some in (rows, rows[:LOOKED_AT])
            )
        except (TypeError, KeyError, RuntimeError) as error:
            expected = "expected a data set of pairs, image and label, or a DataLoader of one"
            raise DataError(f"{place}: {expected}: {type(error).__name__}: {error}") from error
    if not all(
        image.tobytes() == other.tobytes() and np.array_equal(label, same)
        for (image, label), (other, same) in zip(pairs, again, strict=False)
    ):
        raise DataError(
            f"{place}: its images are drawn anew each time; leave the random transforms out, and "
            "give Training an augmentation"
        )
    try:
        stacked = np.stack([image for image, _ in pairs])
    except ValueError as error:
        raise DataError(
            f"{place}: expected one or more images, all of one size: {error}"
        ) from error
    return as_pixels(stacked, place), [label for _, label in pairs]


def sampled(loader: Any, place: str) -> list[int]:
    """The rows that a `DataLoader` samples, sorted. Raises DataError for what is not asked."""
    rows, again = sorted(loader.sampler), sorted(loader.sampler)
    plain = getattr(loader.collate_fn, "__name__", "") in ("default_collate", "default_convert")
    own_batches = loader.batch_sampler is not None and loader.batch_size is None
    if rows != again or len({*rows}) < len(rows) or own_batches or not plain:
        raise DataError(
            f"{place}: expected a loader of the same items in every epoch, each once, without a "
            "collate_fn or batch_sampler of its own; give its data set, or a Subset of that"
        )
    return rows


def image_and_label(image: Any, label: Any) -> tuple[np.ndarray[Any, Any], Any]:
    """The two of an item. Raises TypeError for a Pillow image that is not grey or RGB."""
    mode = getattr(image, "mode", None)  # of a tensor it is a function
    if isinstance(mode, str) and mode not in ("L", "RGB"):
        raise TypeError(f"an image of mode {mode}; take image.convert('RGB')")
    return np.asarray(image), label


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
