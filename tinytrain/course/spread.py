"""One run is an anecdote: what the runs of many seeds say together.

Two seeds of one recipe differ by more than many a change of the recipe does. So a claim about a
recipe is a claim about its seeds: their mean, their spread, and how many hold the target; and a
claim about two recipes is one about the difference of their means, with Student's interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinytrain.train.target import LAST_EPOCHS, TARGET_ACCURACY, holds


@dataclass(frozen=True)
class Summary:
    """What the seeds say together; accuracies in percent, of the last five epochs."""

    count: int
    mean: float
    deviation: float
    interval: tuple[float, float]
    held: int


def summarise(accuracies: Sequence[Sequence[float]]) -> Summary:
    """Mean, standard deviation and 95 % interval over seeds of the mean of the last five epochs.

    `accuracies`: those of all epochs, in percent, a list a seed. `held`: see `target.holds`.
    """
    means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in accuracies]
    mean, count = statistics.mean(means), len(means)
    deviation = half = math.nan
    if count > 1:
        deviation = statistics.stdev(means)
        half = student_t(count - 1) * deviation / math.sqrt(count)
    return Summary(count, mean, deviation, (mean - half, mean + half), sum(map(holds, accuracies)))


def student_t(freedom: float) -> float:
    """The 97.5 % quantile of Student's t for `freedom` degrees of freedom, to 3 %.

    Expanded around the normal quantile z (Abramowitz and Stegun, 26.7.5); below 3 degrees, where
    that is too small, interpolated between the exact values.
    """
    if freedom < 3:
        exact = {1: 12.706, 2: 4.303, 3: 3.182}
        low = int(freedom)
        share = (1 / freedom - 1 / (low + 1)) / (1 / low - 1 / (low + 1))
        return exact[low + 1] * math.pow(exact[low] / exact[low + 1], share)
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def as_text(accuracies: Mapping[int, Sequence[float]], reason: str | None = None) -> str:
    """A line a seed, and what they say together; `accuracies` of all epochs, by seed.

    `reason` says why these runs cannot be held against the target, if they cannot.
    """
    lines = [f"seed   last {LAST_EPOCHS} epochs: lowest    mean    last"]
    for seed, values in accuracies.items():
        last = values[-LAST_EPOCHS:]
        lines.append(f"{seed:4}{min(last):22.2f}{statistics.mean(last):8.2f}{last[-1]:8.2f}")
    summary = summarise(list(accuracies.values()))
    mean = f"mean of the last {LAST_EPOCHS}: {summary.mean:.3f}"
    if summary.count > 1:
        low, high = summary.interval
        mean += f" ± {summary.deviation:.3f} over {summary.count} seeds, "
        mean += f"95 % interval {low:.3f} to {high:.3f}"
    target = f"{TARGET_ACCURACY:.2f} or more in every one of the last {LAST_EPOCHS} epochs"
    held = f"not judged ({reason})" if reason else f"{summary.held} of {summary.count}"
    return "\n".join([*lines, mean, f"{target}: {held}"])


@dataclass(frozen=True)
class Difference:
    """How much higher one mean is than another, with its 95 % interval, in points."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_difference(later_only: int, earlier_only: int, total: int) -> Difference:
    """How many more of the same `total` images one net gets right than another, in points.

    `later_only` and `earlier_only` are right in one net only; the others say nothing about the
    difference. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", 1947.
    """
    value = (later_only - earlier_only) / total
    error = math.sqrt((later_only + earlier_only) / total - value**2) / math.sqrt(total)
    low, high = (value + sign * 1.959964 * error for sign in (-1, 1))
    return Difference(100 * value, 100 * low, 100 * high)


def difference(later: Summary, earlier: Summary) -> Difference | None:
    """Welch's interval for the difference of two means with unequal deviations.

    Welch, "The generalization of Student's problem when several different population variances
    are involved", 1947. With one seed on a side there is no spread to tell it from: None.
    """
    if min(later.count, earlier.count) < 2:
        return None
    value = later.mean - earlier.mean
    one, other = (summary.deviation**2 / summary.count for summary in (later, earlier))
    if not one + other:
        return Difference(value, value, value)
    freedom = (one + other) ** 2 / (one**2 / (later.count - 1) + other**2 / (earlier.count - 1))
    half = student_t(freedom) * math.sqrt(one + other)
    return Difference(value, value - half, value + half)
