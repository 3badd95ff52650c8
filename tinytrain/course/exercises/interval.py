"""Mean, deviation and interval over seeds.

Two seeds of one recipe differ by more than many changes of a recipe bring. An interval says what
a few runs tell about all the runs that might have been, and it is wider than the spread of three
numbers suggests.

1. Take one number from each seed: the mean of its last LAST_EPOCHS epochs, never the best of
   them. Then their mean, and statistics.stdev, which divides by n − 1; of one seed the deviation
   is nan.
2. The error of a mean of n is deviation / √n; the interval reaches student_t(n − 1) of those to
   each side. Where reason_without_interval(seeds, epochs) gives a reason, the interval is None.
3. Summary(count, epochs, mean, deviation, interval, held): `epochs` is that of the shortest run,
   `held` the number of runs for which `holds` is true.
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Rows
from tinytrain.results import records, statistics

shipped = statistics.summarise
rungs = ("reference", "final")


def draw_accuracy(draw: Draw) -> float:
    """A test accuracy near the target, often exactly at it."""
    return float(draw.one_of(99.40, draw.number(99.4, 99.6), draw.number(99.3, 99.6)))


def draw_arguments(draw: Draw) -> Arguments:
    """The test accuracies of one to four runs."""
    epochs = draw.integer(3, 7)
    seeds = [[draw_accuracy(draw) for _ in range(epochs)] for _ in range(draw.integer(1, 4))]
    return {"accuracies": seeds}


def recorded_accuracies(name: str) -> list[list[float]]:
    """The test accuracies in the record of a recipe, a list for each seed; [] without a record."""
    record = records.read_record(name)
    return record.column("test_accuracy") if record else []


def demonstrate() -> Rows:
    """Summaries of the records of two recipes."""
    rows: dict[str, list[float]] = {}
    for name in ("wide", "final"):
        summary = statistics.summarise(recorded_accuracies(name))
        rows[f"{name}: mean, deviation"] = [summary.mean, summary.deviation]
        rows[f"{name}: interval"] = [*(summary.interval or (0.0, 0.0))]
    return rows


mistakes = """
the deviation of a population: statistics.stdev(means) → statistics.pstdev(means)
as if there were many seeds: student_t(count - 1) → 1.96
all epochs: seed[-LAST_EPOCHS:] → seed
the interval of one run: * deviation / math.sqrt(count) → * deviation
the best epoch: statistics.mean(seed[-LAST_EPOCHS:]) → max(seed)
"""
