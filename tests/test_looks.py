"""Five looks at an image cost no parameter and no training, and their mean is what is said."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain import nets, nn
from tinytrain.data import augment
from tinytrain.nn.fold import fold
from tinytrain.streams import generator


def digits(count, size=28):
    """Random images (count, 1, size, size) in float64, with a margin of background."""
    images = torch.rand(
        count, 1, size, size, generator=generator(0, "digits"), dtype=torch.float64
    )
    images[:, :, [0, -1]] = images[:, :, :, [0, -1]] = 0
    return images


def moved(images, right, down):
    """The images, moved by whole pixels as augmentation moves them."""
    numbers = torch.zeros(len(images), dtype=torch.float64)
    shift = torch.tensor([[right, down]], dtype=torch.float64).expand(len(images), 2)
    return augment.apply(images, augment.Transform(numbers, shift, numbers, numbers))


@given(st.integers(1, 4), st.integers(3, 9))
def test_the_looks_are_the_image_and_its_four_neighbours(count, size):
    images = digits(count, size)
    found = nn.Looks().eval()(images).unflatten(0, (5, count))
    expected = [moved(images, *move) for move in [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]]
    torch.testing.assert_close(found, torch.stack(expected))


def test_what_leaves_comes_in_on_the_other_side():
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 0] = 1
    places = [look.nonzero()[0, 1:].tolist() for look in nn.Looks().eval()(image)]
    assert places == [[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]]


@given(st.integers(1, 4), st.integers(1, 9))
def test_the_mean_of_looks_belongs_to_its_image(count, size):
    scores = torch.rand(5, count, size, generator=generator(1, "scores"))
    torch.testing.assert_close(nn.MeanOfLooks().eval()(scores.flatten(0, 1)), scores.mean(0))


@pytest.fixture(params=["net9_3", "framed7500", "framed2791"])
def pair(request):
    """A net and the same net with looks, trained a little so that its norms have seen."""
    plain = nets.build(request.param, generator=generator(2, "weights")).to(torch.float64)
    plain.train()(digits(5))
    *layers, last = (layer for _, layer in plain.named_children())
    return plain, nn.Sequential(nn.Looks(), *layers, nn.MeanOfLooks(), last)


def test_training_is_that_of_the_net(pair):
    plain, looking = (net.train() for net in pair)
    images = digits(3)
    assert torch.equal(looking(images), plain(images))


def test_evaluation_is_the_mean_over_the_moved_images(pair):
    plain, looking = (net.eval() for net in pair)
    images = digits(3)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    mean = sum(plain(moved(images, *move)) for move in moves) / 5
    expected = torch.log_softmax(mean, 1)
    torch.testing.assert_close(looking(images), expected)
    torch.testing.assert_close(fold(looking)(images), expected)
