"""A data set made of arrays that a program already has.

What is trained on such a set can be compared with nothing that was published, so it is held to the
same checks: sizes that agree, labels that training has, a digest of every byte. The digest is that
of the IDX files that would hold the arrays, so a set in memory and the same in a folder are known
to be one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tinytrain.data.datasets import Dataset, Split, joined, mean_and_std, require_together
from tinytrain.errors import DataError
from tinytrain.store import idx
from tinytrain.store.files import require


def from_arrays(
    train_images: Any,
    train_labels: Any,
    test_images: Any,
    test_labels: Any,
    name: str = "own",
) -> Dataset:
    """A `Dataset` of copies of numpy arrays or tensors, on the CPU.

    Images are uint8 (N, H, W), grey, or (N, C, H, W), pixels 0 … 255; where they are augmented,
    what a moved image leaves empty is 0. Labels are integers (N,), 0 … 255, in the test only such
    as training has. Raises DataError, which names the array, where anything else is given.
    """
    train = as_split(train_images, train_labels, "train_images", "train_labels")
    test = as_split(test_images, test_labels, "test_images", "test_labels")
    require_together(train, test, "test_images", "test_labels")
    mean, std = mean_and_std(train.images)
    require(std > 0, "train_images", "images that aren't all alike", f"pixels of {255 * mean:g}")
    classes = int(train.labels.max()) + 1
    return Dataset(name, train, test, mean, std, digests(train, test), 0, classes)


def as_split(images: Any, labels: Any, place: str, labels_place: str) -> Split:
    """Copies of images and labels, checked. Raises DataError, which names a place."""
    return joined(as_array(images, place), as_array(labels, labels_place), place, labels_place)


def as_array(value: Any, name: str) -> idx.Array:
    """A copy of an array or tensor as an array. Raises DataError for what can't become one."""
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        return np.array(array, order="C")
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name}: expected a numpy array or a tensor, found {reason}") from error


def as_files(split: Split) -> tuple[idx.Array, idx.Array]:
    """Images (N, H, W), or (N, C, H, W) in colour, and labels (N,), uint8: what IDX files hold."""
    images = split.images[:]  # a copy where they are stored
    images = images[:, 0] if images.shape[1] == 1 else images
    return images.numpy(), split.labels.numpy().astype(np.uint8)


def write_files(folder: Path, name: str, split: Split) -> None:
    """Write images and labels as IDX files NAME-images-idx3-ubyte (4 in colour) and
    NAME-labels-idx1-ubyte. Raises UsageError where they cannot be written.
    """
    images, labels = as_files(split)
    idx.write(folder / f"{name}-images-idx{images.ndim}-ubyte", images)
    idx.write(folder / f"{name}-labels-idx1-ubyte", labels)


def digests(*splits: Split) -> tuple[str, ...]:
    """The `Dataset.digests` of files that hold these splits."""
    contents = (idx.plain(array) for split in splits for array in as_files(split))
    return tuple(hashlib.sha256(content).hexdigest() for content in contents)
