"""Make a data set from arrays in memory."""

from typing import Any

import numpy as np
from torch import Tensor

from tinytrain.data.datasets import Dataset, Split, as_split, mean_and_std, require_together
from tinytrain.errors import DataError
from tinytrain.store import idx
from tinytrain.store.files import require


def from_arrays(
    train_images: Any, train_labels: Any, test_images: Any, test_labels: Any, name: str = "own"
) -> Dataset:
    """A `Dataset` of copies of numpy arrays or tensors, on the CPU.

    Images are uint8 (N, H, W), grey, (N, C, H, W) or (N, H, W, C), pixels 0 … 255; where they are
    augmented, empty ground is 0. Labels are integers (N,), 0 … 255; the test has no label that
    training does not have. Raises DataError, which names the array, for anything else.
    """
    train = split_from(train_images, train_labels, "train")
    test = split_from(test_images, test_labels, "test")
    require_together(train, test, "test_images", "test_labels")
    mean, std = mean_and_std(train.images)
    require(std > 0, "train_images", "images that aren't all alike", f"pixels of {255 * mean:g}")
    classes = int(train.labels.max()) + 1
    return Dataset(name, train, test, mean, std, (), 0, classes)


def split_from(images: Any, labels: Any, part: str) -> Split:
    """A Split of copies of images and labels; `part` is "train" or "test"."""
    places = f"{part}_images", f"{part}_labels"
    return as_split(as_array(images, places[0]), as_array(labels, places[1]), *places)


def as_array(value: Any, name: str) -> idx.Array:
    """A copy of an array or tensor as an array."""
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        return np.array(array, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: expected a numpy array or a tensor, found {error}") from error
