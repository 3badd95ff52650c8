"""PNG and JPEG files, a folder a class: the folder's name is the class's.

An image library is kind: it makes eight bits of sixteen and colours of a palette without a word. A
data set that is kind to nobody knows what it is made of, so only what is eight bits, grey or
red-green-blue, is taken. What a camera noted about which side is up is obeyed, as viewers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinytrain.cli.readers import Found, Pair
from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx
from tinytrain.store.files import open_file, require

SUFFIXES = (".png", ".jpg", ".jpeg")
PNG = b"\x89PNG\r\n\x1a\n"


def read_folder(folder: Path) -> Found:
    """The images in `folder`/train/CLASS and `folder`/test/CLASS, or in `folder`/CLASS.

    A label is the place of the class among those of training: in the order of the alphabet, or of
    their values where all are numbers. Raises DataError, which names a folder or a file.
    """
    parts = {name: folder / name for name in ("train", "test") if (folder / name).is_dir()}
    beside = folders_in(folder) if parts else []
    left_out = [str(path) for path in beside if path not in parts.values()]
    parts = parts or {"": folder}
    names = class_names(next(iter(parts.values())))
    listed = {split: images_by_class(part, names) for split, part in parts.items()}
    pixels = read_images([path for rows in listed.values() for path, _ in rows])
    pairs = {}
    for split, rows in listed.items():
        labels = np.array([label for _, label in rows], np.uint8)
        place = str(parts[split])
        pairs[split] = Pair(pixels[: len(rows)], labels, place, place)
        pixels = pixels[len(rows) :]
    return Found(pairs, names, left_out)


def entries(folder: Path) -> list[Path]:
    """What is in `folder` and not hidden, sorted. Raises DataError where nobody may look."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error


def folders_in(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted."""
    return [path for path in entries(folder) if path.is_dir()]


def class_names(folder: Path) -> list[str]:
    """The names of the classes, in the order of their labels."""
    names = [path.name for path in folders_in(folder)]
    for path in entries(folder):
        loose = path.suffix.lower() in SUFFIXES and not path.is_dir()
        require(not loose, path, "every image in the folder of its class", "it beside them")
    fits = 1 <= len(names) <= 256
    require(fits, folder, "1 to 256 folders, one a class", len(names))
    for name in names:
        require(name.isprintable(), folder, "folders with printable names", ascii(name))
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def images_by_class(part: Path, names: Sequence[str]) -> list[tuple[Path, int]]:
    """Every image below `part` with its label, class by class, sorted."""
    rows: list[tuple[Path, int]] = []
    for folder in folders_in(part):
        require(folder.name in names, folder, "a class that training has, too", "another")
        paths = entries(folder)
        for path in paths:
            require(path.suffix.lower() in SUFFIXES, path, f"one of {', '.join(SUFFIXES)}", "it")
        require(bool(paths), folder, "images of the class", "none")
        rows += [(path, names.index(folder.name)) for path in paths]
    require(bool(rows), part, "folders of images, one a class", "none")
    return rows


def read_images(paths: Sequence[Path]) -> idx.Array:
    """The images, uint8 (N, H, W) or (N, 3, H, W). Raises DataError for one unlike the first."""
    first = read_image(paths[0])
    images = np.empty((len(paths), *first.shape), np.uint8)
    for row, path in enumerate(tqdm(paths, unit="image", disable=None)):
        image = read_image(path)
        same, expected = image.shape == first.shape, f"{described(first)}, as {paths[0]}"
        require(same, path, expected, described(image))
        images[row] = image
    return images


def described(image: idx.Array) -> str:
    """What kind of image it is."""
    height, width = image.shape[-2:]
    return f"{'colour' if image.ndim == 3 else 'grey'}, {width} wide and {height} high"


def read_image(path: Path) -> idx.Array:
    """The image, uint8 (H, W) or, in colour, (3, H, W). Raises DataError for what is not such.

    Raises UsageError where Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        needed = "reading images needs Pillow; install it with: pip install '.[images]'"
        raise UsageError(needed) from error
    try:
        with open_file(path) as file:
            start = file.read(25)  # a PNG's last of these is how many bits a channel has
            bits = start[24] if start.startswith(PNG) else 8
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                mode, pixels = image.mode, np.asarray(ImageOps.exif_transpose(image))
    except Exception as error:  # of many types, for bytes that cannot be read
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: expected a whole PNG or JPEG, found: {reason}") from error
    holds = bits == 8 and mode in ("L", "RGB")
    found = "a palette" if mode == "P" else f"{bits} bits, Pillow's mode {mode}"
    require(holds, path, "8 bits a channel, grey or red-green-blue", f"{found}; save it as such")
    return pixels if mode == "L" else np.moveaxis(pixels, 2, 0)
