"""Every sample once an epoch, in a fresh order, and each image keeps its label."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.data import batches
from tinytrain.streams import generator

COUNTS, SIZES = st.integers(1, 300), st.integers(1, 70)
SEEDS = st.integers(0, 2**31)


def order(count, seed, epoch=1, batch_size=7):
    return torch.cat(batches.shuffled(count, batch_size, generator(seed, "shuffle", epoch)))


@given(COUNTS, SIZES, SEEDS)
def test_shuffled_deals_out_every_row_once(global_generator_untouched, count, batch_size, seed):
    with global_generator_untouched():
        dealt = batches.shuffled(count, batch_size, generator(seed, "shuffle"))
    assert torch.cat(dealt).sort().values.tolist() == list(range(count))
    full, rest = divmod(count, batch_size)
    assert [len(rows) for rows in dealt] == [batch_size] * full + [rest] * (rest > 0)
    assert {rows.dtype for rows in dealt} == {torch.int64}


@given(COUNTS, SIZES)
def test_in_order_sees_every_row_once(count, batch_size):
    seen = [list(range(count))[rows] for rows in batches.in_order(count, batch_size)]
    assert [*chain(*seen)] == list(range(count))
    assert {len(rows) for rows in seen[:-1]} <= {batch_size}
    assert 0 < len(seen[-1]) <= batch_size


@given(COUNTS, SIZES, SEEDS)
def test_images_keep_their_labels(count, batch_size, seed):
    labels = torch.arange(count)
    images = labels[:, None, None, None].expand(count, 1, 2, 2)
    dealt = batches.shuffled(count, batch_size, generator(seed, "shuffle"))
    for rows in (*dealt, *batches.in_order(count, batch_size)):
        assert (images[rows] == labels[rows, None, None, None]).all()


@given(st.integers(50, 300), SIZES, SEEDS)
def test_same_generator_same_order_and_a_fresh_one_each_epoch(count, batch_size, seed):
    assert torch.equal(order(count, seed), order(count, seed))
    assert torch.equal(order(count, seed, batch_size=batch_size), order(count, seed))
    assert not torch.equal(order(count, seed, epoch=2), order(count, seed))
    assert not torch.equal(order(count, seed), torch.arange(count))


def test_samples_are_shuffled_not_batches():
    """In 2,000 rows about one pair of neighbours stays together, not all but one a batch."""
    dealt = order(2000, seed=0, batch_size=100)
    assert int((dealt.diff() == 1).sum()) < 10
    places = dealt.double()
    assert abs(float(torch.corrcoef(torch.stack((places, torch.arange(2000.0))))[0, 1])) < 0.1


@given(st.integers(2, 50), st.floats(0.05, 0.95), st.floats(0.01, 1), SEEDS)
def test_normalise(count, mean, std, seed):
    shape, drawn = (count, 1, 3, 3), generator(seed, "pixels")
    pixels = 255 * torch.rand(shape, dtype=torch.float64, generator=drawn)
    normalised = batches.normalise(pixels, mean, std)
    torch.testing.assert_close(normalised, (pixels / 255 - mean) / std)
    std, mean = (float(value) / 255 for value in torch.std_mean(pixels, correction=0))
    own = batches.normalise(pixels, mean, std)
    assert float(own.mean()) == pytest.approx(0, abs=1e-9)
    assert float(own.std(correction=0)) == pytest.approx(1)
