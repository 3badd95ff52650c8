"""What people keep images in, and how to read it: image files by class, .npz, .npy, IDX, CSV.

What is in an array is said by its name (x_train, train_images, kmnist-train-labels.npy) and by
nothing else: the order of files on a command line is that of the alphabet, where test comes before
train. Every reader gives the same, images with their labels and the places that they came from, so
that whoever finds something wrong can say where.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx
from tinytrain.store.files import AnyPath, open_file, require

SPLITS = {"train": "train", "training": "train", "test": "test", "t10k": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
KINDS = dict.fromkeys(("images", "image", "imgs", "img", "x"), "images")
KINDS |= dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels")


@dataclass(frozen=True)
class Pair:
    """Images with their labels, as they were read, and where each came from."""

    images: idx.Array
    labels: idx.Array
    place: str
    labels_place: str


@dataclass(frozen=True)
class Found:
    """Pairs by split, "train" and "test", or only one where nothing says which of it is which.

    `names` are those of the classes, where they have some; `left_out` is what nobody asked for.
    """

    pairs: Mapping[str, Pair]
    names: Sequence[str] = ()
    left_out: Sequence[str] = ()


def role(name: str) -> tuple[str, str]:
    """Split and kind that a name speaks of, ("train", "images"); "" for what it does not say."""
    words = re.split("[^a-z0-9]+", name.lower())
    splits, kinds = ({known[word] for word in words if word in known} for known in (SPLITS, KINDS))
    return "".join(splits), "".join(kinds)


def by_name(names: Mapping[str, str], load: Callable[[str], idx.Array], whole: str) -> Found:
    """The arrays at these places, by what their names say; what is neither goes unread.

    `names` is by place, `load` gets the array of a place, and `whole` is the place of them all.
    """
    places: dict[tuple[str, str], str] = {}
    left_out = []
    for place, name in names.items():
        split, kind = role(name)
        if split in ("train", "test", "") and kind in ("images", "labels"):
            other = places.setdefault((split, kind), place)
            require(other == place, place, f"one place for {split} {kind}", f"{other}, too")
        else:
            left_out.append(place)
    splits = sorted({split for split, _ in places}, reverse=True)
    pairs_up = len(places) == 2 * len(splits) and splits in (["train", "test"], splits[:1])
    expected = "x_train, y_train, x_test, y_test, or train_images, …, or images and labels"
    found = ", ".join(names.values()) or "nothing"
    require(pairs_up and bool(splits), whole, expected, found)
    pairs = {}
    for split in splits:
        place, labels_place = places[split, "images"], places[split, "labels"]
        pairs[split] = Pair(load(place), load(labels_place), place, labels_place)
    return Found(pairs, left_out=left_out)


def read_files(paths: Sequence[Path]) -> Found:
    """The arrays in .npy or IDX files, a file each, by the names of the files."""
    names = {str(path): path.name for path in paths}
    found = by_name(names, read_file, ", ".join(map(str, paths)))
    for place in found.left_out:
        raise UsageError(f"{place}: expected a name that says train or test, or leave it out")
    return found


def read_file(place: str) -> idx.Array:
    """The array in a .npy or an IDX file. Raises DataError."""
    if not place.lower().endswith(".npy"):
        return idx.read(place)
    with reading(place, ".npy file"), open_file(place) as file:
        array: idx.Array = np.lib.format.read_array(file, allow_pickle=False)
        require(not file.read(1), place, "the end of the file after the array", "more")
    return array


def read_npz(path: Path) -> Found:
    """The arrays in an .npz file, by their names."""
    with reading(path, ".npz file"), open_file(path) as file:
        archive = np.load(file, allow_pickle=False)
        require(isinstance(archive, NpzFile), path, "an .npz file", "a single array")
        names = {f"{path}: {key}": key for key in archive.files}
        return by_name(names, lambda place: entry(archive, place, names[place]), str(path))


def entry(archive: Mapping[str, idx.Array], place: str, key: str) -> idx.Array:
    """An array of an .npz. Raises DataError."""
    with reading(place, "array"):
        return archive[key]


@contextmanager
def reading(place: AnyPath, kind: str) -> Iterator[None]:
    """Within this context whatever numpy raises becomes a DataError, one line."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # of many types, for bytes that cannot be read
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{place}: expected a whole {kind}, found: {reason}") from error


def read_all_csv(sources: Sequence[Path]) -> Found:
    """CSV files, one for training and one for the test, by their names; or only one."""
    splits = [role(path.name)[0] for path in sources]
    if len(sources) > 1 and sorted(splits) != ["test", "train"]:
        raise UsageError(
            f"{' '.join(map(str, sources))}: expected one CSV file, or two with names that say "
            "train and test, such as mnist_train.csv mnist_test.csv"
        )
    return Found({split: read_csv(path) for split, path in zip(splits, sources, strict=True)})


def read_csv(path: Path) -> Pair:
    """Lines "label, pixel, pixel, …", uint8: images (N, P) and labels (N,).

    A first line that does not begin with a number is a header; it says which column is the label.
    Raises DataError, which names the line.
    """
    labels, pixels, column, width = bytearray(), bytearray(), 0, 0
    try:
        with open_file(path) as file:
            lines = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig"))
            for line in filter(None, lines):
                place = f"{path}, line {lines.line_num}"
                if not width and not line[0].strip().isdecimal():
                    column = label_column(line, place)
                else:
                    numbers = line_of_bytes(line, place)
                    require(
                        len(line) == (width or len(line)), place, f"{width} numbers", len(line)
                    )
                    labels.append(numbers.pop(column))
                    pixels += numbers
                width = len(line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a CSV file, found: {error}") from error
    require(bool(pixels), path, "lines of a label and pixels", "none")
    images = np.frombuffer(pixels, np.uint8).reshape(len(labels), width - 1)
    return Pair(images, np.frombuffer(labels, np.uint8), str(path), str(path))


def label_column(header: Sequence[str], place: str) -> int:
    """Which of the columns is the label, by the header. Raises DataError where none says so."""
    found = [i for i, name in enumerate(header) if name.strip().lower() in ("label", "class")]
    expected = "a number, or a header with one column named label or class"
    require(len(found) == 1, place, expected, ", ".join(header[:3]) + ", …")
    return found[0]


def line_of_bytes(line: Sequence[str], place: str) -> bytearray:
    """Its numbers, each 0 to 255. Raises DataError, which shows the first that is not."""
    try:
        return bytearray(map(int, line))
    except ValueError as error:
        wrong = (text for text in line if not (text.strip().isdecimal() and int(text) <= 255))
        raise DataError(
            f"{place}: expected whole numbers from 0 to 255, found {next(wrong, line[0])!r}"
        ) from error
