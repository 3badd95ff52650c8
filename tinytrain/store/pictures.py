"""Read a picture, such as a PNG or a JPEG, with Pillow (the extra `images`).

`exact_pixels` is for data sets: it refuses a file whose numbers would have to be changed.
`rgb_pixels` is for any picture of a digit: palettes, transparency and 16 bits are converted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.store.files import open_file, reading, require
from tinytrain.store.idx import Array

if TYPE_CHECKING:
    from PIL.Image import Image

PNG = b"\x89PNG\r\n\x1a\n"
LUMA = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)  # of red, green, blue: BT.601
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # of data sets
MAX_SIDE = 1000  # pixels; of a larger picture blocks are averaged


@contextmanager
def opened(path: Path, formats: tuple[str, ...] | None = None) -> Iterator[Image]:
    """Open a picture, turned as its camera noted; `formats` limits those of Pillow.

    Raises UsageError where Pillow is missing, DataError for a file that is no whole picture, also
    where that is found within the context.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        needed = "reading pictures needs Pillow; install it with: pip install '.[images]'"
        raise UsageError(f"{path}: {needed}") from error
    whole = reading(path, "a whole PNG or JPEG", Exception)  # of many types, for bytes
    with whole, warnings.catch_warnings(), open_file(path) as file:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=formats)
        except UnidentifiedImageError as error:
            raise ValueError("another format") from error
        with picture:
            frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
            require(frames == 1, path, "one picture", f"an animation of {frames}")
            yield ImageOps.exif_transpose(picture)


def exact_pixels(
    path: Path,
    flatten: str | None = None,
    size: tuple[int, int] | None = None,
    to_grey: bool = False,
) -> Array:
    """The pixels of a picture of 8 bits: uint8 (H, W), or (3, H, W) in colour.

    Pillow would reduce 16 bits to 8, a palette to colours, and forget what is transparent, without
    a word; they are refused. `flatten`: the colour behind what is transparent, such as "white".
    `size`: (H, W) to resize it to, by Pillow's bicubic filter; `to_grey`: colour becomes grey.
    """
    with opened(path, FORMATS) as picture:
        with open_file(path) as file:
            start = file.read(25)
        bits = 8  # of a channel
        if start.startswith(PNG):
            bits = start[24] if start[12:16] == b"IHDR" else 0
        found = {"P": "a palette"}.get(picture.mode, f"{bits} bits, Pillow's mode {picture.mode}")
        expected, modes = "8 bits a channel, grey or red-green-blue", ("L", "RGB", "LA", "RGBA")
        fits = bits == 8 and picture.mode in modes
        require(fits, path, expected, f"{found}; save it as such")
        if "A" in picture.mode or "transparency" in picture.info:
            found = "transparency; --flatten COLOUR says what is behind it"
            require(bool(flatten), path, "pixels without transparency", found)
            picture = on_ground(picture, flatten or "")
        picture = picture.convert("L") if to_grey else picture
        pixels = np.asarray(picture.resize(size[::-1]) if size else picture)
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def on_ground(picture: Image, colour: str) -> Image:
    """A transparent picture before a ground of that colour, in grey if it is, without alpha."""
    from PIL import Image

    ground = Image.new("RGB", picture.size, colour).convert("RGBA")
    flat = Image.alpha_composite(ground, picture.convert("RGBA"))
    return flat.convert(picture.mode.removesuffix("A"))


def rgb_pixels(path: Path) -> Tensor:
    """Red, green and blue of any picture: float64 (3, H, W), 0 to 255.

    Of a photograph of many millions of pixels, which would take gigabytes, blocks are averaged.
    What is transparent becomes white behind dark ink and black behind light ink.
    """
    with opened(path) as picture:
        if picture.mode.startswith("I;16"):
            return as_tensor(picture).expand(3, -1, -1) / 257
        if picture.mode in ("I", "F"):
            raise ValueError(f"pixels of mode {picture.mode}, where 8 or 16 bits were expected")
        picture = picture.convert("RGBA")
        channels = as_tensor(picture.reduce(max(max(picture.size) // MAX_SIDE, 1)))
    image, opacity = channels[:3], channels[3] / 255
    brightness = (grey(image)[0] * opacity).sum() / opacity.sum().clamp(min=1e-9)
    background = 255.0 if brightness < 128 else 0.0
    return image * opacity + background * (1 - opacity)


def as_tensor(picture: Image) -> Tensor:
    """The numbers of a picture, float64 (channels, H, W)."""
    array = np.array(picture, dtype=np.float64).reshape(picture.height, picture.width, -1)
    return torch.from_numpy(array).permute(2, 0, 1)


def grey(image: Tensor) -> Tensor:
    """The brightness (1, H, W) of red, green and blue (3, H, W)."""
    return (LUMA[:, None, None] * image).sum(0, keepdim=True)
