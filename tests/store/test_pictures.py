"""The same digit in a file of any kind gives the same numbers; what is no picture is refused."""

import struct
import sys
import zlib

import numpy as np
import pytest
import torch

from tinytrain import streams
from tinytrain.errors import DataError, UsageError
from tinytrain.store import synthetic
from tinytrain.store.pictures import exact_pixels, grey, rgb_pixels

image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
DIGIT = synthetic.digits(torch.tensor([7]), streams.generator(3, "digits"))[0, 0]
PAPER = 255 - DIGIT.repeat_interleave(5, 0).repeat_interleave(5, 1).numpy()  # dark on light, 140²


def save(path, mode, **more):
    """The digit as a file in one of Pillow's modes."""
    picture = image.fromarray(PAPER)
    if mode == "I;16":
        picture = image.fromarray(PAPER.astype(np.uint16) * 257)
    elif mode == "RGBA":
        ink = np.zeros((140, 140, 4), np.uint8)
        ink[..., 3] = 255 - PAPER
        picture = image.fromarray(ink)
    else:
        picture = picture.convert(mode)
    picture.save(path, **more)
    return path


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("L", name) for name in ("a.png", "a.jpg", "a.gif", "a.bmp")),
        *((mode, "a.png") for mode in ("1", "P", "RGB", "RGBA", "LA", "I;16")),
        *((mode, "a.jpg") for mode in ("RGB", "CMYK")),
    ],
)
def test_the_same_digit_in_any_file(mode, name, tmp_path):
    found = rgb_pixels(save(tmp_path / name, mode))
    assert found.shape == (3, 140, 140) and found.dtype == torch.float64
    limit = 40 if mode == "1" else 3 if name == "a.jpg" else 1e-9
    assert (found - torch.from_numpy(PAPER)).abs().mean() < limit


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_exact_pixels(tmp_path, mode):
    found = exact_pixels(save(tmp_path / "a.png", mode))
    assert found.dtype == np.uint8 and found.shape == PAPER.shape if mode == "L" else (3, 140, 140)
    assert (found == PAPER).all()
    for name in "a.jpg", "a.bmp":
        assert exact_pixels(save(tmp_path / name, mode)).shape == found.shape
    if mode == "RGB":
        assert (exact_pixels(save(tmp_path / "a.webp", mode, lossless=True)) == PAPER).all()


def test_a_large_photograph_is_averaged(tmp_path):
    image.fromarray(PAPER).resize((2240, 3080), image.Resampling.NEAREST).save(tmp_path / "a.png")
    found = rgb_pixels(tmp_path / "a.png")
    assert found.shape[1:] == (1027, 747)
    small = image.fromarray(PAPER).resize((747, 1027), image.Resampling.BOX)
    assert (found[0] - torch.from_numpy(np.array(small))).abs().mean() < 3


def test_white_is_white_in_grey():
    assert torch.allclose(grey(torch.full((3, 2, 2), 255.0)), torch.tensor(255.0).double())


def test_transparent_is_black_behind_light_ink(tmp_path):
    ink = np.full((28, 28, 4), 255, np.uint8)
    ink[..., 3] = DIGIT.numpy()
    image.fromarray(ink).save(tmp_path / "a.png")
    assert torch.equal(rgb_pixels(tmp_path / "a.png")[0], DIGIT.double())


def test_turned_as_the_camera_noted(tmp_path):
    note = image.Exif()
    note[0x0112] = 6  # turn by a quarter, clockwise
    lying = image.fromarray(PAPER[:100]).transpose(image.Transpose.ROTATE_90)
    lying.save(tmp_path / "a.png", exif=note)
    assert (exact_pixels(tmp_path / "a.png") == PAPER[:100]).all()
    assert (rgb_pixels(tmp_path / "a.png").numpy() == PAPER[:100]).all()


def png_of_16_bits(path, color):
    """A PNG of 2 × 2 pixels with 16 bits a channel: grey (color 0) or red-green-blue (2)."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + bytes(2 * 2 * (3 if color else 1))) * 2
    header = struct.pack(">IIBBBBB", 2, 2, 16, color, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def half(path):
    content = save(path, "L", format="PNG").read_bytes()
    path.write_bytes(content[: len(content) // 2])


# What is in the file, whether only `exact_pixels` refuses it, and what is named.
REFUSED = {
    "16 bits, grey": (lambda path: png_of_16_bits(path, 0), True, "16 bits"),
    "16 bits, colour": (lambda path: png_of_16_bits(path, 2), True, "16 bits"),
    "a palette": (lambda path: save(path, "P", format="PNG"), True, "a palette"),
    "transparency": (lambda path: save(path, "RGBA", format="PNG"), True, "transparency"),
    "one bit": (lambda path: save(path, "1", format="PNG"), True, "1 bits"),
    "four inks": (lambda path: save(path, "CMYK", format="JPEG"), True, "mode CMYK"),
    "another format": (lambda path: save(path, "L", format="GIF"), True, "another format"),
    "floats": (
        lambda path: image.new("F", (8, 9)).save(path, format="TIFF"),
        False,
        "another format|mode F",
    ),
    "a web page": (lambda path: path.write_text("<html>"), False, "another format"),
    "nothing in it": (lambda path: path.touch(), False, "another format"),
    "the first half": (half, False, "truncated|broken"),
    "a folder": (lambda path: path.mkdir(), False, "directory"),
    "no file": (lambda path: None, False, "No such file"),
    "1.4 million pixels": (
        lambda path: image.new("L", (1200, 1200)).save(path, "PNG"),
        False,
        "too many",
    ),
    "4 million pixels": (lambda path: image.new("L", (2000, 2000)).save(path, "PNG"), False, ""),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_cannot_be_read_is_named(how, tmp_path, monkeypatch):
    make, exact_only, named = REFUSED[how]
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 10**6)
    path = tmp_path / "a"
    make(path)
    for read in (exact_pixels,) if exact_only else (exact_pixels, rgb_pixels):
        with pytest.raises(DataError, match=f"^{path}: expected .*({named})") as error:
            read(path)
        assert "\n" not in str(error.value)
    if exact_only:
        rgb_pixels(path)


def test_without_pillow_there_is_a_way_out(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", "L")
    monkeypatch.setitem(sys.modules, "PIL", None)
    for read in exact_pixels, rgb_pixels:
        with pytest.raises(UsageError, match="pip install"):
            read(path)
