"""From a file that holds a picture to numbers: channels, rows, columns, each from 0 to 255.

The same digit can lie in a file as black ink on white, as ink on nothing at all (transparent), as
numbers of a palette, in 16 bits, or turned by a quarter with a note to turn it back. All that is
settled here, so that what comes after sees a tensor.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, on_disk
from tinytrain.store.files import open_file, read_file, require
from tinytrain.store.on_disk import StoredImages

if TYPE_CHECKING:
    from PIL.Image import Image

LUMA = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)  # of red, green, blue: BT.601
ENOUGH = 1000  # pixels a side; a larger picture is halved, or divided by three, …, down to that


def read(path: Path, index: int | None) -> tuple[str, Tensor]:
    """The name of an image and the image, float64 (channels, H, W) from 0 to 255.

    It is number `index` of an IDX file, or a PNG, JPEG or whatever else Pillow reads. Raises
    DataError for a file that is missing, damaged or no image, UsageError where an index is wrong.
    """
    try:
        with open_file(path) as file:
            start = file.read(2)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image ({error.strerror})") from error
    if start not in (b"\0\0", idx.GZIP):
        return str(path), from_picture(path)
    images: idx.Array | StoredImages | None = on_disk.opened(path)
    if images is None:
        images = idx.read(path)
        kind = images.dtype == np.uint8 and images.ndim in (2, 3, 4) and images.size > 0
        expected = "images, uint8 (N, H, W) or (N, C, H, W)"
        require(kind, path, expected, f"{images.dtype.name} {images.shape}")
        images = images[None] if images.ndim == 2 else images
    if index is None and len(images) > 1:
        raise UsageError(f"{path}: holds {len(images):,} images; choose one with --index, from 0")
    if (index or 0) >= len(images):
        raise UsageError(f"--index {index}: {path} has images 0 to {len(images) - 1}")
    image = torch.as_tensor(images[index or 0]).double()
    return f"{path}[{index or 0}]", image if image.ndim == 3 else image[None]


def from_picture(path: Path) -> Tensor:
    """The first picture in a file that Pillow reads, (3, H, W) from 0 to 255, turned upright."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        needed = "reading pictures needs Pillow; install it with: pip install '.[images]'"
        raise UsageError(f"{path}: {needed}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of size: that is looked at here
            picture = Image.open(io.BytesIO(read_file(path)))
        with picture:
            if picture.width * picture.height > (Image.MAX_IMAGE_PIXELS or 0):
                raise ValueError(f"{picture.width}×{picture.height} pixels are too many")
            return colours(ImageOps.exif_transpose(picture))
    except Exception as error:  # of many types, for bytes that are no picture or a broken one
        found = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: expected a PNG, JPEG or IDX file, found: {found}") from error


def colours(picture: Image) -> Tensor:
    """Red, green and blue of a picture in any of Pillow's modes: float64 (3, H, W), 0 to 255.

    Of a photograph of many millions of pixels, which would take gigabytes, blocks are averaged.
    What is transparent becomes paper: white behind dark ink, black behind light ink.
    """
    if picture.mode.startswith("I;16"):
        return as_tensor(picture).expand(3, -1, -1) / 257
    if picture.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {picture.mode}, where 8 or 16 bits were expected")
    picture = picture.convert("RGBA")
    picture = picture.reduce(max(max(picture.size) // ENOUGH, 1))
    channels = as_tensor(picture)
    image, opaque = channels[:3], channels[3] / 255
    brightness = (in_grey(image)[0] * opaque).sum() / opaque.sum().clamp(min=1e-9)
    paper = 255.0 if brightness < 128 else 0.0
    return image * opaque + paper * (1 - opaque)


def as_tensor(picture: Image) -> Tensor:
    """A picture's numbers, float64 (channels, H, W)."""
    array = np.array(picture, dtype=np.float64).reshape(picture.height, picture.width, -1)
    return torch.from_numpy(array).permute(2, 0, 1)


def in_grey(image: Tensor) -> Tensor:
    """The brightness of red, green and blue (3, H, W): (1, H, W)."""
    return (LUMA[:, None, None] * image).sum(0, keepdim=True)


def in_channels(name: str, image: Tensor, channels: int) -> Tensor:
    """An image (1 or 3, H, W) with so many channels; DataError where there is no such way."""
    if len(image) == channels:
        return image
    if len(image) == 3 and channels == 1:
        return in_grey(image)
    expected = f"{channels} channels, as the net's data have"
    require(len(image) == 1 and channels == 3, name, expected, len(image))
    return image.expand(3, -1, -1)
