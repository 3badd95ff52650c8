"""What many seeds say together."""

import math
import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.cli.options import seed_list, seed_text
from tinytrain.results.statistics import (
    as_text,
    difference,
    paired_text,
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
def test_differences(first, second):
    forth = difference(summarise(first), summarise(second))
    back = difference(summarise(second), summarise(first))
    assert forth.low <= forth.value <= forth.high
    mirrored = pytest.approx((-forth.value, -forth.high, -forth.low), abs=1e-9)
    assert (back.value, back.low, back.high) == mirrored
    assert forth.excludes_zero == (forth.low > 0 or forth.high < 0)


@given(several)
def test_difference_of_equal_spreads_has_their_degrees_of_freedom(seeds):
    summary = summarise(seeds)
    error = summary.deviation * (2 / summary.count) ** 0.5
    expected = student_t(2 * summary.count - 2) * error
    assert difference(summary, summary).high == pytest.approx(expected, abs=1e-9)


@given(st.sets(st.integers(0, 50), min_size=1))
def test_seeds_as_text_and_back(seeds):
    assert seed_list(seed_text(sorted(seeds))) == sorted(seeds)


@given(st.lists(st.tuples(*2 * [st.lists(percent, min_size=5, max_size=5)]), min_size=3))
def test_pairs_of_runs_have_the_interval_of_their_gains(pairs):
    gains = [statistics.mean(later) - statistics.mean(earlier) for earlier, later in pairs]
    half = student_t(len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
    value, low, high = map(float, re.findall(r"[+-]\d+\.\d+", paired_text(pairs)))
    mean = statistics.mean(gains)
    assert (value, low, high) == pytest.approx((mean, mean - half, mean + half), abs=6e-4)


def test_two_pairs_or_few_epochs_have_no_interval():
    for pairs in ([([99.0] * 5, [99.1] * 5)] * 2, [([99.0], [99.1])] * 3):
        assert "+0.100 points" in paired_text(pairs) and "no interval" in paired_text(pairs)
