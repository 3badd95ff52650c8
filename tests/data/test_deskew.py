"""Deskewing against the same by loops in numpy, and against what upright means."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain.data.deskew import deskew, slant
from tinytrain.streams import generator

COUNTS, SIZES, SEEDS = st.integers(0, 4), st.integers(2, 28), st.integers(0, 2**31)
few = settings(max_examples=40)


def noise(count, height, width, seed):
    """Images of random pixels, uint8 (count, 1, height, width)."""
    drawn = generator(seed, "noise")
    return torch.randint(256, (count, 1, height, width), dtype=torch.uint8, generator=drawn)


def blobs(count, seed, width=28):
    """Images of smooth slanted ink that stays away from the border."""
    places = (torch.arange(size) - (size - 1) / 2 for size in (28, width))
    y, x = torch.meshgrid(*places, indexing="ij")
    slope, right, down = (2 * torch.rand((3, count, 1, 1), generator=generator(seed, "b")) - 1) / 2
    ink = torch.exp(-((x - 2 * right - slope * y) ** 2) / 6 - (y - 4 * down) ** 2 / 18)
    return (255 * ink).round().to(torch.uint8)[:, None]


def line_of_ink(image):
    """The slope of x over y and the centre (y, x) of the ink, by numpy's least squares."""
    y, x = np.nonzero(image)
    weight = np.sqrt(image[y, x].astype(np.float64))
    centre = np.average(y, weights=weight**2), np.average(x, weights=weight**2)
    if np.ptp(y) == 0:
        return 0.0, centre
    slope, _ = np.polyfit(y - centre[0], x - centre[1], 1, w=weight)
    return slope, centre


def slid(image):
    """The image (H, W) with its rows slid back along the line of its ink, one by one."""
    slope, (middle, _) = line_of_ink(image)
    places = np.arange(-1, image.shape[1] + 1)
    rows = [
        np.interp(places[1:-1] + slope * (y - middle), places, np.pad(row.astype(float), 1))
        for y, row in enumerate(image)
    ]
    return np.stack(rows)


@few
@given(COUNTS, SIZES, SIZES, SEEDS, st.sampled_from([0, 1, 0.9, 0.99]))
def test_against_least_squares_and_loops(count, height, width, seed, empty):
    """Also with hardly any ink or none: what has no slope is not moved."""
    images = noise(count, height, width, seed)
    images *= torch.rand(images.shape, generator=generator(seed, "empty")) >= empty
    before, found = images.clone(), deskew(images)
    assert torch.equal(images, before)
    assert found.dtype == torch.uint8 and found.shape == images.shape
    for image, result in zip(images[:, 0].numpy(), found[:, 0].numpy(), strict=True):
        expected = slid(image) if image.any() else image
        np.testing.assert_allclose(result, expected, atol=0.51)  # rounding takes the half


def test_no_ink_and_one_row_of_it_have_no_slant():
    images = torch.zeros(2, 1, 5, 7)
    images[1, 0, 3] = torch.arange(7.0)
    assert slant(images)[0].tolist() == [0, 0]


def test_many_images():
    images = noise(1001, 5, 4, 0)
    assert torch.equal(deskew(images)[999:], deskew(images[999:]))


@few
@given(st.integers(1, 4), SEEDS, st.sampled_from([28, 41]))
def test_afterwards_the_ink_is_upright_and_where_it_was(count, seed, width):
    images = blobs(count, seed, width)
    for one, other in zip(images[:, 0].numpy(), deskew(images)[:, 0].numpy(), strict=True):
        slope, centre = line_of_ink(other)
        assert slope == pytest.approx(0, abs=0.01)
        np.testing.assert_allclose(centre, line_of_ink(one)[1], atol=0.02)


def test_colour_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 5, 4\)"):
        deskew(noise(2, 15, 4, 0).view(2, 3, 5, 4))
