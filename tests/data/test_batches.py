"""Every sample once an epoch, in a fresh order; pixels to mean 0 and deviation 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.data import batches
from tinytrain.streams import generator

COUNTS, SIZES, SEEDS = st.integers(1, 300), st.integers(1, 70), st.integers(0, 2**31)


@given(COUNTS, SIZES, SEEDS)
def test_every_row_is_dealt_out_once(global_generator_untouched, count, batch_size, seed):
    with global_generator_untouched():
        dealt, again, whole = (
            batches.shuffled(count, size, generator(seed, "shuffle"))
            for size in (batch_size, batch_size, count)
        )
    ordered = [torch.arange(count)[rows] for rows in batches.in_order(count, batch_size)]
    for rows in dealt, again, ordered:
        full, rest = divmod(count, batch_size)
        assert [len(batch) for batch in rows] == [batch_size] * full + [rest] * (rest > 0)
        assert {batch.dtype for batch in rows} == {torch.int64}
    assert torch.equal(torch.cat(ordered), torch.arange(count))
    assert torch.cat(dealt).sort().values.tolist() == list(range(count))
    assert torch.equal(torch.cat(dealt), torch.cat(again)) and torch.equal(
        torch.cat(dealt), *whole
    )


def test_samples_are_shuffled_not_batches():
    """In 2,000 rows about one pair of neighbours stays together, not all but one a batch."""
    dealt, other = (
        torch.cat(batches.shuffled(2000, 100, generator(0, "shuffle", epoch))) for epoch in (1, 2)
    )
    assert int((dealt.diff() == 1).sum()) < 10 and not torch.equal(dealt, other)
    columns = torch.stack((dealt.double(), torch.arange(2000.0)))
    assert abs(float(torch.corrcoef(columns)[0, 1])) < 0.1


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
