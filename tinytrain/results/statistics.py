"""Statistics over seeds: mean, standard deviation, 95 % intervals, differences of two recipes.

Two seeds of one recipe often differ by more than two recipes do. So an accuracy is reported as a
mean over seeds with its deviation and the number of seeds that hold the target, and two recipes
are compared by the interval of the difference of their means.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinytrain.report.target import LAST_EPOCHS, TARGET_ACCURACY, holds

FEWEST_SEEDS = 3  # the interval of two would be 12.7 standard errors to each side
Z_80 = 0.841621  # the 80 % quantile of the normal distribution


@dataclass(frozen=True)
class Summary:
    """The mean accuracy of the last five epochs, in percent, over `count` seeds.

    `epochs` is the length of the shortest run, `held` the number of seeds that hold the target.
    `deviation` is nan for one seed; `interval` (95 %) is None for fewer than three seeds or five
    epochs, see `reason_without_interval`.
    """

    count: int
    epochs: int
    mean: float
    deviation: float
    interval: tuple[float, float] | None
    held: int


def summarise(accuracies: Sequence[Sequence[float]]) -> Summary:
    """Summarise test accuracies, in percent: a sequence of all epochs for each seed."""
    means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in accuracies]
    mean, count, epochs = statistics.mean(means), len(means), min(map(len, accuracies))
    deviation = statistics.stdev(means) if count > 1 else math.nan
    interval = None
    if reason_without_interval(count, epochs) is None:
        half = student_t(count - 1) * deviation / math.sqrt(count)
        interval = mean - half, mean + half
    return Summary(count, epochs, mean, deviation, interval, sum(map(holds, accuracies)))


def reason_without_interval(seeds: int, epochs: int) -> str | None:
    """Why no interval is given for so many seeds and epochs; None where one is."""
    if epochs < LAST_EPOCHS:
        return f"no interval for runs of fewer than {LAST_EPOCHS} epochs"
    if seeds < FEWEST_SEEDS:
        return f"no interval over fewer than {FEWEST_SEEDS} seeds"
    return None


def student_t(freedom: float) -> float:
    """The 97.5 % quantile of Student's t for `freedom` degrees of freedom, to 3 %.

    Welch's degrees of freedom are fractions, so this is a series around the normal quantile
    (Abramowitz and Stegun, 26.7.5). Below 3 degrees, where the series is too small, the quantile
    is interpolated between exact values.
    """
    if freedom < 3:
        exact = {1: 12.706, 2: 4.303, 3: 3.182}
        low = int(freedom)
        share = (1 / freedom - 1 / (low + 1)) / (1 / low - 1 / (low + 1))
        return exact[low + 1] * math.pow(exact[low] / exact[low + 1], share)
    z = 1.959964  # the quantile of the normal distribution
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def as_text(accuracies: Mapping[int, Sequence[float]], reason: str | None = None) -> str:
    """Format a table: a line a seed, then mean, interval and verdict.

    `accuracies` has all epochs of each seed, in percent. `reason` says why these runs are not
    judged against the target; None where they are.
    """
    summary = summarise(list(accuracies.values()))
    shown = min(LAST_EPOCHS, summary.epochs)
    lines = [f"seed   last {shown} epoch{'s' * (shown > 1)}: lowest    mean    last"]
    for seed, values in accuracies.items():
        last = values[-LAST_EPOCHS:]
        lines.append(f"{seed:4}{min(last):22.2f}{statistics.mean(last):8.2f}{last[-1]:8.2f}")
    mean = f"mean of the last {shown}: {summary.mean:.3f}"
    if summary.count > 1:
        mean += f" ± {summary.deviation:.3f} over {summary.count} seeds"
    if summary.interval:
        mean += ", 95 % interval {:.3f} to {:.3f}".format(*summary.interval)
    elif summary.count > 1:
        mean += f" ({reason_without_interval(summary.count, summary.epochs)})"
    target = f"{TARGET_ACCURACY:.2f} or more in every one of the last {LAST_EPOCHS} epochs"
    held = f"not judged ({reason})" if reason else f"{summary.held} of {summary.count}"
    return "\n".join([*lines, mean, f"{target}: {held}"])


@dataclass(frozen=True)
class Difference:
    """The difference of two accuracies and its 95 % interval, in percentage points."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        verdict = "with zero in it: it may be chance"
        if self.excludes_zero:
            verdict = "without zero: more than seeds alone would explain"
        interval = f"95 % interval {self.low:+.3f} to {self.high:+.3f}"
        return f"{self.value:+.3f} points, {interval}, {verdict}"


def score(accuracies: Sequence[float]) -> float:
    """The accuracy that a run is compared by: the mean of its last five epochs, of fewer the last.

    The mean is the steadier; a run of three epochs is not yet steady, and its last one counts.
    """
    return statistics.mean(accuracies[-LAST_EPOCHS if len(accuracies) >= LAST_EPOCHS else -1 :])


def difference(later: Summary, earlier: Summary) -> Difference | None:
    """By how much `later` is above `earlier`; None where either has no interval."""
    if later.interval is None or earlier.interval is None:
        return None
    means = [(summary.deviation, summary.count) for summary in (later, earlier)]
    return difference_of(later.mean - earlier.mean, means)


def difference_of(value: float, means: Sequence[tuple[float, int]]) -> Difference:
    """A difference with its interval; `means`: deviation and count of each mean that is in it.

    That is one for the gains of pairs, and two for what is not paired.
    """
    error, freedom = standard_error(means)
    half = student_t(freedom) * error
    return Difference(value, value - half, value + half)


def standard_error(means: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The standard error of a sum or difference of `means`, and its degrees of freedom.

    Welch's for two means with unequal deviations: "The generalization of Student's problem when
    several different population variances are involved", 1947. For one mean they are n - 1.
    """
    variances = [deviation**2 / count for deviation, count in means]
    if not (variance := sum(variances)):
        return 0.0, 1.0
    pairs = zip(variances, means, strict=True)
    return math.sqrt(variance), variance**2 / sum(one**2 / (n - 1) for one, (_, n) in pairs)


def seeds_needed(value: float, means: Sequence[tuple[float, int]]) -> int | None:
    """How many more seeds of each of the `means` would tell a difference of `value` from zero.

    They would in four cases of five: the interval has to exclude zero also where the difference
    is found 0.84 standard errors too small (Snedecor and Cochran, Statistical Methods, section
    "sample size"). None for more than a thousand.
    """
    for more in range(1, 1001):
        error, freedom = standard_error([(deviation, n + more) for deviation, n in means])
        if (student_t(freedom) + Z_80) * error < abs(value):
            return more
    return None
