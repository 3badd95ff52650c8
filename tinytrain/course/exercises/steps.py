"""How many batches an epoch has.

60,000 images in batches of 128 are 468 full batches and 96 images more, so 469 steps. A program
that counts 468 never tests the last images; one that fills up the last batch tests some twice.
Either reports the accuracy of other images than it says.

1. Batches begin at the rows 0, batch_size, 2 · batch_size, … below count: a range with a step.
2. Each batch is slice(start, start + batch_size). A slice that ends beyond the last row takes
   what is there, so the last batch is shorter by itself.
3. The number of batches is count / batch_size rounded up, which is −(−count // batch_size).
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned
from tinytrain.data import batches

shipped = batches.in_order


def draw_arguments(draw: Draw) -> Arguments:
    """A number of rows and a batch size."""
    return {"count": draw.integer(1, 12), "batch_size": draw.integer(1, 7)}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The rows of each batch."""
    rows = list(range(arguments["count"]))
    return {"rows of each batch": [rows[part] for part in function(**arguments)]}


mistakes = """
the remainder is dropped: range(0, count, batch → range(0, count - batch_size + 1, batch
a row is in two batches: start + batch_size) → start + batch_size + 1)
the first row is lost: range(0, count → range(1, count
a batch too many: range(0, count, batch → range(0, count + batch_size, batch
"""
