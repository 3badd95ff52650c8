"""MNIST, its drop-in replacements, and sets of one's own: four IDX files.

A training run is only worth repeating if it starts from the same bytes. So every byte is checked
each time it's loaded, not once when it was downloaded; that takes a fraction of a second. (Of more
images than are held in memory the length and the time of the file are: see `manifest`.) Where
nobody published a digest, that of what was found is kept with the run, and compared when the run
goes on. The test set is for the last word: `load(holdout=5000)` plays the test set with training
images, so that choosing among ideas never looks at it. `load(fold="2/5")` does so with the second
fifth of them: five runs, a fold each, test every training image once (cross-validation).
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import batches
from tinytrain.data.deskew import deskew
from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx
from tinytrain.store.files import AnyPath, require
from tinytrain.store.on_disk import Images, StoredImages
from tinytrain.store.sources import (
    SOURCES,
    File,
    Source,
    fetch_missing,
    in_folder,
    present,
    read_verified,
)


@dataclass(frozen=True, eq=False)
class Split:
    """`images`: uint8 (N, C, H, W), C 1 where they are grey; `labels`: int64 (N,), from 0.

    Images that are more than memory should hold are `StoredImages`: `images[rows]` reads them.
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
        taken = images.rows(rows) if isinstance(images, StoredImages) else images[rows]
        return Split(taken, self.labels[rows])

    def upright(self) -> Split:
        """The same images, which are grey, deskewed."""
        if isinstance(self.images, StoredImages):
            deskew(self.images[:1])  # raises for colour
            return Split(self.images.mapped(deskew), self.labels)
        return Split(deskew(self.images), self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set, and what belongs to both.

    `name`: a key of SOURCES, the path of a folder, or what `from_arrays` was given.
    `mean`, `std`: of all pixels of the whole training file, as numbers from 0 to 1.
    `digests`: the sha256 (hex) of the plain bytes of each loaded file.
    `holdout`: 0, or how many training images play the test set.
    `classes`: the largest label of the whole training file, plus 1. A class in between may have
    no image: EMNIST's letters are 1 … 26, and renumbering them would be less help than harm.
    """

    name: str
    train: Split
    test: Split
    mean: float
    std: float
    digests: tuple[str, ...]
    holdout: int
    classes: int

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on `device`."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    @property
    def digest(self) -> str:
        """The sha256 (hex) of the digests of all loaded files, one after another."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()


def data_root(data_dir: AnyPath | None = None) -> Path:
    """The folder of all sets: `data_dir` (the flag --data-dir), else $TINYTRAIN_DATA, else
    $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain.
    """
    named = data_dir or os.environ.get("TINYTRAIN_DATA")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return Path(named or cache / "tinytrain").expanduser()
    except RuntimeError as error:
        raise UsageError(f"{named or cache}: {error}; name a folder with --data-dir") from error


def load(
    name: AnyPath = "mnist",
    data_dir: AnyPath | None = None,
    holdout: int = 0,
    deskew: bool = False,
    fold: str = "",
) -> Dataset:
    """The set `name`, checked: a key of SOURCES, or a folder with four IDX files of one's own.

    What's missing of a set in SOURCES is downloaded or drawn first, into `data_dir`. The files of
    one's own are `train-images*`, `train-labels*`, `test-images*` and `test-labels*` (or `t10k-*`,
    MNIST's names), plain or .gz: uint8 images (N, H, W), or (N, C, H, W), and labels (N,) of 0 to
    255, in the test only such as training has.

    With `holdout` = N the test set is N training images, the same ones in every run; the test
    files are neither opened nor downloaded. With `fold` = "K/N" they are part K of N. With
    `deskew` all images are upright, which must be grey; mean, std and digest stay those of the
    files. Raises UsageError for an unknown name, a `holdout` outside 0 … count - 1 or other than
    the fold's, colour to deskew, or a folder that can't be written; DataError for files that are
    missing, damaged, not the published ones, or don't belong together.
    """
    source, folder = SOURCES.get(os.fspath(name)), Path(os.path.expanduser(name))
    if source is None and folder.is_dir():
        source = in_folder(folder.resolve())
    if source is None:
        sets = f"expected one of {', '.join(SOURCES)}, or a folder with four IDX files"
        raise UsageError(f"--dataset {name}: {sets}")
    return load_source(source, data_root(data_dir), holdout, deskew, fold)


def load_source(
    source: Source, root: Path, holdout: int = 0, deskew: bool = False, fold: str = ""
) -> Dataset:
    """`load` for any source; `root` is the folder that has (or gets) the folder `source.name`."""
    folder = root / source.name
    fetch_missing(source, source.files[:2] if holdout or fold else source.files, folder)
    train, digests = read_split(source, source.files[:2], folder)
    count, classes = len(train), int(train.labels.max()) + 1
    if not 0 <= holdout < count:
        raise UsageError(f"holdout: expected 0 to {count - 1} of {source.name}, found {holdout}")
    mean, std = source.mean_and_std or mean_and_std(train.images)
    require(std > 0, folder, "training images that aren't all alike", f"pixels of {255 * mean:g}")
    if holdout or fold:
        order, holdout = held_out_first(count, holdout, fold)
        test, train = train.rows(order[:holdout]), train.rows(order[holdout:])
    else:
        test, test_digests = read_split(source, source.files[2:], folder)
        require_together(train, test, *(folder / file.name for file in source.files[2:]))
        digests += test_digests
    if deskew:
        try:
            train, test = train.upright(), test.upright()
        except ValueError as error:
            raise UsageError(f"--dataset {source.name}: {error}; leave --deskew out") from error
    return Dataset(source.name, train, test, mean, std, digests, holdout, classes)


def joined(
    images: idx.Array | StoredImages, labels: idx.Array, place: AnyPath, labels_place: AnyPath
) -> Split:
    """uint8 images (N, H, W) or (N, C, H, W) and integer labels (N,), 0 … 255, as a Split.

    Raises DataError, which names a place, the file or the array, where they aren't that.
    """
    if not isinstance(images, StoredImages):
        holds = images.dtype == np.uint8 and images.ndim in (3, 4) and images.size > 0
        found = f"{images.dtype} {images.shape}"
        require(holds, place, "images, uint8 (N, H, W) or (N, C, H, W), none empty", found)
    holds = np.issubdtype(labels.dtype, np.integer) and labels.shape == images.shape[:1]
    expected, found = f"a label for each of {len(images)} images", f"{labels.dtype} {labels.shape}"
    require(holds, labels_place, f"{expected}, integers (N,)", found)
    low, high = int(labels.min()), int(labels.max())
    require(low >= 0 and high <= 255, labels_place, "labels from 0 to 255", f"{low} to {high}")
    as_labels = torch.from_numpy(labels.astype(np.int64))
    if isinstance(images, StoredImages):
        return Split(images, as_labels)
    return Split(torch.from_numpy(images if images.ndim == 4 else images[:, None]), as_labels)


def require_together(train: Split, test: Split, place: AnyPath, labels_place: AnyPath) -> None:
    """Raise DataError, which names a place, where test images or labels don't suit training's."""
    size, other = (tuple(split.images.shape[1:]) for split in (train, test))
    require(size == other, place, f"images like those of training, (C, H, W) = {size}", other)
    # Nothing can learn a class that it never sees, so such a test would measure the files.
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


def read_split(
    source: Source, files: tuple[File, ...], folder: Path
) -> tuple[Split, tuple[str, ...]]:
    """Images and labels that belong together, and the digests of their two files.

    Only of a file that a mirror has is it said that it comes back; nobody is told to delete one.
    """
    paths = [present(file, folder)[0] for file in files]
    try:
        arrays, digests = zip(
            *(
                read_verified(file, path, path.suffix == ".gz")
                for file, path in zip(files, paths, strict=True)
            ),
            strict=True,
        )
        return joined(*arrays, *paths), digests
    except DataError as error:
        if source.mirrors:
            raise DataError(f"{error}; move the file away, and it is fetched again") from error
        if files[0].mtime_ns is not None:
            verify = f"python -m tinytrain data verify {folder}"
            raise DataError(f"{error}; {verify} compares every byte") from error
        raise
