"""The verdict: held, or only touched.

With enough epochs every recipe touches 99.4 % once, and reporting that epoch means choosing on
the test set. The target asks for each of the last five.

1. The last LAST_EPOCHS accuracies: accuracies[-LAST_EPOCHS:].
2. All of them are at the target if the smallest is. Exactly at the target is enough.
3. A run of fewer epochs does not hold it, however good they are; a slice of it is shorter without
   an error.
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Rows
from tinytrain.course.exercises.interval import draw_accuracy, recorded_accuracies
from tinytrain.report import target

shipped = target.holds
rungs = ("reference", "wide", "final")

RECIPES = ("net7", "net9_3", "reference", "averaged", "final")


def draw_arguments(draw: Draw) -> Arguments:
    """The test accuracies of a run, the last four or five near the target."""
    near = [draw.one_of(draw_accuracy(draw), draw.number(99.4, 99.6)) for _ in range(5)]
    early = [draw.number(99.0, 99.6) for _ in range(draw.integer(0, 3))]
    return {"accuracies": early + near[: draw.one_of(5, 5, 5, 4)]}


def demonstrate() -> Rows:
    """The number of recorded seeds that hold the target, recipe by recipe."""
    return {name: [sum(map(target.holds, recorded_accuracies(name)))] for name in RECIPES}


mistakes = """
the best epoch: min(last) → max(last)
their mean: min(last) → sum(last) / len(last)
more than the target: >= TARGET → > TARGET
four epochs are enough: len(last) == LAST_EPOCHS and →
the last epoch alone: min(last) → last[-1]
every epoch: last = accuracies[-LAST_EPOCHS:] → last = list(accuracies)
"""
