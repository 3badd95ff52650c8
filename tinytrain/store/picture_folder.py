"""Read a folder of pictures that has a folder for each class, named as the class."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinytrain.store.files import reading, require
from tinytrain.store.idx import Array
from tinytrain.store.labelled import Found, Labelled
from tinytrain.store.named_arrays import SPLITS, with_a_test
from tinytrain.store.pictures import exact_pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")  # what Windows and macOS leave behind


def read_folder(folder: Path, read: Callable[[Path], Array] = exact_pixels) -> Found:
    """The pictures in `folder`/train/CLASS and `folder`/test/CLASS, or in `folder`/CLASS.

    The folders may have other usual names: Training, test_set, or val where there is no test.

    A label is the place of the class among those of training, in the order of the alphabet, or of
    their values where all are numbers. `read` gives the pixels of a file. Raises DataError.
    """
    named = {path: split_of(path.name) for path in folders_in(folder)}
    parts: dict[str, Path] = {}
    for path, split in zip(named, with_a_test([*named.values()]), strict=True):
        if split in ("train", "test"):
            other = parts.setdefault(split, path)
            require(other == path, path, f"one folder for {split}", f"{other}, too")
    parts = dict(sorted(parts.items(), reverse=True))  # the names of classes are training's
    left_out = [str(path) for path in folders_in(folder) if path not in parts.values()]
    if not parts:
        parts, left_out = {"": folder}, []
    names = class_names(next(iter(parts.values())))
    splits = {}
    for split, part in parts.items():
        paths, labels = pictures_by_class(part, names)
        splits[split] = Labelled(read_pictures(paths, read), labels, str(part))
    if system := sum(is_of_system(path.name) for path in folder.rglob("*")):
        left_out.append(f"{system} hidden files or leftovers of an operating system")
    return Found(splits, names, left_out)


def split_of(name: str) -> str:
    """The split that a folder is named as: "train" for Training or train_set, "" for a class."""
    words = set(re.split("[^a-z0-9]+", name.lower())) - {"set", "data", "images"}
    return SPLITS.get(words.pop(), "") if len(words) == 1 else ""


def is_of_system(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left behind by Windows or macOS."""
    return name[0] == "." or name.lower() in OF_SYSTEMS


def entries(folder: Path) -> list[Path]:
    """The paths in `folder` but hidden and system files, sorted. Raises DataError."""
    with reading(folder, "a folder"):
        return sorted(path for path in folder.iterdir() if not is_of_system(path.name))


def folders_in(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted."""
    return [path for path in entries(folder) if path.is_dir()]


def class_names(folder: Path) -> list[str]:
    """The names of the classes, in the order of their labels."""
    names = [path.name for path in folders_in(folder)]
    expected = "1 to 256 folders, one a class (IDX files need no converting: --dataset FOLDER)"
    require(1 <= len(names) <= 256, folder, expected, len(names))
    for name in names:
        require(name.isprintable(), folder, "folders with printable names", ascii(name))
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def pictures_by_class(part: Path, names: Sequence[str]) -> tuple[list[Path], Array]:
    """The paths and the labels (N,) of all pictures in the folders in `part`, sorted."""
    paths: list[Path] = []
    labels: list[int] = []
    for path in entries(part):
        loose = path.suffix.lower() in SUFFIXES and path.is_file()
        require(not loose, path, "every picture in the folder of its class", "it beside them")
    for folder in folders_in(part):
        require(folder.name in names, folder, "a class that training has, too", "another")
        inside = entries(folder)
        require(bool(inside), folder, "pictures of the class", "none")
        for path in inside:
            known, expected = path.suffix.lower() in SUFFIXES, f"a picture, {', '.join(SUFFIXES)}"
            require(known, path, expected, f"{path.suffix or 'no'} file")
        paths += inside
        labels += [names.index(folder.name)] * len(inside)
    require(bool(paths), part, "folders of pictures, one a class", "none")
    return paths, np.array(labels, np.uint8)


def read_pictures(paths: Sequence[Path], read: Callable[[Path], Array]) -> Array:
    """The pictures, uint8 (N, H, W) or (N, 3, H, W). Raises DataError for one unlike the first."""
    images = np.empty((0, 0, 0), np.uint8)
    for row, path in enumerate(tqdm(paths, unit="image", disable=None)):
        image = read(path)
        images = images if row else np.empty((len(paths), *image.shape), np.uint8)
        found, first = (
            f"{'colour' if len(shape) == 3 else 'grey'}, {shape[-1]} wide and {shape[-2]} high"
            for shape in (image.shape, images.shape[1:])
        )
        found += "; --size HEIGHTxWIDTH and --grey make pictures alike" * (found != first)
        require(found == first, path, f"{first}, as {paths[0]}", found)
        images[row] = image
    return images
