"""The drawn digits: repeatable, whole, and different enough for a straight line to tell apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.errors import UsageError
from tinytrain.store import idx, synthetic
from tinytrain.streams import generator

SPLITS = {"train": 4000, "t10k": 1000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthetic")
    synthetic.write_files(path, seed=1, train=SPLITS["train"], test=SPLITS["t10k"])
    return path


def images(folder, split="train"):
    return idx.read(folder / f"{split}-images-idx3-ubyte")


def labels(folder, split="train"):
    return idx.read(folder / f"{split}-labels-idx1-ubyte")


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 99))
def test_digits_depend_on_labels_and_generator_alone(global_generator_untouched, wanted, seed):
    wanted = torch.tensor(wanted, dtype=torch.int64)
    with global_generator_untouched():
        first, again = (synthetic.digits(wanted, generator(seed, "test")) for _ in range(2))
    assert first.shape == (len(wanted), 1, 28, 28) and first.dtype == torch.uint8
    assert torch.equal(first, again)


# Of nine drawings of each digit: the ink, in white pixels, and its centre (x, y), on the average.
KNOWN = [
    (132.06, 13.35, 13.64),
    (68.35, 13.57, 13.29),
    (114.77, 13.98, 14.10),
    (129.28, 14.51, 13.10),
    (98.90, 13.66, 13.51),
    (114.49, 13.08, 13.23),
    (135.16, 12.69, 15.02),
    (97.21, 14.34, 11.26),
    (141.67, 13.59, 13.91),
    (125.23, 14.05, 12.70),
]


def test_digits_do_not_change_with_the_version():
    """What was measured on drawn digits can be repeated."""
    drawn = synthetic.digits(torch.arange(90) // 9, generator(1, "known"))[:, 0].double() / 255
    place, ink = torch.arange(28.0), drawn.sum((1, 2))
    across, down = (drawn.sum(axis) @ place.double() / ink for axis in (1, 2))
    found = torch.stack((ink, across, down), 1).view(10, 9, 3).mean(1)
    torch.testing.assert_close(found, torch.tensor(KNOWN).double(), rtol=0, atol=0.02)


@pytest.mark.parametrize("digit", range(10))
def test_digits_are_whole(digit):
    pictures = synthetic.digits(torch.full((500,), digit), generator(2, "test", digit))[:, 0]
    inner = pictures[:, 1:-1, 1:-1]
    assert pictures.sum() == inner.sum(), "ink at the border"
    assert pictures.flatten(1).unique(dim=0).shape[0] == 500, "two digits are the same"
    for picture in pictures:
        ink = (picture > 127).nonzero()
        low, high = ink.amin(0), ink.amax(0)
        assert 14 <= (high - low).max() + 1 <= 22, "not about 20 pixels in size"
        assert ((low + high + 1) / 2 - 14).abs().max() <= 2, "not in the middle"


@pytest.mark.parametrize("split", SPLITS)
def test_files_are_those_of_mnist_every_thousand_balanced_and_shuffled(folder, split):
    assert images(folder, split).shape == (SPLITS[split], 28, 28)
    assert labels(folder, split).shape == (SPLITS[split],)
    assert images(folder, split).dtype == labels(folder, split).dtype == np.uint8
    assert len(list(folder.iterdir())) == 4
    for thousand in labels(folder, split).reshape(-1, 1000):
        assert (np.bincount(thousand, minlength=10) == 100).all()
        # By chance one pair of neighbours in ten is equal; if sorted nearly all, if in turn none.
        assert 50 < (thousand[1:] == thousand[:-1]).sum() < 150


def test_splits_thousands_and_seeds_differ(folder, tmp_path):
    synthetic.write_files(tmp_path, seed=2, train=1000, test=1000)
    every = [images(at, split) for at in (folder, tmp_path) for split in SPLITS]
    pictures = np.concatenate(every).reshape(-1, 28 * 28)
    assert len(np.unique(pictures, axis=0)) == len(pictures)
    assert (labels(tmp_path)[:1000] != labels(folder)[:1000]).any()


def test_the_first_digits_do_not_depend_on_how_many_follow(folder, tmp_path):
    synthetic.write_files(tmp_path, seed=1, train=1100, test=300)
    for split, count in ("train", 1100), ("t10k", 300):
        assert np.array_equal(images(tmp_path, split), images(folder, split)[:count])
        assert np.array_equal(labels(tmp_path, split), labels(folder, split)[:count])


@pytest.mark.parametrize("split", SPLITS)
def test_least_squares_reads_the_digits_and_the_labels_are_right(folder, split):
    def inputs(pictures):
        pixels = torch.as_tensor(pictures).flatten(1).double() / 255
        return torch.cat((pixels, torch.ones(len(pixels), 1)), 1)

    digits = torch.arange(4000) % 10
    x = inputs(synthetic.digits(digits, generator(3, "test")))
    squares, products = x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ torch.eye(10).double()[digits]
    weights = torch.linalg.solve(squares, products)
    right = (inputs(images(folder, split)) @ weights).argmax(1).numpy() == labels(folder, split)
    assert 0.85 < right.mean() < 0.97, "too hard or too easy"
    for digit in range(10):
        assert right[labels(folder, split) == digit].mean() > 0.75, f"{digit} looks like another"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        synthetic.write_files(tmp_path / "file", train=1, test=1)
