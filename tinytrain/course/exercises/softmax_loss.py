"""The loss and its gradient, by hand.

Ten scores become ten probabilities, and the loss is minus the logarithm of the right one. A net
learns from the gradient of that, which is short: of exp, sum, division and logarithm nothing is
left but the probabilities minus the truth (1 for the right class, 0 for the others). Every
gradient of a net begins with it.

1. shifted = scores − scores.amax(1, keepdim=True) changes no probability, and no exp of it
   overflows. log p = shifted − log of the sum of exp(shifted) along axis 1, keepdim=True.
2. rows = torch.arange(N): log_p[rows, target] is the logarithm that counts in each row. The loss
   is minus their mean; a probability that is 0 has no logarithm, so take log p, never log of p.
3. log p of the right class is its score minus the log of the sum. The score has the slope 1, and
   the log of the sum has the slope p_c for each class c. So the gradient of one image's loss is p,
   with 1 subtracted at the right class; divided by N, because the loss is the mean over N images.
"""

import torch

from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.course.exercises.checking.training import train_by_hand

shipped = by_hand.softmax_loss
demonstrate = train_by_hand
forbidden = "^grad$|backward|softmax|logsumexp|cross_entropy|nll_loss"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Scores of some images, sometimes too large for exp, and the right classes."""
    count, classes = draw.integer(1, 3), draw.integer(2, 4)
    target = torch.randint(classes, (count,), generator=draw.generator)
    return {"scores": draw.one_of(1, 1, 1000) * draw.normal(count, classes), "target": target}


mistakes = """
the truth is not subtracted: gradient[rows, target] -= 1 → pass
only the right class has a gradient: gradient = log_probabilities.exp()
    → gradient = torch.zeros_like(scores).index_put((rows, target),
      log_probabilities[rows, target].exp())
the gradient of the sum: gradient / len(scores) → gradient
divided by all numbers: gradient / len(scores) → gradient / scores.numel()
uphill: return loss, gradient → return loss, -gradient
the probabilities of each class over the images: shifted.exp().sum(1, → shifted.exp().sum(0,
overflows: - scores.amax(1, keepdim=True) →
the sum of the losses: target].mean() → target].sum()
"""
