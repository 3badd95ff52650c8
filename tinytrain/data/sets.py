"""MNIST and its drop-in replacements: four IDX files, each with a published digest.

A training run is only worth repeating if it starts from the same bytes. So every byte is checked
each time it's loaded, not once when it was downloaded; that takes a fraction of a second. The test
set is for the last word: `load(holdout=5000)` plays the test set with training images, so that
choosing among ideas never looks at it. `load(fold="2/5")` does so with the second fifth of them:
five runs, a fold each, test every training image once (cross-validation).
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import idx
from tinytrain.data.deskew import deskew
from tinytrain.data.files import BY_FLAG, AnyPath, make_folder, require
from tinytrain.data.sources import SOURCES, File, Source
from tinytrain.errors import DataError, UsageError


@dataclass(frozen=True, eq=False)
class Split:
    """`images`: uint8 (N, 1, 28, 28), or of another square size; `labels`: int64 (N,), 0 … 9."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images and labels on `device`."""
        return Split(self.images.to(device), self.labels.to(device))

    def rows(self, rows: Tensor) -> Split:
        """The images and labels in these rows."""
        return Split(self.images[rows], self.labels[rows])

    def upright(self) -> Split:
        """The same digits, deskewed."""
        return Split(deskew(self.images), self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set, and what belongs to both.

    `mean`, `std`: of the pixels of the whole training file, as numbers from 0 to 1.
    `digest`: sha256 (hex) of the sha256 (hex) of the loaded files' plain bytes, one after another.
    `holdout`: 0, or how many training images play the test set.
    `classes`: how many there are; a label is 0 … classes − 1.
    """

    name: str
    train: Split
    test: Split
    mean: float
    std: float
    digest: str
    holdout: int
    classes: int = 10


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
    name: str = "mnist",
    data_dir: AnyPath | None = None,
    holdout: int = 0,
    deskew: bool = False,
    fold: str = "",
) -> Dataset:
    """The set `name` (a key of SOURCES), checked; what's missing is downloaded or drawn first.

    With `holdout` = N the test set is N training images, the same ones in every run; the test
    files are neither opened nor downloaded. With `fold` = "K/N" they are part K of N. With
    `deskew` all images are upright; mean, std and digest stay those of the files. Raises
    UsageError for an unknown name, a `holdout` outside 0 … count - 1 or other than the fold's, or
    a folder that can't be written; DataError for files that are missing, damaged, or not the
    published ones.
    """
    if name not in SOURCES:
        raise UsageError(f"dataset: expected one of {', '.join(SOURCES)}, found {name!r}")
    return load_source(SOURCES[name], data_root(data_dir), holdout, deskew, fold)


def load_source(
    source: Source, root: Path, holdout: int = 0, deskew: bool = False, fold: str = ""
) -> Dataset:
    """`load` for any source; `root` is the folder that has (or gets) the folder `source.name`."""
    folder = root / source.name
    fetch_missing(source, source.files[:2] if holdout or fold else source.files, folder)
    train, digests = read_split(source.files[:2], folder)
    count = len(train)
    if not 0 <= holdout < count:
        raise UsageError(f"holdout: expected 0 to {count - 1} of {source.name}, found {holdout}")
    mean, std = source.mean_and_std or mean_and_std(train.images)
    if holdout or fold:
        order, holdout = held_out_first(count, holdout, fold)
        test, train = train.rows(order[:holdout]), train.rows(order[holdout:])
    else:
        test, test_digests = read_split(source.files[2:], folder)
        digests += test_digests
    shape, test_shape = tuple(train.images.shape), tuple(test.images.shape)
    fit = std > 0 and shape[1:] == test_shape[1:]
    found = f"{shape} and {test_shape}, standard deviation {std}"
    require(fit, folder, "images of one size that aren't all alike", found)
    if deskew:
        train, test = train.upright(), test.upright()
    digest = hashlib.sha256(digests.encode()).hexdigest()
    return Dataset(source.name, train, test, mean, std, digest, holdout)


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


def mean_and_std(images: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of uint8 `images`, as numbers from 0 to 1.

    Pixels have 256 values, so counting them gives the exact sums, in integers.
    """
    parts = torch.split(images, 1000)  # bincount makes an int64 of every pixel
    counted = [torch.bincount(part.reshape(-1), minlength=256) for part in parts]
    counts, value = torch.stack(counted).sum(0), torch.arange(256)
    total, first, second = (int((counts * value**power).sum()) for power in range(3))
    return first / total / 255, math.sqrt(total * second - first**2) / total / 255


def present(file: File, folder: Path) -> list[Path]:
    """Those of the plain file and the .gz that are there."""
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return [path for path in paths if os.path.exists(path)]


def fetch_missing(source: Source, files: tuple[File, ...], folder: Path) -> None:
    """Get those of `files` that aren't in `folder`."""
    missing = [file for file in files if not present(file, folder)]
    if missing and source.write_files is not None:
        if any(present(file, folder) for file in source.files):
            names = ", ".join(file.name for file in missing)
            raise DataError(f"{folder}: {names} missing; delete the rest, and all is drawn anew")
        try:
            make_folder(folder)
            source.write_files(folder)
        except UsageError as error:
            raise UsageError(f"{error} {BY_FLAG}") from error
    elif missing:
        from tinytrain.data import download  # only here: it imports the network code

        unreachable: dict[str, str] = {}
        for file in missing:
            check = partial(read_verified, file)
            download.fetch(f"{file.name}.gz", source.mirrors, folder, check, unreachable)


def read_verified(file: File, path: Path, packed: bool = True) -> tuple[idx.Array, str]:
    """The array in `path` and the sha256 (hex) of its plain bytes; DataError unless it's `file`.

    Where only the .gz has a published digest, a plain file is checked for its size alone.
    """
    hasher = hashlib.sha256()
    array = idx.read(path, file.size, hasher)
    sha256 = hasher.hexdigest()
    require(file.sha256 in (None, sha256), path, f"content of sha256 {file.sha256}", sha256)
    if packed:
        content = path.read_bytes()
        require(content.startswith(idx.GZIP), path, "a gzip file", "a plain one")
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        require(file.md5 in (None, md5), path, f"a file of md5 {file.md5}", md5)
    return array, sha256


def read_split(files: tuple[File, ...], folder: Path) -> tuple[Split, str]:
    """Images and labels that belong together, and the digests of their two files."""
    paths = [present(file, folder)[0] for file in files]
    try:
        (images, images_digest), (labels, labels_digest) = (
            read_verified(file, path, path.suffix == ".gz")
            for file, path in zip(files, paths, strict=True)
        )
        square = images.ndim == 3 and images.shape[1] == images.shape[2] > 0
        holds, found = images.dtype == np.uint8 and square, f"{images.dtype} {images.shape}"
        require(holds, paths[0], "square images, uint8 (N, H, W)", found)
        each = labels.shape == images.shape[:1] and len(images) > 0
        holds, found = labels.dtype == np.uint8 and each, f"{labels.dtype} {labels.shape}"
        require(holds, paths[1], f"a label for each of {len(images)} images, uint8 (N,)", found)
        require(labels.max() <= 9, paths[1], "labels 0 to 9", labels.max())
    except DataError as error:
        raise DataError(f"{error}; delete the file, and it is fetched again") from error
    split = Split(torch.from_numpy(images)[:, None], torch.from_numpy(labels).long())
    return split, images_digest + labels_digest
