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

from typing import Any

import torch
from torch import Tensor

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.course.exercises.checking.training import pixels
from tinytrain.nn import functional


def softmax_loss(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, a scalar, of scores (N, classes), and its gradient with respect to them.

    `target` (N,), int64, has the right class of each image. The probabilities of an image are
    p_c = exp(score_c) / Σ exp(score_k), its loss −log(p of the right class), and the loss is the
    mean over the N images. The gradient, (N, classes), has for each score the derivative of the
    loss. Scores may be so large or small that exp overflows or is 0. Bridle, "Probabilistic
    interpretation of feedforward classification network outputs", 1990.
    """
    scores = scores.detach().requires_grad_()
    loss = functional.nll_loss(functional.log_softmax(scores, 1), target)
    (gradient,) = torch.autograd.grad(loss, scores)
    return loss.detach(), gradient


shipped = softmax_loss
forbidden = "^grad$|backward|softmax|logsumexp|cross_entropy|nll_loss"
body = """\
shifted = scores - scores.amax(1, keepdim=True)
log_probabilities = shifted - shifted.exp().sum(1, keepdim=True).log()
rows = torch.arange(len(scores))
loss = -log_probabilities[rows, target].mean()
gradient = log_probabilities.exp()
gradient[rows, target] -= 1
return loss, gradient / len(scores)
"""
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Scores of some images, sometimes too large for exp, and the right classes."""
    count, classes = draw.integer(1, 3), draw.integer(2, 4)
    target = torch.randint(classes, (count,), generator=draw.generator)
    return {"scores": draw.one_of(1, 1, 1000) * draw.normal(count, classes), "target": target}


def observe(function: Any, arguments: Arguments) -> Facts:
    """The loss, the gradient, and the scores afterwards."""
    loss, gradient = function(**arguments)
    return {"loss": loss, "gradient": gradient, "scores afterwards": arguments["scores"]}


def demonstrate() -> Rows:
    """The loss of one linear layer on drawn digits, all at once, in five steps downhill."""
    images, labels = pixels()
    images, weight = images.flatten(1), torch.zeros(10, 784).double()
    losses = []
    for _ in range(5):
        loss, gradient = softmax_loss(images @ weight.T, labels)
        weight -= 0.1 * gradient.T @ images
        losses.append(float(loss))
    return {"loss": losses}


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
