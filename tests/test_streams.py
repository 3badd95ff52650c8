"""The name of a stream decides its numbers, and nothing else does."""

from __future__ import annotations

from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.streams import generator

SEEDS, COUNTERS = st.integers(0, 2**63), st.lists(st.integers(0, 10**6), max_size=3)
PURPOSES = st.sampled_from(["weights", "shuffle", "augment", "dropout"])
NAMES = st.builds(lambda *start, end: (*start, *end), SEEDS, PURPOSES, end=COUNTERS)


def numbers(*name):
    return torch.randint(2**60, (4,), generator=generator(*name)).tolist()


@given(NAMES, NAMES)
def test_same_name_same_numbers(global_generator_untouched, name, other):
    with global_generator_untouched():
        first = numbers(*name)
        numbers(*other)
        torch.rand(3, generator=generator(*name))
        assert numbers(*name) == first


@given(st.sets(NAMES, min_size=2, max_size=10))
def test_different_names_different_numbers(names):
    drawn = [number for name in names for number in numbers(*name)]
    assert len(set(drawn)) == len(drawn)


@given(NAMES, st.integers(0, 10**6))
def test_one_more_counter_is_another_stream(name, counter):
    assert not set(numbers(*name)) & set(numbers(*name, counter))


def test_neighbours_are_independent():
    """Twenty epochs of fifty batches: means as those of a fair draw, no two streams alike."""
    streams = [generator(1, "augment", *place) for place in product(range(20), range(50))]
    drawn = torch.stack([torch.rand(100, generator=stream) for stream in streams])
    assert len(set(drawn[:, 0].tolist())) > 990
    deviations = (drawn - 0.5) * 12**0.5
    assert abs(float(deviations.mean())) < 5 / 100_000**0.5
    assert abs(float((deviations[1:] * deviations[:-1]).mean())) < 5 / 99_900**0.5


def test_numbers_do_not_change_with_the_version():
    """A run that was recorded can be repeated: the hash is part of the contract."""
    assert generator(1, "shuffle", 3).initial_seed() == 611668665694072786
