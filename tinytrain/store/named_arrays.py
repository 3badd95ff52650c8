"""Read images and labels from .npz, .npy and IDX files whose names say what they hold.

The name of an array or a file (x_train, train_images, kmnist-train-labels.npy) is all that counts,
never the order of files on the command line, which is that of the alphabet: test before train.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from tinytrain.errors import UsageError
from tinytrain.store import idx, on_disk
from tinytrain.store.files import AnyPath, cut, open_file, reading, require
from tinytrain.store.labelled import Found, Labelled, as_bytes, as_images
from tinytrain.store.on_disk import Images

SPLITS = dict.fromkeys(("train", "training"), "train")
SPLITS |= dict.fromkeys(("test", "testing", "t10k"), "test")
SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "validation")
KINDS = dict.fromkeys(("images", "image", "imgs", "img", "x"), "images")
KINDS |= dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels")
# Of each place its name, and a function that reads the array there.
Arrays: TypeAlias = dict[str, tuple[str, Callable[[], idx.Array]]]


def split_and_kind(name: str) -> tuple[str, str]:
    """The split and the kind in a name, such as ("train", "images"); "" for one that is not."""
    words = re.split("[^a-z0-9]+", name.lower())
    splits, kinds = ({known[word] for word in words if word in known} for known in (SPLITS, KINDS))
    return "".join(splits), "".join(kinds)


def with_a_test(splits: Sequence[str]) -> list[str]:
    """The same splits; the validation is the test where there is training and no test."""
    lacking = "train" in splits and "test" not in splits
    return ["test" if lacking and split == "validation" else split for split in splits]


def read_by_name(arrays: Arrays, whole: str) -> Found:
    """Read the arrays whose names have a split and a kind; the others are left out.

    `whole`: the place of them all. Raises DataError where they are not images and labels of one
    split, or of train and test.
    """
    places: dict[tuple[str, str], str] = {}
    left_out = []
    found_splits, kinds = zip(*(split_and_kind(name) for name, _ in arrays.values()), strict=True)
    for place, split, kind in zip(arrays, with_a_test(found_splits), kinds, strict=True):
        if split in ("train", "test", "") and kind in ("images", "labels"):
            other = places.setdefault((split, kind), place)
            require(other == place, place, f"one place for {split} {kind}", f"{other}, too")
        else:
            left_out.append(place)
    splits = sorted({split for split, _ in places}, reverse=True)
    complete = len(places) == 2 * len(splits) and splits in (["train", "test"], splits[:1])
    expected = "x_train, y_train, x_test, y_test, or train_images, …, or images and labels"
    found = cut(", ".join(name for name, _ in arrays.values())) or "nothing"
    require(complete and bool(splits), whole, expected, found)
    pairs = {}
    for split in splits:
        images, labels = (places[split, kind] for kind in ("images", "labels"))
        pairs[split] = Labelled(arrays[images][1](), arrays[labels][1](), images)
    return Found(pairs, left_out=left_out)


def read_files(paths: Sequence[Path]) -> Found:
    """The arrays in .npy or IDX files, one array a file."""
    arrays: Arrays = {str(path): (path.name, partial(read_file, path)) for path in paths}
    found = read_by_name(arrays, ", ".join(arrays))
    for place in found.left_out:
        raise UsageError(f"{place}: expected a name that says train or test, or leave it out")
    return found


def read_file(path: Path) -> idx.Array:
    """The numbers in an .npy or IDX file, uint8."""
    if path.suffix.lower() != ".npy":
        return as_bytes(idx.read(path), path)
    with reading(path, "a whole .npy file", Exception), open_file(path) as file:
        return read_array(path, file)


def read_npz(path: Path) -> Found:
    """The arrays in an .npz file."""
    with opened_npz(path) as arrays:
        return read_by_name(arrays, str(path))


@contextmanager
def opened_npz(path: Path) -> Iterator[Arrays]:
    """The arrays in an .npz file, each of which is read when it is asked for."""
    whole = reading(path, "a whole .npz file", Exception)  # of many types, for bytes
    with whole, open_file(path) as file, zipfile.ZipFile(file) as archive:

        def read(place: str, member: zipfile.ZipInfo) -> idx.Array:
            with reading(place, "a whole array", Exception), archive.open(member) as stream:
                idx.require_room(place, member.file_size)
                return read_array(place, stream)

        arrays: Arrays = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            place = f"{path}: {name}"
            require(place not in arrays, path, "a name for each array", f"{name} twice")
            arrays[place] = name, partial(read, place, member)
        yield arrays


def read_images(path: Path, pixels: int) -> Images:
    """The images (N, C, H, W), uint8, of an .npz, .npy or IDX file, without any labels.

    Of several arrays in an .npz those called test are taken. Raises DataError, also for rows of
    as many `pixels` as an image of the net's data has, which are no single image.
    """
    images: on_disk.Stored
    if path.suffix.lower() == ".npz":
        with opened_npz(path) as arrays:
            named = {place: split_and_kind(name) for place, (name, _) in arrays.items()}
            choices = [
                [place for place, found in named.items() if found == ("test", "images")],
                [place for place, (_, kind) in named.items() if kind == "images"],
                [place for place, (_, kind) in named.items() if kind != "labels"],
            ]
            place = next((places[0] for places in choices if len(places) == 1), "")
            expected = "one array of images, or one called x_test"
            require(bool(place), path, expected, cut(", ".join(named)))
            images = arrays[place][1]()
    else:
        images = read_file(path) if path.suffix.lower() == ".npy" else on_disk.read(path)
    if isinstance(images, np.ndarray) and images.ndim == 2:
        found = f"rows of {pixels} pixels: {images.shape}; reshape them"
        require(images.shape[1] != pixels, path, "images (N, H, W) or (N, C, H, W)", found)
        images = images[None]
    return as_images(images, path)


def read_array(place: AnyPath, file: IO[bytes]) -> idx.Array:
    """The numbers in the .npy format that fill the rest of `file`, uint8."""
    array: idx.Array = np.lib.format.read_array(file, allow_pickle=False)
    require(not file.read(1), place, "the end of the file after the array", "more")
    return as_bytes(array, place)
