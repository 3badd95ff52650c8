"""Read images and labels from .npz, .npy and IDX files whose names say what they hold.

The name of an array or a file (x_train, train_images, kmnist-train-labels.npy) is all that counts,
never the order of files on the command line, which is that of the alphabet: test before train.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx
from tinytrain.store.files import AnyPath, open_file, require
from tinytrain.store.labelled import Found, Labelled

SPLITS = {"train": "train", "training": "train", "test": "test", "t10k": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
KINDS = dict.fromkeys(("images", "image", "imgs", "img", "x"), "images")
KINDS |= dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels")


def split_and_kind(name: str) -> tuple[str, str]:
    """The split and the kind in a name, such as ("train", "images"); "" for one that is not."""
    words = re.split("[^a-z0-9]+", name.lower())
    splits, kinds = ({known[word] for word in words if word in known} for known in (SPLITS, KINDS))
    return "".join(splits), "".join(kinds)


def read_by_name(names: Mapping[str, str], read: Callable[[str], idx.Array], whole: str) -> Found:
    """Read the arrays whose names have a split and a kind; the others are left out.

    `names`: place -> name of each array; `read` gets a place; `whole` is the place of them all.
    Raises DataError where they are not images and labels of one split, or of train and test.
    """
    places: dict[tuple[str, str], str] = {}
    left_out = []
    for place, name in names.items():
        split, kind = split_and_kind(name)
        if split in ("train", "test", "") and kind in ("images", "labels"):
            other = places.setdefault((split, kind), place)
            require(other == place, place, f"one place for {split} {kind}", f"{other}, too")
        else:
            left_out.append(place)
    splits = sorted({split for split, _ in places}, reverse=True)
    complete = len(places) == 2 * len(splits) and splits in (["train", "test"], splits[:1])
    expected = "x_train, y_train, x_test, y_test, or train_images, …, or images and labels"
    require(complete and bool(splits), whole, expected, ", ".join(names.values()) or "nothing")
    pairs = {}
    for split in splits:
        place, labels_place = places[split, "images"], places[split, "labels"]
        pairs[split] = Labelled(read(place), read(labels_place), place, labels_place)
    return Found(pairs, left_out=left_out)


def read_files(paths: Sequence[Path]) -> Found:
    """The arrays in .npy or IDX files, one array a file."""
    names = {str(path): path.name for path in paths}
    found = read_by_name(names, read_file, ", ".join(map(str, paths)))
    for place in found.left_out:
        raise UsageError(f"{place}: expected a name that says train or test, or leave it out")
    return found


def read_file(path: str) -> idx.Array:
    """The array in a .npy or an IDX file. Raises DataError."""
    if not path.lower().endswith(".npy"):
        return idx.read(path)
    with numpy_errors(path, ".npy file"), open_file(path) as file:
        array: idx.Array = np.lib.format.read_array(file, allow_pickle=False)
        require(not file.read(1), path, "the end of the file after the array", "more")
    return array


def read_npz(path: Path) -> Found:
    """The arrays in an .npz file."""
    with numpy_errors(path, ".npz file"), open_file(path) as file:
        archive = np.load(file, allow_pickle=False)
        require(isinstance(archive, NpzFile), path, "an .npz file", "a single array")
        names = {f"{path}: {key}": key for key in archive.files}

        def read(place: str) -> idx.Array:
            with numpy_errors(place, "array"):
                array: idx.Array = archive[names[place]]
                return array

        return read_by_name(names, read, str(path))


@contextmanager
def numpy_errors(place: AnyPath, kind: str) -> Iterator[None]:
    """Within this context, raise DataError, in one line, for whatever numpy raises."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # of many types, for bytes that cannot be read
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{place}: expected a whole {kind}, found: {reason}") from error
