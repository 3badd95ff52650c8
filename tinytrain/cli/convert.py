"""Images in the forms that people have them become four IDX files, exactly or not at all.

A converter that guesses spoils data silently: it scales what was scaled, drops a channel, shuffles
test into training. So numbers stay the numbers that they were, what is training and what is test
is said by names or by --test-share, and what cannot be kept is refused. The folder takes its name
when all that is in it is written and checked.
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from tinytrain import streams
from tinytrain.cli.images import read_folder
from tinytrain.cli.look import NAMES
from tinytrain.cli.readers import Found, Pair, read_all_csv, read_files, read_npz
from tinytrain.data.arrays import from_arrays, write_files
from tinytrain.data.datasets import Dataset, load_source
from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, manifest
from tinytrain.store.files import require, whole_folder, write_file


def convert(options: argparse.Namespace) -> None:
    """Write what the sources hold as IDX files into a new folder, and say what it is."""
    output = require_new(options.output)
    found = read(options.sources)
    dataset = as_dataset(found, options)
    with whole_folder(output) as folder:
        write_files(folder, "train", dataset.train)
        write_files(folder, "test", dataset.test)
        if found.names:
            write_file(folder / NAMES, "".join(f"{name}\n" for name in found.names))
        manifest.verify(folder, load_source)
    if found.left_out:
        print(f"Left out: {', '.join(found.left_out)}")
    size = " × ".join(map(str, dataset.train.images.shape[1:]))
    print(
        f"{len(dataset.train):,} training and {len(dataset.test):,} test images of "
        f"{dataset.classes} classes, {size}, are in {output} (sha256 {dataset.digest})"
    )
    command = shlex.join(["python", "-m", "tinytrain", "data", "info", "--dataset", str(output)])
    print(f"Look at them: {command}")


def require_new(output: Path) -> Path:
    """The absolute path of a folder to make. Raises UsageError where something is there."""
    resolved = output.resolve()
    if resolved.exists() and not (resolved.is_dir() and not any(resolved.iterdir())):
        raise UsageError(f"--output {output}: is there already; name a new folder")
    return resolved


def read(sources: Sequence[Path]) -> Found:
    """What the sources hold. Raises DataError for what cannot be read, or lacks a part.

    Raises UsageError for sources of which nobody can say how they go together.
    """
    for path in sources:
        require(path.exists(), path, "a file or a folder", "nothing there")
    kinds = {"folder" if path.is_dir() else path.suffix.lower() for path in sources}
    if len(sources) == 1 and kinds == {"folder"}:
        return read_folder(sources[0])
    if len(sources) == 1 and kinds == {".npz"}:
        return read_npz(sources[0])
    if kinds == {".csv"}:
        return read_all_csv(sources)
    if kinds & {"folder", ".npz", ".csv"}:
        raise UsageError(
            f"{' '.join(map(str, sources))}: expected one folder of images, one .npz, or files of "
            "one kind: .npy or IDX, a file for images and one for labels, or .csv"
        )
    return read_files(sources)


def as_dataset(found: Found, options: argparse.Namespace) -> Dataset:
    """What was read, in the shape of a data set and checked as one."""
    pairs: Mapping[str, Pair] = {
        split: as_images(pair, options.size, options.transpose)
        for split, pair in found.pairs.items()
    }
    if len(pairs) == 1:
        [pair] = pairs.values()
        if options.test_share is None:
            raise UsageError(
                f"--test-share: needed, such as --test-share 0.2: {pair.place} is all there is, "
                "and nothing says which of it is for the test"
            )
        pairs = shared_out(pair, options.test_share)
    elif options.test_share is not None:
        raise UsageError(f"--test-share: not needed: {pairs['test'].place} is the test")
    train, test = pairs["train"], pairs["test"]
    try:
        return from_arrays(train.images, train.labels, test.images, test.labels)
    except DataError as error:
        raise DataError(f"{' '.join(map(str, options.sources))}: {error}") from error


def as_images(pair: Pair, size: tuple[int, int] | None, transpose: bool) -> Pair:
    """The pair as uint8 (N, H, W) or (N, C, H, W) and (N,). Raises DataError where it is not.

    Images (N, P) are so many pixels in a row: of `size`, or of a square. Of (N, H, W, C) the
    channels come first: 1 or 3 of them at the end are channels, as is usual outside of torch.
    """
    images, labels = as_bytes(pair.images, pair.place), as_bytes(pair.labels, pair.labels_place)
    if images.ndim == 2:
        count = images.shape[1]
        height, width = size or (math.isqrt(count), math.isqrt(count))
        expected = f"{height} × {width} pixels an image (or another --size HEIGHTxWIDTH)"
        require(height * width == count, pair.place, expected, count)
        images = images.reshape(-1, height, width)
    elif size is not None:
        raise UsageError(f"--size: not needed: {pair.place} says the size: {images.shape[1:]}")
    if images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        images = np.moveaxis(images, 3, 1)
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    expected = f"a label for each of {len(images)} images, (N,)"
    require(labels.shape == images.shape[:1], pair.labels_place, expected, labels.shape)
    images = images.swapaxes(-1, -2) if transpose else images
    return Pair(images, labels, pair.place, pair.labels_place)


def as_bytes(array: idx.Array, place: str) -> idx.Array:
    """The same numbers as uint8. Raises DataError for one that is no whole number 0 to 255."""
    require(
        array.dtype.kind in "uif" and array.ndim > 0, place, "an array of numbers", array.dtype
    )
    fits = (array >= 0) & (array <= 255) & (np.floor(array) == array)
    if not fits.all():
        require(False, place, "whole numbers from 0 to 255", array[~fits][0])
    return array.astype(np.uint8)


def shared_out(pair: Pair, share: float) -> Mapping[str, Pair]:
    """The pair as training and test: of every class that share is for the test, always the same.

    Of a class at least one image stays for training, so that the test has no class that it lacks.
    """
    test = np.zeros(len(pair.labels), bool)
    for label in np.unique(pair.labels):
        rows = np.flatnonzero(pair.labels == label)
        draw = streams.generator(0, "test-share", int(label))
        chosen = torch.randperm(len(rows), generator=draw).numpy()
        test[rows[chosen[: min(round(share * len(rows)), len(rows) - 1)]]] = True
    least = f"a class of enough images for --test-share {share:g}"
    require(bool(test.any()), pair.place, least, f"{len(pair.labels)} images in all")
    return {
        name: Pair(pair.images[rows], pair.labels[rows], pair.place, pair.labels_place)
        for name, rows in (("train", ~test), ("test", test))
    }
