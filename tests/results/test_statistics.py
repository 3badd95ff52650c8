"""What many seeds say together."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.cli.options import seed_list, seed_text
from tinytrain.results.statistics import (
    as_text,
    difference,
    difference_of,
    score,
    seeds_needed,
    standard_error,
    student_t,
    summarise,
)

percent = st.integers(9800, 10000).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.lists(percent, min_size=5, max_size=7), min_size=2, max_size=9))
def test_summary(seeds):
    summary = summarise(seeds)
    means = [statistics.mean(accuracies[-5:]) for accuracies in seeds]
    assert summary.mean == pytest.approx(statistics.mean(means))
    assert summary.deviation == pytest.approx(statistics.stdev(means), abs=1e-9)
    assert summary.held == sum(all(a >= 99.4 for a in accuracies[-5:]) for accuracies in seeds)
    if len(seeds) < 3:
        assert summary.interval is None
    else:
        low, high = summary.interval
        assert low <= summary.mean + 1e-9 and summary.mean <= high + 1e-9


def test_student_t_against_the_printed_table():
    freedoms = [1, 1.5, 2, 2.5, 3, 4, 9, 19, 100]
    exact = [12.706, 6.017, 4.303, 3.575, 3.182, 2.776, 2.262, 2.093, 1.984]
    assert list(map(student_t, freedoms)) == pytest.approx(exact, rel=0.03)


def test_one_seed_has_no_spread():
    assert math.isnan(summarise([[99.5] * 5]).deviation)
    assert "1 of 1" in as_text({7: [99.5] * 5})


@pytest.mark.parametrize(
    ("seeds", "epochs", "said"),
    [
        (3, 5, "95 % interval"),
        (2, 5, "fewer than 3 seeds"),
        (3, 4, "fewer than 5 epochs"),
        (2, 1, "fewer than 5 epochs"),
    ],
)
def test_an_interval_wants_three_seeds_and_five_epochs(seeds, epochs, said):
    accuracies = {seed: [99.0 + seed / 10] * epochs for seed in range(seeds)}
    summary, text = summarise(list(accuracies.values())), as_text(accuracies)
    assert said in text and ("no interval" in text) == (summary.interval is None)
    assert f"mean of the last {epochs}: " in text and f"over {seeds} seeds" in text
    assert (difference(summary, summary) is None) == (summary.interval is None)


several = st.lists(st.lists(st.floats(98, 100), min_size=5, max_size=5), min_size=3, max_size=6)


@given(several, several)
def test_a_difference_is_that_of_the_means(first, second):
    later, earlier = summarise(first), summarise(second)
    spreads = [(summary.deviation, summary.count) for summary in (later, earlier)]
    found = difference(later, earlier)
    assert found == difference_of(later.mean - earlier.mean, spreads)
    assert found.excludes_zero == (found.low > 0 or found.high < 0)


@given(st.sets(st.integers(0, 50), min_size=1))
def test_seeds_as_text_and_back(seeds):
    assert seed_list(seed_text(sorted(seeds))) == sorted(seeds)


@given(st.lists(percent, min_size=1, max_size=7))
def test_a_run_counts_with_its_last_five_epochs_or_its_last(accuracies):
    last = accuracies[-5:] if len(accuracies) >= 5 else accuracies[-1:]
    assert score(accuracies) == pytest.approx(sum(last) / len(last))


means = st.lists(st.tuples(st.floats(0.001, 1), st.integers(3, 30)), min_size=1, max_size=2)


def by_hand(means):
    """Standard error and degrees of freedom: Student's of one mean, Welch's of two."""
    parts = [deviation * deviation / count for deviation, count in means]
    if len(parts) == 1:
        return math.sqrt(parts[0]), means[0][1] - 1
    (a, b), (n, m) = parts, (count for _, count in means)
    return math.sqrt(a + b), (a + b) ** 2 / (a * a / (n - 1) + b * b / (m - 1))


@given(st.floats(-1, 1), means)
def test_the_interval_is_that_by_hand(value, means):
    error, freedom = by_hand(means)
    assert standard_error(means) == pytest.approx((error, freedom))
    found = difference_of(value, means)
    half = student_t(freedom) * error
    assert (found.low, found.high) == pytest.approx((value - half, value + half))


@given(st.floats(0.01, 1), means)
def test_the_seeds_that_are_needed_are_enough_and_no_fewer(value, means):
    def tells(more):
        error, freedom = by_hand([(deviation, count + more) for deviation, count in means])
        return (student_t(freedom) + 0.841621) * error < value

    needed = seeds_needed(value, means)
    assert needed == seeds_needed(-value, means)
    assert needed == next((more for more in range(1, 1001) if tells(more)), None)


def test_the_seeds_that_are_needed_tell_four_of_five_times():
    draw = random.Random(1)
    more = seeds_needed(0.5, [(1.0, 5)])
    told = 0
    for _ in range(2000):
        gains = [draw.gauss(0.5, 1) for _ in range(5 + more)]
        means = [(statistics.stdev(gains), len(gains))]
        told += difference_of(statistics.mean(gains), means).low > 0
    assert told / 2000 == pytest.approx(0.8, abs=0.03)


def test_no_seeds_tell_what_is_equal():
    assert seeds_needed(0.0, [(0.0, 5)]) is None and seeds_needed(0.0, [(0.1, 5)]) is None
