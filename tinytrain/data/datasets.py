"""A data set: training and test images with their labels, and what belongs to both.

The test images are for the final measurement. `load` can hold back training images to test on
instead, so that choosing among ideas never looks at the test set. In cross-validation these are
one fold of several: five runs, one a fold, test every training image once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import batches
from tinytrain.data.deskew import deskew as make_upright
from tinytrain.errors import UsageError
from tinytrain.store.files import AnyPath, require
from tinytrain.store.labelled import as_images
from tinytrain.store.on_disk import Images
from tinytrain.store.sources import Source, data_root, find_source, folder_of, read_pair


@dataclass(frozen=True, eq=False)
class Split:
    """`images`: uint8 (N, C, H, W), C 1 where they are grey; `labels`: int64 (N,), from 0.

    Images larger than memory stay in their file: `images[rows]` reads them.
    """

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images and labels on `device`."""
        return Split(self.images.to(device), self.labels.to(device))

    def rows(self, rows: Tensor | slice) -> Split:
        """The images and labels in these rows."""
        images = self.images
        images = images[rows] if isinstance(images, Tensor) else images.rows(rows)
        return Split(images, self.labels[rows])

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Split:
        """The same labels, and `function` of the images; of stored ones when they are read."""
        images = self.images
        images = function(images) if isinstance(images, Tensor) else images.mapped(function)
        return Split(images, self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set, and what belongs to both."""

    name: str  # a key of SOURCES, the path of a folder, or a name given to `from_arrays`
    train: Split
    test: Split
    mean: float  # of all pixels of the whole training file, from 0 to 1
    std: float
    digests: tuple[str, ...]  # sha256 (hex) of the plain bytes of each loaded file; () for arrays
    holdout: int  # how many training images are tested on, 0 for none
    classes: int  # the largest label of the whole training file, plus 1; some may have no image

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on `device`."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    @property
    def digest(self) -> str:
        """The sha256 (hex) of the digests of all loaded files, one after another; "" of none."""
        joined = "".join(self.digests)
        return hashlib.sha256(joined.encode()).hexdigest() if joined else ""


def load(
    name: AnyPath = "mnist",
    data_dir: AnyPath | None = None,
    holdout: int = 0,
    deskew: bool = False,
    fold: str = "",
) -> Dataset:
    """Load the set `name`, every file verified: a key of SOURCES, or a folder with four IDX files.

    Missing files of a set in SOURCES are downloaded or drawn first, into `data_dir`. A folder of
    one's own holds `train-images*`, `train-labels*`, `test-images*` and `test-labels*` (or
    `t10k-*`), plain or .gz: uint8 images (N, H, W) or (N, C, H, W), and labels (N,), 0 to 255.

    With `holdout` = N the test set is N training images, the same in every run, and the test files
    are neither opened nor downloaded. With `fold` = "K/N" it is part K of N of them.
    With `deskew` all images, which must be grey, are made upright; mean, std and digest stay those
    of the files. Raises UsageError for an unknown name, a `holdout` outside 0 … count - 1 or other
    than the fold's, colour to deskew, or a folder that cannot be written; DataError for files that
    are missing, damaged, not the published ones, or do not belong together.
    """
    return load_source(find_source(name), data_root(data_dir), holdout, deskew, fold)


def load_source(
    source: Source, root: Path, holdout: int = 0, deskew: bool = False, fold: str = ""
) -> Dataset:
    """`load` for any source; `root` is the folder that has (or gets) the folder `source.name`."""
    folder = folder_of(source, root)
    arrays, digests, paths = read_pair(source, source.files[:2], folder)
    train = as_split(*arrays, *paths)
    count, classes = len(train), int(train.labels.max()) + 1
    if not 0 <= holdout < count:
        raise UsageError(f"holdout: expected 0 to {count - 1} of {source.name}, found {holdout}")
    mean, std = source.mean_and_std or mean_and_std(train.images)
    require(std > 0, folder, "training images that aren't all alike", f"pixels of {255 * mean:g}")
    if holdout or fold:
        order, holdout = held_out_first(count, holdout, fold)
        test, train = train.rows(order[:holdout]), train.rows(order[holdout:])
    else:
        arrays, more, paths = read_pair(source, source.files[2:], folder)
        test, digests = as_split(*arrays, *paths), digests + more
        require_together(train, test, *paths)
    if deskew:
        if train.images.shape[1] != 1:
            raise UsageError(f"--dataset {source.name}: is in colour; leave --deskew out")
        train, test = train.mapped(make_upright), test.mapped(make_upright)
    return Dataset(source.name, train, test, mean, std, digests, holdout, classes)


def as_split(images: Any, labels: Any, place: AnyPath, labels_place: AnyPath) -> Split:
    """A Split of uint8 images (N, H, W) or (N, C, H, W) and integer labels (N,), 0 … 255.

    Images (N, H, W, 1) or (N, H, W, 3), as other libraries have them, become (N, C, H, W).
    Raises DataError, which names a place, the file or the array, where they are not that.
    """
    images = as_images(images, place)
    fits = np.issubdtype(labels.dtype, np.integer) and labels.shape == images.shape[:1]
    expected, found = f"a label for each of {len(images)} images", f"{labels.dtype} {labels.shape}"
    require(fits, labels_place, f"{expected}, integers (N,)", found)
    low, high = int(labels.min()), int(labels.max())
    require(low >= 0 and high <= 255, labels_place, "labels from 0 to 255", f"{low} to {high}")
    return Split(images, torch.from_numpy(labels.astype(np.int64)))


def require_together(train: Split, test: Split, place: AnyPath, labels_place: AnyPath) -> None:
    """Raise DataError, which names a place, where test images or labels don't suit training's."""
    size, other = (tuple(split.images.shape[1:]) for split in (train, test))
    require(size == other, place, f"images like those of training, (C, H, W) = {size}", other)
    # A class that is never trained on cannot be learned: such a test would measure the files.
    seen, tested = (torch.bincount(split.labels, minlength=256) for split in (train, test))
    unseen = ((tested > 0) & (seen == 0)).nonzero()[:, 0].tolist()
    found = ", ".join(map(str, unseen))
    require(not unseen, labels_place, "no label that training doesn't have", found)


def held_out_first(count: int, holdout: int, fold: str) -> tuple[Tensor, int]:
    """The rows of `count` images, those to be held out first, int64 (count,), and how many."""
    if not fold:
        return torch.randperm(count, generator=streams.generator(0, "holdout")), holdout
    part, parts = map(int, fold.split("/"))
    start, end = (count * piece // parts for piece in (part - 1, part))
    if not start < end or holdout not in (0, end - start):
        raise UsageError(f"fold {fold}: holds back {end - start} of {count}, not {holdout}")
    order = torch.randperm(count, generator=streams.generator(0, "fold"))
    return order.roll(-start), end - start


def mean_and_std(images: Images) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of uint8 `images`, as numbers from 0 to 1.

    Pixels have 256 values, so counting them gives the exact sums, in integers.
    """
    parts = batches.in_order(len(images), 1000)  # bincount makes an int64 of every pixel
    counted = [torch.bincount(images[rows].reshape(-1), minlength=256) for rows in parts]
    counts, value = torch.stack(counted).sum(0), torch.arange(256)
    total, first, second = (int((counts * value**power).sum()) for power in range(3))
    return first / total / 255, math.sqrt(total * second - first**2) / total / 255
