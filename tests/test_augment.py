"""What the numbers say is what happens to the pixels, image by image, and to nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain.data.augment import Augmentation, Transform, apply
from tinytrain.streams import generator

# The tolerance is a share of the range of a pixel, 255.
PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-12)]
precisions = pytest.mark.parametrize("dtype, share", PRECISIONS, ids=["float32", "float64"])
SIZES = st.integers(2, 28)
COUNTS = st.integers(1, 4)
SEEDS = st.integers(0, 2**31)
few = settings(max_examples=40)
LIVELY = Augmentation(rotation=60, shift=5, scale=0.4, shear=0.5, erase=0.5)


def noise(count, size, seed=0, dtype=torch.float64):
    """Images (count, 1, size, size) without any order, pixels in 0 … 255."""
    shape, drawn = (count, 1, size, size), generator(seed, "noise")
    return 255 * torch.rand(shape, dtype=dtype, generator=drawn)


def transform(angle=0.0, shift=(0.0, 0.0), scale=0.0, shear=0.0, erased=None, count=1):
    """A `Transform` with the same numbers for every image."""
    numbers = (torch.tensor(value, dtype=torch.float64) for value in (angle, shift, scale, shear))
    angle, shift, scale, shear = numbers
    return Transform(
        angle.expand(count),
        shift.expand(count, 2),
        scale.expand(count),
        shear.expand(count),
        None if erased is None else torch.tensor(erased).expand(count, 4),
    )


def cast(drawn, dtype):
    numbers = {name: value.to(dtype) for name, value in vars(drawn).items() if value is not None}
    return Transform(**numbers)


def part(drawn, index):
    """The numbers of one image."""
    return Transform(*(value[index : index + 1] for value in vars(drawn).values()))


def close(found, expected, share):
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=255 * share)


def moved(images, right, down):
    """The pixels `right` and `down` of where they were, background where nothing came to be."""
    result = torch.zeros_like(images)
    size = images.shape[-1]
    for y in range(max(down, 0), size + min(down, 0)):
        for x in range(max(right, 0), size + min(right, 0)):
            result[:, :, y, x] = images[:, :, y - down, x - right]
    return result


@precisions
@few
@given(COUNTS, SIZES, SEEDS)
def test_zero_is_the_identity(dtype, share, count, size, seed):
    images = noise(count, size, seed, dtype)
    close(apply(images, cast(transform(count=count), dtype)), images, share)
    drawn = Augmentation().draw(count, size, generator(seed, "augment"))
    close(apply(images, drawn), images, share)


@precisions
@few
@given(SIZES, st.integers(-4, 4), SEEDS)
def test_quarter_turns_are_counter_clockwise(dtype, share, size, quarters, seed):
    images = noise(2, size, seed, dtype)
    turned = apply(images, cast(transform(90.0 * quarters, count=2), dtype))
    close(turned, torch.rot90(images, quarters, (2, 3)), share)


@precisions
@few
@given(SIZES, st.integers(-30, 30), st.integers(-30, 30), SEEDS)
def test_whole_pixel_shifts_go_right_and_down(dtype, share, size, right, down, seed):
    images = noise(2, size, seed, dtype)
    shifted = apply(images, cast(transform(shift=(right, down), count=2), dtype))
    close(shifted, moved(images, right, down), share)


@pytest.mark.parametrize(
    "numbers, before, after",
    [
        ({"angle": 90.0}, (6, 0), (0, 6)),
        ({"angle": 45.0}, (7, 7), (0, 10)),
        ({"angle": -45.0}, (7, 7), (10, 0)),
        ({"shift": (3.0, 2.0)}, (6, 0), (9, -2)),
        ({"scale": math.log(2)}, (4, 3), (8, 6)),
        ({"scale": -math.log(2)}, (8, 6), (4, 3)),
        ({"shear": 0.5}, (0, 6), (3, 6)),
        ({"shear": 0.5}, (0, -6), (-3, -6)),
        ({"shear": 0.5}, (6, 0), (6, 0)),
        ({"angle": 90.0, "shift": (3.0, 0.0)}, (6, 0), (3, 6)),
        ({"angle": 90.0, "scale": math.log(2), "shear": 0.5}, (0, 4), (-8, 4)),
    ],
)
def test_where_a_dot_goes(numbers, before, after):
    """Places are (right, up) of the centre, in pixels."""
    centre = 16
    images = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    images[0, 0, centre - before[1], centre + before[0]] = 255
    place = int(apply(images, transform(**numbers)).argmax())
    assert (place % 33 - centre, centre - place // 33) == after


@given(
    st.floats(-180, 180),
    st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
)
def test_slope_moves_as_the_matrix_says(angle, shift, scale, shear):
    """An even slope is interpolated without error, so each pixel tells which place it shows."""
    size, turn = 20, math.radians(angle)
    right = torch.arange(size, dtype=torch.float64).expand(size, size) - (size - 1) / 2
    up = -right.T
    slant = torch.tensor([[1, shear], [0, 1]], dtype=torch.float64)
    cosine, sine = math.exp(scale) * math.cos(turn), math.exp(scale) * math.sin(turn)
    turned = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64) @ slant
    places = torch.stack((right - shift[0], up + shift[1])).flatten(1)
    sources = torch.linalg.solve(turned, places).view(2, size, size)
    inside = (sources.abs() <= (size - 1) / 2 - 1e-9).all(0)
    images = torch.stack((right, up)) + 100
    found = apply(images[None], transform(angle, shift, scale, shear))[0]
    torch.testing.assert_close(found[:, inside], sources[:, inside] + 100, rtol=0, atol=1e-9)
    outside = (sources.abs() >= (size + 1) / 2 + 1e-9).any(0)
    assert not found[:, outside].any()


@few
@given(COUNTS, st.integers(8, 28), SEEDS)
def test_apply_is_pure_and_invents_nothing(global_generator_untouched, count, size, seed):
    images, drawn = noise(count, size, seed), LIVELY.draw(count, size, generator(seed, "augment"))
    before = images.clone(), [value.clone() for value in vars(drawn).values()]
    with global_generator_untouched():
        first, again = apply(images, drawn), apply(images, drawn)
    assert torch.equal(first, again)
    assert torch.equal(images, before[0])
    assert all(map(torch.equal, vars(drawn).values(), before[1]))
    still = apply(images, Augmentation(erase=0.5).draw(count, size, generator(seed, "augment")))
    assert still.data_ptr() != images.data_ptr()
    assert first.min() >= 0 and first.max() <= images.max() + 1e-9


@few
@given(st.integers(2, 5), st.integers(8, 28), SEEDS)
def test_each_image_has_its_own_numbers(count, size, seed):
    images = noise(1, size, seed).expand(count, 1, size, size)
    drawn = cast(LIVELY.draw(count, size, generator(seed, "augment")), torch.float64)
    together = apply(images, drawn)
    for index in range(count):
        close(apply(images[:1], part(drawn, index)), together[index : index + 1], 1e-12)
    assert len({image.sum().item() for image in together}) == count


def columns(drawn):
    """The five drawn numbers of every image: (5, N)."""
    return torch.stack((drawn.angle, *drawn.shift.T, drawn.scale, drawn.shear))


@few
@given(*[st.just(0.0) | st.floats(0.01, 90)] * 4, SEEDS)
def test_draws_fill_their_ranges(global_generator_untouched, rotation, shift, scale, shear, seed):
    count, augmentation = 500, Augmentation(rotation, shift, scale, shear)
    with global_generator_untouched():
        drawn, again = (augmentation.draw(count, 28, generator(seed, "augment")) for _ in range(2))
    assert torch.equal(columns(drawn), columns(again)) and drawn.erased is None
    for column, bound in zip(columns(drawn), (rotation, shift, shift, scale, shear), strict=True):
        assert column.abs().max() <= bound * (1 + 1e-6)
        assert column.max() >= 0.95 * bound and column.min() <= -0.95 * bound
        assert column.mean().abs() <= 5 * bound / (3 * count) ** 0.5


@given(SEEDS)
def test_draws_are_independent(seed):
    count = 500
    first, second = (
        columns(LIVELY.draw(count, 28, generator(seed, "augment", epoch))) for epoch in (1, 2)
    )
    correlations = torch.corrcoef(torch.cat((first, second)))
    assert (correlations - torch.eye(10)).abs().max() < 6 / count**0.5


@few
@given(st.integers(4, 40), SEEDS)
def test_erased_rectangles_are_inside_and_background(size, seed):
    images = noise(20, size, seed) + 1
    drawn = Augmentation(erase=0.7).draw(20, size, generator(seed, "augment"))
    found, untouched = apply(images, drawn), apply(images, replace(drawn, erased=None))
    for image, whole, rectangle in zip(found, untouched, drawn.erased.tolist(), strict=True):
        assert rectangle == [int(number) for number in rectangle]
        top, left, height, width = map(int, rectangle)
        assert 0 <= top <= top + height <= size and 0 <= left <= left + width <= size
        expected = whole.clone()
        expected[:, top : top + height, left : left + width] = 0
        assert torch.equal(image, expected)


@few
@given(st.floats(0.05, 1), SEEDS)
def test_erase_probability_area_and_sides(global_generator_untouched, erase, seed):
    count, size = 1000, 100
    with global_generator_untouched():
        drawn = Augmentation(erase=erase).draw(count, size, generator(seed, "augment"))
    height, width = drawn.erased[:, 2:].T
    happened = height * width > 0
    spread = (erase * (1 - erase) * count) ** 0.5
    assert abs(int(happened.sum()) - erase * count) <= 5 * spread
    area, ratio = (height * width)[happened] / size**2, (height / width)[happened]
    assert area.min() > 0.018 and area.max() < 0.21
    assert ratio.min() > 0.3 and ratio.max() < 3.3
    assert bool(ratio.log().mean().abs() < 5 * math.log(3) / 3**0.5 / len(ratio) ** 0.5)
