"""A digit of any size, place, brightness and contrast becomes the same image of MNIST's form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tinytrain import streams
from tinytrain.store import synthetic
from tinytrain.store.mnist_form import area_weights, centred_places, mnist_form, resized

DIGITS = synthetic.digits(torch.arange(20) % 10, streams.generator(3, "digits"))[:, 0]
digits = st.sampled_from(list(DIGITS.double()))
edges = st.tuples(*[st.integers(0, 40)] * 4)


def enlarged(image, down, across=None):
    return image.repeat_interleave(down, -2).repeat_interleave(across or down, -1)


def difference(one, other):
    """The mean difference of two images, the second moved by a pixel where that is less."""
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = (torch.roll(other.double(), move, (0, 1)) for move in moves)
    return min(float((one.double() - image).abs().mean()) for image in moved)


@settings(max_examples=40)
@given(digits, edges, st.floats(0.2, 1), st.floats(0, 50), st.booleans())
def test_place_contrast_and_brightness_do_not_matter(digit, edges, contrast, brightness, inverted):
    """Also where the digit touches the border."""
    rows, columns = (place.unique() for place in (digit > 0).nonzero().T)
    tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    framed = functional.pad(tight, edges)
    assert torch.equal(mnist_form(255 - framed if inverted else framed), mnist_form(digit))
    faint = framed * contrast + brightness
    found = mnist_form(255 - faint if inverted else faint)
    assert (found.int() - mnist_form(digit).int()).abs().max() <= 1


@settings(max_examples=20)
@given(digits, st.integers(2, 9), edges)
def test_a_larger_digit_is_nearly_the_same(digit, times, edges):
    larger = functional.pad(enlarged(digit, times), edges)
    assert difference(mnist_form(larger), mnist_form(digit)) < 1.5


def spans(image, least):
    """The number of rows, and of columns, that the pixels above `least` span."""
    return [int(place.max() - place.min()) + 1 for place in (image > least).nonzero().T]


@settings(max_examples=40)
@given(digits, st.integers(1, 5), st.integers(1, 5))
def test_proportions_stay(digit, down, across):
    stretched = enlarged(digit, down, across)
    before, after = spans(stretched, 0.05 * digit.max()), spans(mnist_form(stretched), 10)
    wanted = [20 * side / max(before) for side in before]
    assert all(abs(one - other) <= 2.5 for one, other in zip(after, wanted, strict=True))


@given(digits)
def test_a_digit_in_the_form_stays_as_it_is(digit):
    once = mnist_form(digit)
    assert (mnist_form(once).double() - once.double()).abs().mean() < 0.2


@settings(max_examples=20)
@given(digits, edges, st.sampled_from([0.6, 1.0, 2.5, 7.0]))
def test_size_and_centre_of_mass(digit, edges, times):
    side = round(28 * times)
    image = functional.interpolate(digit[None, None], (side, side), mode="area")[0, 0]
    found = mnist_form(255 - functional.pad(image, edges))
    assert found.shape == (28, 28) and found.dtype == torch.uint8 and found.max() == 255
    assert 20 <= max(spans(found, 0)) <= 22
    mass, place = found.double() / found.double().sum(), torch.arange(28.0).double()
    for axis in 0, 1:
        assert abs(float((mass.sum(axis) * place).sum()) - 14) < 0.6


# The two of these digits that are most alike, and not the same, differ by 28.
@settings(max_examples=8)
@given(digits, st.integers(0, 2**31))
def test_noise_and_specks_do_not_matter(digit, seed):
    generator = torch.Generator().manual_seed(seed)
    clean = functional.pad(enlarged(digit, 5), (30, 30, 30, 30))
    noisy = 200 - 0.7 * clean + 4 * torch.randn(clean.shape, generator=generator)
    noisy[3, 5] = 30.0
    assert difference(mnist_form(noisy), mnist_form(clean)) < 14


def test_without_ink_there_is_no_digit_and_a_few_pixels_are_no_error():
    for shape in (1, 1), (1, 9), (28, 28):
        with pytest.raises(ValueError, match="alike"):
            mnist_form(torch.full(shape, 7.0))
    for shape in (2, 1), (1, 2), (2, 2), (3, 1), (5, 3):
        image = torch.zeros(shape)
        image[0, 0] = 1.0
        assert mnist_form(image).shape == (28, 28)


@given(st.integers(1, 40), st.floats(0.1, 9))
def test_a_digit_of_one_brightness_keeps_it(size, step):
    places = centred_places(torch.ones(size, dtype=torch.float64), step)
    within = (places - max(step, 1) / 2 > -0.5) & (places + max(step, 1) / 2 < size - 0.5)
    sums = area_weights(places, step, size).sum(1)
    assert torch.allclose(sums[within], torch.ones_like(sums[within]))
    assert (sums <= 1 + 1e-9).all()


images = st.builds(
    lambda channels, height, width, seed: torch.randint(
        0, 256, (channels, height, width), generator=torch.Generator().manual_seed(seed)
    ).double(),
    *(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 999)),
)


def assert_rounded(found, expected):
    assert ((found.double() - expected[0]).abs() <= 0.5 + 1e-9).all()


@given(images, st.integers(1, 5), st.integers(1, 5))
def test_resized_is_the_mean_where_smaller_and_linear_where_larger(image, down, across):
    assert torch.equal(resized(image, image.shape[1:]), image.to(torch.uint8))
    larger = enlarged(image, down, across) + 0.25
    mean = functional.avg_pool2d(larger[None], (down, across))
    assert_rounded(resized(larger, image.shape[1:]), mean)
    size = image.shape[1] * down, image.shape[2] * across
    linear = functional.interpolate(image[None], size, mode="bilinear", align_corners=False)
    assert_rounded(resized(image, size), linear)
