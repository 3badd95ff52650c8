"""The gradients of a linear layer, by hand.

From above comes a number for each output: how much the loss changes with it. The layer owes three
answers: how much the loss changes with each weight and each bias, which the optimizer wants, and
with each input, which the layer below gets from above. A chain of these is backpropagation.

1. Take one image n, one output o, one input i: the weight W[o, i] is multiplied by x[n, i] and
   goes into y[n, o] only. So this image adds above[n, o] · x[n, i] to its gradient; all add.
2. x[n, i] goes into every output of its image: its gradient is the sum over o of above[n, o] ·
   W[o, i]. The bias b[o] is in y[n, o] of every image, with the slope 1.
3. A sum over a shared axis is a product of matrices: above (N, out) @ weight (out, in) sums over
   `out`; above.T (out, N) @ input (N, in) sums over the images. above.sum(0) is (out,).
"""

import torch
from torch import Tensor

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.course.exercises.checking.training import pixels
from tinytrain.course.exercises.softmax_loss import softmax_loss
from tinytrain.nn import functional


def linear_backward(above: Tensor, input: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """The gradients of input, weight and bias of the layer y = x Wᵀ + b, from that of y.

    `above` (N, out) is ∂loss/∂y, a row for each of N images; `input`, x, is (N, in); `weight`, W,
    is (out, in). Spelled out, y[n, o] = b[o] + Σ over i of x[n, i] · W[o, i]. By the chain rule
    the gradient of any number z is the sum over all n and o of above[n, o] · ∂y[n, o]/∂z. Returns
    three tensors, each in the shape of what it belongs to: ∂loss/∂x (N, in), ∂loss/∂W (out, in),
    ∂loss/∂b (out,). That the loss is a mean over images is in `above` already. Rumelhart, Hinton
    and Williams, "Learning representations by back-propagating errors", 1986.
    """
    bias = torch.zeros(len(weight), dtype=weight.dtype)
    given = [tensor.detach().requires_grad_() for tensor in (input, weight, bias)]
    return torch.autograd.grad(functional.linear(*given), given, above)


shipped = linear_backward
forbidden = "^grad$|backward"
body = "return above @ weight, above.T @ input, above.sum(0)"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Numbers of images, inputs and outputs that are equal only by chance."""
    count, inputs, outputs = (draw.integer(1, 4) for _ in range(3))
    return {
        "above": draw.normal(count, outputs),
        "input": draw.normal(count, inputs),
        "weight": draw.normal(outputs, inputs),
    }


def demonstrate() -> Rows:
    """The loss of a net 784-16-10 on drawn digits, all at once: 40 steps by hand."""
    images, labels = pixels()
    images, draw = images.flatten(1), Draw(0)
    first, second = draw.normal(16, 784) / 28, draw.normal(10, 16) / 4
    losses = []
    for _ in range(41):
        hidden = (images @ first.T).clamp(min=0)
        loss, above = softmax_loss(hidden @ second.T, labels)
        below, second_gradient, _ = linear_backward(above, hidden, second)
        _, first_gradient, _ = linear_backward(below * (hidden > 0), images, first)
        first -= 0.1 * first_gradient
        second -= 0.1 * second_gradient
        losses.append(float(loss))
    return {"loss": losses[::10]}


mistakes = """
the weight's gradient is transposed: above.T @ input → input.T @ above
the mean over the images: above.T @ input → above.T @ input / len(input)
the bias's mean: above.sum(0) → above.mean(0)
the bias of each image: above.sum(0) → above
every output counts alike: above @ weight → above.sum(1, keepdim=True) * weight.sum(0)
the first image only: above.T @ input → above[:1].T @ input[:1]
input and weight exchanged: return above @ weight, above.T @ input,
    → return above.T @ input, above @ weight,
"""
