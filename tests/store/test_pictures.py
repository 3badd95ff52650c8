"""The same digit in a file of any kind gives the same numbers; what is no picture is refused."""

import sys

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
        picture = image.new("RGBA", picture.size)
        picture.putalpha(image.fromarray(255 - PAPER))
    picture.convert(mode).save(path, **more)
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
    shape = PAPER.shape if mode == "L" else (3, *PAPER.shape)
    assert (found.dtype, found.shape) == (np.uint8, shape)
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


def test_white_is_white_in_grey_and_transparent_is_black_behind_light_ink(tmp_path):
    assert torch.allclose(grey(torch.full((3, 2, 2), 255.0)), torch.tensor(255.0).double())
    ink = image.new("RGBA", (28, 28), "white")
    ink.putalpha(image.fromarray(DIGIT.numpy()))
    ink.save(tmp_path / "a.png")
    assert torch.equal(rgb_pixels(tmp_path / "a.png")[0], DIGIT.double())


def test_turned_as_the_camera_noted(tmp_path):
    note = image.Exif()
    note[0x0112] = 6  # turn by a quarter, clockwise
    lying = image.fromarray(PAPER[:100]).transpose(image.Transpose.ROTATE_90)
    lying.save(tmp_path / "a.png", exif=note)
    assert (exact_pixels(tmp_path / "a.png") == PAPER[:100]).all()
    assert (rgb_pixels(tmp_path / "a.png").numpy() == PAPER[:100]).all()


# A PNG of 2 × 2 pixels in colour, with 16 bits a channel, which Pillow does not write.
COLOUR_16 = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000002000000021002000000ad4446300000000b49444154789c63"
    "60c00500001a0001bc3ce0410000000049454e44ae426082"
)


def half(path):
    content = save(path, "L", format="PNG").read_bytes()
    path.write_bytes(content[: len(content) // 2])


# What `exact_pixels` alone refuses, and what is named.
INEXACT = [
    (lambda path: save(path, "I;16", format="PNG"), "16 bits"),
    (lambda path: path.write_bytes(COLOUR_16), "16 bits"),
    (lambda path: save(path, "P", format="PNG"), "a palette"),
    (lambda path: save(path, "RGBA", format="PNG"), "transparency"),
    (lambda path: save(path, "1", format="PNG"), "1 bits"),
    (lambda path: save(path, "CMYK", format="JPEG"), "mode CMYK"),
    (lambda path: save(path, "L", format="GIF"), "another format"),
]
# What is no picture at all.
REFUSED = [
    (lambda path: image.new("F", (8, 9)).save(path, "TIFF"), "another format|mode F"),
    (lambda path: path.write_text("<html>"), "another format"),
    (lambda path: path.touch(), "another format"),
    (half, "truncated|broken"),
    (lambda path: path.mkdir(), "directory"),
    (lambda path: None, "No such file"),
    (lambda path: image.new("L", (1200, 1200)).save(path, "PNG"), "exceeds limit"),
    (lambda path: image.new("L", (2000, 2000)).save(path, "PNG"), ""),
]


@pytest.mark.parametrize(("make", "named"), [*INEXACT, *REFUSED])
def test_what_cannot_be_read_is_named(make, named, tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 10**6)
    path, inexact = tmp_path / "a", (make, named) in INEXACT
    make(path)
    for read in (exact_pixels,) if inexact else (exact_pixels, rgb_pixels):
        with pytest.raises(DataError, match=f"^{path}: expected .*({named})") as error:
            read(path)
        assert "\n" not in str(error.value)
    if inexact:
        rgb_pixels(path)


def test_without_pillow_there_is_a_way_out(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", "L")
    monkeypatch.setitem(sys.modules, "PIL", None)
    for read in exact_pixels, rgb_pixels:
        with pytest.raises(UsageError, match="pip install"):
            read(path)
