"""The drawn digits: repeatable, whole, and different enough for a straight line to tell apart."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain.errors import UsageError
from tinytrain.store import idx, synthetic
from tinytrain.streams import generator

SPLITS = {"train": 2000, "t10k": 1000}


def written(folder, seed, **counts):
    """The images and labels of both splits, from new files in the folder."""
    synthetic.write_files(folder, seed=seed, train=counts["train"], test=counts["t10k"])
    return {
        split: (
            idx.read(folder / f"{split}-images-idx3-ubyte"),
            idx.read(folder / f"{split}-labels-idx1-ubyte"),
        )
        for split in SPLITS
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("synthetic"), 1, **SPLITS)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 99))
def test_digits_depend_on_labels_and_generator_alone(global_generator_untouched, wanted, seed):
    wanted = torch.tensor(wanted, dtype=torch.int64)
    with global_generator_untouched():
        first, again = (synthetic.digits(wanted, generator(seed, "test")) for _ in range(2))
    assert first.shape == (len(wanted), 1, 28, 28) and first.dtype == torch.uint8
    assert torch.equal(first, again)


# Of nine drawings of each digit, on the average: the ink, in white pixels; its centre's x; its y.
KNOWN = [
    [132.06, 68.35, 114.77, 129.28, 98.90, 114.49, 135.16, 97.21, 141.67, 125.23],
    [13.35, 13.57, 13.98, 14.51, 13.66, 13.08, 12.69, 14.34, 13.59, 14.05],
    [13.64, 13.29, 14.10, 13.10, 13.51, 13.23, 15.02, 11.26, 13.91, 12.70],
]


def test_digits_do_not_change_with_the_version():
    """What was measured on drawn digits can be repeated."""
    drawn = synthetic.digits(torch.arange(90) // 9, generator(1, "known"))[:, 0].double() / 255
    place, ink = torch.arange(28.0).double(), drawn.sum((1, 2))
    across, down = (drawn.sum(axis) @ place / ink for axis in (1, 2))
    found = torch.stack((ink, across, down)).view(3, 10, 9).mean(2)
    torch.testing.assert_close(found, torch.tensor(KNOWN).double(), rtol=0, atol=0.02)


def test_digits_are_whole():
    pictures = synthetic.digits(torch.arange(1000) % 10, generator(2, "test"))[:, 0]
    assert pictures.sum() == pictures[:, 1:-1, 1:-1].sum(), "ink at the border"
    assert pictures.flatten(1).unique(dim=0).shape[0] == 1000, "two digits are the same"
    for picture in pictures:
        ink = (picture > 127).nonzero()
        low, high = ink.amin(0), ink.amax(0)
        assert 14 <= (high - low).max() + 1 <= 22, "not about 20 pixels in size"
        assert ((low + high + 1) / 2 - 14).abs().max() <= 2, "not in the middle"


@pytest.mark.parametrize("split", SPLITS)
def test_files_are_those_of_mnist_every_thousand_balanced_and_shuffled(files, split):
    images, labels = files[split]
    assert images.shape == (SPLITS[split], 28, 28) and labels.shape == (SPLITS[split],)
    assert images.dtype == labels.dtype == np.uint8
    for thousand in labels.reshape(-1, 1000):
        assert (np.bincount(thousand, minlength=10) == 100).all()
        # By chance one pair of neighbours in ten is equal; if sorted nearly all, if in turn none.
        assert 50 < (thousand[1:] == thousand[:-1]).sum() < 150


def test_splits_thousands_and_seeds_differ_and_how_many_follow_does_not_matter(files, tmp_path):
    other, fewer = tmp_path / "other", tmp_path / "fewer"
    other.mkdir(), fewer.mkdir()
    other, fewer = written(other, 2, train=300, t10k=300), written(fewer, 1, train=1100, t10k=300)
    every = [images for several in (files, other) for images, _ in several.values()]
    pictures = np.concatenate(every).reshape(-1, 28 * 28)
    assert len(np.unique(pictures, axis=0)) == len(pictures)
    assert (other["train"][1] != files["train"][1][:300]).any()
    for split in SPLITS:
        for part, whole in zip(fewer[split], files[split], strict=True):
            assert np.array_equal(part, whole[: len(part)])


@pytest.mark.parametrize("split", SPLITS)
def test_least_squares_reads_the_digits_and_the_labels_are_right(files, split):
    def inputs(pictures):
        pixels = torch.as_tensor(pictures).flatten(1).double() / 255
        return torch.cat((pixels, torch.ones(len(pixels), 1)), 1)

    digits, (images, labels) = torch.arange(4000) % 10, files[split]
    x = inputs(synthetic.digits(digits, generator(3, "test")))
    squares, products = x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ torch.eye(10).double()[digits]
    right = (inputs(images) @ torch.linalg.solve(squares, products)).argmax(1).numpy() == labels
    assert 0.85 < right.mean() < 0.97, "too hard or too easy"
    for digit in range(10):
        assert right[labels == digit].mean() > 0.75, f"{digit} looks like another"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        synthetic.write_files(tmp_path / "file", train=1, test=1)
