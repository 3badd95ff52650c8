"""Warm-up, and the fall to zero.

At the start Adam's means and batch norm's statistics know little, so steps should be small. At
the end the noise of the batches should die away, so they should be small again.

1. First the share of the run that is done: epochs / total, kept between 0 and 1.
2. Below `warmup` the factor rises linearly from 0 to 1: share / warmup.
3. After that it falls linearly from 1 to 0: (1 − share) / (1 − warmup). With a warmup of 1 there
   is no fall: the factor is 1 at the very end.
"""

from tinytrain import optim
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned

shipped = optim.WarmupLinear
method = "__call__"
rungs = ("falling",)


def draw_arguments(draw: Draw) -> Arguments:
    """A schedule and a point of the run, sometimes beyond its end."""
    total = draw.number(1, 20)
    epochs = draw.one_of(
        0.0, total, round(total * draw.number(0.9, 1.5), 3), draw.number(0, total)
    )
    return {"total": total, "warmup": draw.one_of(0.2, draw.number(0, 0.9)), "epochs": epochs}


def observe(schedule_class: Learned, arguments: Arguments) -> Facts:
    """The factor of the learning rate at that point."""
    schedule = schedule_class(arguments["total"], arguments["warmup"])
    return {"factor": schedule(arguments["epochs"])}


mistakes = """
the rise does not reach 1: progress / self.warmup → progress
the fall begins below 1: (1 - progress) / (1 - self.warmup) → (1 - progress)
below zero beyond the end: min(max(epochs / self.total, 0.0), 1.0) → epochs / self.total
epochs, not their share: max(epochs / self.total, 0.0) → max(epochs, 0.0)
"""
