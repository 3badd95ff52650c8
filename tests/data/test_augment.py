"""Augmentation moves the pixels of each image as its drawn numbers say, and nothing else."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain.data.augment import Augmentation, apply, sampling_matrix
from tinytrain.streams import generator

# The tolerance is a share of the range of a pixel, 255.
PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-12)]
SIZES, COUNTS, SEEDS = st.integers(2, 28), st.integers(1, 4), st.integers(0, 2**31)
SHAPES = st.tuples(st.integers(1, 3), SIZES, SIZES)  # channels, height, width
few = settings(max_examples=40)
LIVELY = Augmentation(rotation=60, shift=5, scale=0.4, shear=0.5)


def noise(count, shape, seed=0, dtype=torch.float64):
    """Images (count, C, H, W) without any order, pixels in 0 … 255; `shape` may be a side."""
    shape = (1, shape, shape) if isinstance(shape, int) else shape
    drawn = generator(seed, "noise")
    return 255 * torch.rand((count, *shape), dtype=dtype, generator=drawn)


def numbers(augmentation, count, seed, *place):
    return augmentation.draw(count, generator(seed, "augment", *place))


def transform(angle=0.0, shift=(0.0, 0.0), scale=0.0, shear=0.0, count=1, dtype=torch.float64):
    """A transform (5, count) with the same numbers for every image."""
    alike = torch.tensor((angle, *shift, scale, shear), dtype=dtype)
    return alike[:, None].expand(5, count)


def close(found, expected, share):
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=255 * share)


def moved(images, right, down):
    """The pixels `right` and `down` of where they were, background where nothing came to be."""
    margin, steps = 30, (down, right)
    framed = torch.nn.functional.pad(images, (margin,) * 4)
    sides = zip(images.shape[2:], steps, strict=True)
    rows, columns = (torch.arange(side) + margin - step for side, step in sides)
    return framed[:, :, rows][:, :, :, columns]


@pytest.mark.parametrize("dtype, share", PRECISIONS)
@few
@given(SIZES, st.integers(-4, 4), st.integers(-30, 30), st.integers(-30, 30), SEEDS)
def test_quarter_turns_and_whole_pixels_are_exact(dtype, share, side, quarters, right, down, seed):
    """Turned counter-clockwise about the centre, then moved; nothing where all is zero."""
    images = noise(2, side, seed, dtype)
    expected = moved(torch.rot90(images, quarters, (2, 3)), right, down)
    numbers = transform(90.0 * quarters, (right, down), count=2, dtype=dtype)
    close(apply(images, numbers), expected, share)


@given(
    st.floats(-180, 180),
    st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.sampled_from([(20, 20), (12, 31), (31, 12)]),
)
def test_slope_moves_as_the_matrix_says(angle, shift, scale, shear, shape):
    """An even slope is interpolated without error, so each pixel tells which place it shows."""
    turn, sides = math.radians(angle), torch.tensor(shape[::-1], dtype=torch.float64)
    border = (sides.view(2, 1, 1) - 1) / 2
    down, right = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in shape)
    up, right = torch.meshgrid(-down, right, indexing="ij")
    slant = torch.tensor([[1, shear], [0, 1]], dtype=torch.float64)
    cosine, sine = math.exp(scale) * math.cos(turn), math.exp(scale) * math.sin(turn)
    turned = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64) @ slant
    places = torch.stack((right - shift[0], up + shift[1])).flatten(1)
    sources = torch.linalg.solve(turned, places).view(2, *shape)
    inside = (sources.abs() <= border - 1e-9).all(0)
    images = torch.stack((right, up)) + 100
    found = apply(images[None], transform(angle, shift, scale, shear))[0]
    torch.testing.assert_close(found[:, inside], sources[:, inside] + 100, rtol=0, atol=1e-9)
    outside = (sources.abs() >= border + 1 + 1e-9).any(0)
    assert not found[:, outside].any()


@few
@given(COUNTS, st.integers(1, 3), SIZES, st.integers(1, 10), SEEDS)
def test_an_oblong_is_the_middle_of_a_square(count, channels, side, less, seed):
    """Nothing is distorted: what a frame of background would change is nothing."""
    oblong = noise(count, (channels, side, side + 2 * less), seed)
    drawn = numbers(LIVELY, count, seed).double()
    framed = torch.nn.functional.pad(oblong, (0, 0, less, less))
    close(apply(oblong, drawn), apply(framed, drawn)[:, :, less:-less], 1e-12)
    on_end, framed = oblong.mT, framed.mT
    close(apply(on_end, drawn), apply(framed, drawn)[..., less:-less], 1e-12)


@few
@given(COUNTS, SIZES, SEEDS)
def test_on_a_square_nothing_is_stretched_to_the_last_bit(count, size, seed):
    """The runs that were recorded on squares can be repeated."""
    drawn = numbers(LIVELY, count, seed)
    inverse = sampling_matrix(drawn, 1, 1)[:, :, :2]
    offset = -inverse @ (drawn[1:3].T * (2 / size))[:, :, None]
    assert torch.equal(sampling_matrix(drawn, size, size), torch.cat((inverse, offset), 2))


@few
@given(COUNTS, SHAPES, SEEDS)
def test_apply_is_pure_and_invents_nothing(global_generator_untouched, count, shape, seed):
    images, drawn = noise(count, shape, seed), numbers(LIVELY, count, seed)
    before = [images.clone(), drawn.clone()]
    with global_generator_untouched():
        first, again = apply(images, drawn), apply(images, drawn)
    assert torch.equal(first, again)
    assert all(map(torch.equal, (images, drawn), before))
    same = apply(images, numbers(Augmentation(), count, seed))
    close(same, images, 1e-12)
    assert same.data_ptr() != images.data_ptr()
    assert first.min() >= 0 and first.max() <= images.max() + 1e-9


@few
@given(st.integers(2, 5), st.integers(8, 28), SEEDS)
def test_each_image_has_its_own_numbers(count, size, seed):
    images = noise(1, size, seed).expand(count, 1, size, size)
    drawn = numbers(LIVELY, count, seed).double()
    together = apply(images, drawn)
    for index in range(count):
        one = slice(index, index + 1)
        close(apply(images[:1], drawn[:, one]), together[one], 1e-12)
    assert len({image.sum().item() for image in together}) == count


@few
@given(*[st.just(0.0) | st.floats(0.01, 90)] * 4, SEEDS)
def test_draws_are_five_numbers_an_image(
    global_generator_untouched, rotation, shift, scale, shear, seed
):
    """Uniform within their ranges, row by row: a run that was recorded can be repeated."""
    with global_generator_untouched():
        drawn = numbers(Augmentation(rotation, shift, scale, shear), 3, seed)
    ranges = torch.tensor([rotation, shift, shift, scale, shear])[:, None]
    expected = 2 * torch.rand((5, 3), generator=generator(seed, "augment")) - 1
    assert torch.equal(drawn, expected * ranges) and Augmentation() == Augmentation(0, 0, 0, 0)
