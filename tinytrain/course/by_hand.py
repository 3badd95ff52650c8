"""Backpropagation by hand: the chain rule for numbers and for layers, and a check of the results.

The engine leaves this to autograd, which gives the same numbers. Images are (N, C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


class Value:
    """A number, `data`, with the values that it was made of, `parents`.

    `slopes` are the derivatives of this number by each parent, floats. `grad` is what `backward`
    sets: the derivative, by this number, of the value on which it was called.
    """

    def __init__(
        self, data: float, parents: tuple[Value, ...] = (), slopes: tuple[float, ...] = ()
    ) -> None:
        self.data, self.parents, self.slopes, self.grad = data, parents, slopes, 0.0

    def __add__(self, other: Value) -> Value:
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Value) -> Value:
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def tanh(self) -> Value:
        """The hyperbolic tangent, whose derivative is 1 − tanh²."""
        data = math.tanh(self.data)
        return Value(data, (self,), (1 - data**2,))

    def backward(self) -> None:
        """Set `grad` of this value and of all that it was made of, at any distance.

        That of this value is 1. That of any other is a sum over its uses, each time that it is
        among the parents of a value: slope there · grad of that value. For y = x * x + x that is
        x + x + 1. A value passes its grad on only after all that were made of it have passed
        theirs: in topological order, backwards. Grads of an earlier call are forgotten.
        Griewank and Walther, "Evaluating Derivatives", 2008, chapter 3.
        """
        order: list[Value] = []
        seen: set[Value] = set()

        def visit(value: Value) -> None:
            if value not in seen:
                seen.add(value)
                for parent in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = 0.0
        self.grad = 1.0
        for value in reversed(order):
            for parent, slope in zip(value.parents, value.slopes, strict=True):
                parent.grad += slope * value.grad


def numerical_gradient(
    function: Callable[[Tensor], Tensor], input: Tensor, step: float = 1e-6
) -> Tensor:
    """The gradient of `function` at `input`, of any shape, by central differences.

    `function` makes a scalar of a tensor like `input`. For each number of the input, the result,
    float64 and of the same shape, has the slope between two places, `step` to each side:
    (function(x + step) − function(x − step)) / (2 · step), the other numbers unchanged. `function`
    gets float64 whatever the input is, and the input is not changed.
    """
    flat = input.detach().double().flatten()
    gradient = torch.zeros_like(flat)
    for index in range(len(flat)):
        ahead, behind = flat.clone(), flat.clone()
        ahead[index] += step
        behind[index] -= step
        rise = function(ahead.view(input.shape)) - function(behind.view(input.shape))
        gradient[index] = rise / (2 * step)
    return gradient.view(input.shape)


def softmax_loss(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, a scalar, of scores (N, classes), and its gradient with respect to them.

    `target` (N,), int64, has the right class of each image. The probabilities of an image are
    p_c = exp(score_c) / Σ exp(score_k), its loss −log(p of the right class), and the loss is the
    mean over the N images. The gradient, (N, classes), has for each score the derivative of the
    loss. Scores may be so large or small that exp overflows or is 0. Bridle, "Probabilistic
    interpretation of feedforward classification network outputs", 1990.
    """
    shifted = scores - scores.amax(1, keepdim=True)
    log_probabilities = shifted - shifted.exp().sum(1, keepdim=True).log()
    rows = torch.arange(len(scores))
    loss = -log_probabilities[rows, target].mean()
    gradient = log_probabilities.exp()
    gradient[rows, target] -= 1
    return loss, gradient / len(scores)


def linear_backward(above: Tensor, input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of input, weight and bias of the layer y = x Wᵀ + b, from that of y.

    `above` (N, out) is ∂loss/∂y, a row for each of N images; `input`, x, is (N, in); `weight`, W,
    is (out, in). Spelled out, y[n, o] = b[o] + Σ over i of x[n, i] · W[o, i]. By the chain rule
    the gradient of any number z is the sum over all n and o of above[n, o] · ∂y[n, o]/∂z. Returns
    three tensors, each in the shape of what it belongs to: ∂loss/∂x (N, in), ∂loss/∂W (out, in),
    ∂loss/∂b (out,). That the loss is a mean over images is in `above` already. Rumelhart, Hinton
    and Williams, "Learning representations by back-propagating errors", 1986.
    """
    return above @ weight, above.T @ input, above.sum(0)


def conv2d_backward(
    above: Tensor, input: Tensor, weight: Tensor, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """The gradients of input and weight of a convolution, from `above`, that of its output.

    `input` is (N, C, H, W), and gets `padding` zeros on each of its four sides; `weight` is
    (out, C, kH, kW), the stride 1, and there is no bias. `above`, ∂loss/∂output, is (N, out, H',
    W') with H' = H + 2·padding − kH + 1, likewise W'. With p the padded input, the kernel not
    flipped, output[n, o, h, w] = Σ over c, y, x of p[n, c, h + y, w + x] · weight[o, c, y, x].
    Returns ∂loss/∂input (N, C, H, W) and ∂loss/∂weight (out, C, kH, kW). LeCun et al.,
    "Backpropagation applied to handwritten zip code recognition", 1989.
    """
    padded = torch.constant_pad_nd(input, (padding,) * 4)
    input_gradient, weight_gradient = torch.zeros_like(padded), torch.zeros_like(weight)
    height, width = above.shape[2:]
    for y in range(weight.shape[2]):
        for x in range(weight.shape[3]):
            place = ..., slice(y, y + height), slice(x, x + width)
            weight_gradient[..., y, x] = torch.einsum("nohw,nchw->oc", above, padded[place])
            input_gradient[place] += torch.einsum("nohw,oc->nchw", above, weight[..., y, x])
    return torch.constant_pad_nd(input_gradient, (-padding,) * 4), weight_gradient
