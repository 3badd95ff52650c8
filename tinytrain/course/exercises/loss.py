"""The loss.

Training needs one number that says how wrong a net is, and whose slope says how to be less wrong:
minus the logarithm of the probability that the net gives to the right answer.

1. Of each row one number counts, the one in the column of the row's target. The other classes
   count through the log-softmax before.
2. log_probabilities.gather(1, columns) takes from each row what stands in its columns; target[:,
   None] makes a column (N, 1) of the targets.
3. Minus the mean over the images: with the sum, twice the batch would mean twice the step.
"""

import torch

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import functional

shipped = functional.nll_loss
forbidden = "nll_loss|cross_entropy"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Log-probabilities, and the right classes."""
    count, classes = draw.integer(1, 3), draw.integer(2, 4)
    target = torch.randint(classes, (count,), generator=draw.generator)
    log_probabilities = draw.normal(count, classes).log_softmax(1).requires_grad_()
    return {"log_probabilities": log_probabilities, "target": target}


mistakes = """
the sum: target[:, None]).mean() → target[:, None]).sum()
uphill: return -log → return log
every class counts: .gather(1, target[:, None]) →
the first class is always right: target[:, None]) → 0 * target[:, None])
1 % too large: return -log → return -1.01 * log
"""
