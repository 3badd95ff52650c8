"""Images with their labels, as they were read from files of any form, and as uint8 arrays.

Numbers are never scaled or guessed: what is not a whole number from 0 to 255 is refused, with the
place that it was read from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tinytrain import streams
from tinytrain.errors import UsageError
from tinytrain.store.files import AnyPath, require
from tinytrain.store.idx import Array
from tinytrain.store.on_disk import Images, Stored, StoredImages


@dataclass(frozen=True)
class Labelled:
    """uint8 images and labels as they were read, and the place of the images: a file, a folder."""

    images: Array
    labels: Array
    place: str


@dataclass(frozen=True)
class Found:
    """Images and labels by split: "train" and "test", or a single one where no name says which.

    `names`: of the classes, in the order of their labels, if they have names; `left_out`: places
    that were not read.
    """

    splits: Mapping[str, Labelled]
    names: Sequence[str] = ()
    left_out: Sequence[str] = ()


def as_arrays(found: Labelled, size: tuple[int, int] | None, transpose: bool) -> Labelled:
    """The same as images (N, H, W) or (N, 3, H, W) and labels (N,). Raises DataError.

    Images (N, P) are rows of P pixels: of `size` (height, width), or else of a square.
    """
    images, labels, place = found.images, found.labels, found.place
    if images.ndim == 2:
        count = images.shape[1]
        height, width = size or (math.isqrt(count), math.isqrt(count))
        expected = f"{height} × {width} pixels an image (or another --size HEIGHTxWIDTH)"
        require(height * width == count, place, expected, count)
        images = images.reshape(-1, height, width)
    elif size is not None:
        raise UsageError(f"--size: not needed: {place} has images of {images.shape[1:]}")
    images = np.asarray(as_images(images, place))
    images = images[:, 0] if images.shape[1] == 1 else images
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    expected = f"a label for each of {len(images)} images, (N,)"
    require(labels.shape == images.shape[:1], place, expected, labels.shape)
    return Labelled(images.swapaxes(-1, -2) if transpose else images, labels, place)


def as_images(images: Stored, place: AnyPath) -> Images:
    """uint8 images (N, C, H, W) of (N, H, W), (N, C, H, W) or (N, H, W, C), in memory or stored.

    An axis of at most four is taken for that of the channels. Raises DataError, which names the
    place, where they are not that, or their channels are last and not 1 or 3: grey or colour with
    transparency.
    """
    if isinstance(images, np.ndarray):
        fits = images.dtype == np.uint8 and images.ndim in (3, 4) and images.size > 0
        found = f"{images.dtype} {images.shape}"
        require(fits, place, "images, uint8 (N, H, W) or (N, C, H, W), none empty", found)
        images = images[:, None] if images.ndim == 3 else images
    first, last = images.shape[1], images.shape[3]
    channels_last = first > 4 >= last
    expected = "images (N, C, H, W), or (N, H, W, C) of 1 or 3 channels without transparency"
    require(not channels_last or last in (1, 3), place, expected, tuple(images.shape))
    if isinstance(images, StoredImages):
        return images.with_channels_first() if channels_last else images
    if channels_last:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return torch.from_numpy(images)


def is_byte(array: Array) -> Array:
    """Whether each number is a whole one from 0 to 255."""
    whole: Array = np.floor(array) == array
    return whole & (array >= 0) & (array <= 255)


def as_bytes(array: Array, place: AnyPath) -> Array:
    """The same numbers as uint8. Raises DataError for one that is no whole number 0 to 255."""
    numbers = array.dtype.kind in "uif" and array.ndim > 0
    require(numbers, place, "an array of numbers", array.dtype)
    fits = is_byte(array)
    if not fits.all():
        require(False, place, "whole numbers from 0 to 255", array[~fits][0])
    return array.astype(np.uint8)


def divided(found: Labelled, share: float) -> Mapping[str, Labelled]:
    """Take that share of every class for the test, the same images each time.

    At least one image of a class stays in training. Raises DataError where none is for the test.
    """
    test = np.zeros(len(found.labels), bool)
    for label in np.unique(found.labels):
        rows = np.flatnonzero(found.labels == label)
        generator = streams.generator(0, "test-share", int(label))
        order = torch.randperm(len(rows), generator=generator).numpy()
        test[rows[order[: min(round(share * len(rows)), len(rows) - 1)]]] = True
    enough = f"a class of enough images for --test-share {share:g}"
    require(bool(test.any()), found.place, enough, f"{len(test)} images in all")
    return {
        split: Labelled(found.images[rows], found.labels[rows], found.place)
        for split, rows in (("train", ~test), ("test", test))
    }
