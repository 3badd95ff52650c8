"""Read images and labels from .npz, .npy and IDX files whose names say what they hold.

The name of an array or a file (x_train, train_images, kmnist-train-labels.npy) is all that counts,
never the order of files on the command line, which is that of the alphabet: test before train.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, on_disk
from tinytrain.store.files import AnyPath, cut, open_file, reason, require
from tinytrain.store.labelled import Found, Labelled, channels_first
from tinytrain.store.on_disk import Images

SPLITS = dict.fromkeys(("train", "training"), "train")
SPLITS |= dict.fromkeys(("test", "testing", "t10k"), "test")
SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "validation")
KINDS = dict.fromkeys(("images", "image", "imgs", "img", "x"), "images")
KINDS |= dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels")


def split_and_kind(name: str) -> tuple[str, str]:
    """The split and the kind in a name, such as ("train", "images"); "" for one that is not."""
    words = re.split("[^a-z0-9]+", name.lower())
    splits, kinds = ({known[word] for word in words if word in known} for known in (SPLITS, KINDS))
    return "".join(splits), "".join(kinds)


def with_a_test(splits: Sequence[str]) -> list[str]:
    """The same splits; the validation is the test where there is training and no test."""
    lacking = "train" in splits and "test" not in splits
    return ["test" if lacking and split == "validation" else split for split in splits]


def read_by_name(names: Mapping[str, str], read: Callable[[str], idx.Array], whole: str) -> Found:
    """Read the arrays whose names have a split and a kind; the others are left out.

    `names`: place -> name of each array; `read` gets a place; `whole` is the place of them all.
    Raises DataError where they are not images and labels of one split, or of train and test.
    """
    places: dict[tuple[str, str], str] = {}
    left_out = []
    found_splits, kinds = zip(*map(split_and_kind, names.values()), strict=True)
    for place, split, kind in zip(names, with_a_test(found_splits), kinds, strict=True):
        if split in ("train", "test", "") and kind in ("images", "labels"):
            other = places.setdefault((split, kind), place)
            require(other == place, place, f"one place for {split} {kind}", f"{other}, too")
        else:
            left_out.append(place)
    splits = sorted({split for split, _ in places}, reverse=True)
    complete = len(places) == 2 * len(splits) and splits in (["train", "test"], splits[:1])
    expected = "x_train, y_train, x_test, y_test, or train_images, …, or images and labels"
    found = cut(", ".join(names.values())) or "nothing"
    require(complete and bool(splits), whole, expected, found)
    pairs = {}
    for split in splits:
        place, labels_place = places[split, "images"], places[split, "labels"]
        pairs[split] = Labelled(read(place), read(labels_place), place, labels_place)
    return Found(pairs, left_out=left_out)


def read_files(paths: Sequence[Path]) -> Found:
    """The arrays in .npy or IDX files, one array a file."""

    def read(path: str) -> idx.Array:
        if not path.lower().endswith(".npy"):
            return idx.read(path)
        with numpy_errors(path, ".npy file"), open_file(path) as file:
            return read_array(path, file)

    found = read_by_name(
        {str(path): path.name for path in paths}, read, ", ".join(map(str, paths))
    )
    for place in found.left_out:
        raise UsageError(f"{place}: expected a name that says train or test, or leave it out")
    return found


def read_npz(path: Path) -> Found:
    """The arrays in an .npz file."""
    with (
        numpy_errors(path, ".npz file"),
        open_file(path) as file,
        zipfile.ZipFile(file) as archive,
    ):
        members = {f"{path}: {name.removesuffix('.npy')}": name for name in archive.namelist()}
        different = len(members) == len(archive.namelist())
        require(different, path, "a name for each array", "one name twice")

        def read(place: str) -> idx.Array:
            with numpy_errors(place, "array"), archive.open(members[place]) as member:
                idx.require_room(place, archive.getinfo(members[place]).file_size)
                return read_array(place, member)

        names = {place: name.removesuffix(".npy") for place, name in members.items()}
        return read_by_name(names, read, str(path))


def read_images(path: Path, pixels: int) -> Images:
    """The images (N, C, H, W), uint8, of an .npz, .npy or IDX file, without any labels.

    Of several arrays in an .npz those called test are taken. Raises DataError, also for rows of
    as many `pixels` as an image of the net's data has, which are no single image.
    """
    if path.suffix.lower() == ".npz":
        with numpy_errors(path, ".npz file"), np.load(path, allow_pickle=False) as arrays:
            named = {name: split_and_kind(name) for name in arrays.files}
            choices = [
                [name for name, found in named.items() if found == ("test", "images")],
                [name for name, (_, kind) in named.items() if kind == "images"],
                [name for name, (_, kind) in named.items() if kind != "labels"],
            ]
            name = next((names[0] for names in choices if len(names) == 1), "")
            require(bool(name), path, "one array of images, or one called x_test", cut(str(named)))
            images: on_disk.Stored = arrays[name]
    elif path.suffix.lower() == ".npy":
        with numpy_errors(path, ".npy file"), open_file(path) as file:
            images = read_array(str(path), file)
    else:
        images = on_disk.read(path)
    if isinstance(images, on_disk.StoredImages):
        stored: Images = channels_first(images, path)
        return stored
    if images.ndim == 2:
        found = f"rows of {pixels} pixels: {images.shape}; reshape them"
        require(images.shape[1] != pixels, path, "images (N, H, W) or (N, C, H, W)", found)
        images = images[None]
    kind = images.dtype.name == "uint8" and images.ndim in (3, 4) and images.size > 0
    found = f"{images.dtype.name} {images.shape}"
    require(kind, path, "images, uint8 (N, H, W) or (N, C, H, W)", found)
    return torch.from_numpy(channels_first(images, path))


def read_array(place: str, file: IO[bytes]) -> idx.Array:
    """The array in the .npy format that fills the rest of `file`."""
    array: idx.Array = np.lib.format.read_array(file, allow_pickle=False)
    require(not file.read(1), place, "the end of the file after the array", "more")
    return array


@contextmanager
def numpy_errors(place: AnyPath, kind: str) -> Iterator[None]:
    """Within this context, raise DataError, in one line, for whatever numpy raises."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # of many types, for bytes that cannot be read
        raise DataError(f"{place}: expected a whole {kind}, found: {reason(error)}") from error
