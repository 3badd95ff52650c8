"""Check a gradient by finite differences.

A wrong gradient raises no error: the net only learns worse, and nobody knows why. What a slope is
by definition is a test that knows no calculus: change one number a little, and see what the loss
does. Keep your function: in your folder, `from gradient_check import numerical_gradient` has a
judge for every gradient that you will write by hand.

1. For each number of the input: make two copies, add `step` to that number in the one, subtract it
   in the other, and call the function with both. All other numbers stay as they are.
2. flat = input.detach().double().flatten() makes a vector; ahead = flat.clone(), then ahead[index]
   += step, and function(ahead.view(input.shape)). The other side likewise.
3. (ahead − behind) / (2 · step). With only one side the error is as large as the step, with two as
   its square. float32 has 7 digits: of two losses that agree in 6 of them, one digit is left.
"""

import math

import torch
from torch import Tensor

from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned, Rows
from tinytrain.nn import functional

shipped = by_hand.numerical_gradient
forbidden = "^grad$|backward|^gradient$"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """A formula in x, where to take its gradient, and a step."""
    formulas = "(x**3).sum()", "x.prod()", "x.exp().sum().log()", "(x * x.flip(0)).tanh().sum()"
    input = draw.normal(draw.integer(1, 3), draw.integer(1, 2))
    return {
        "function": draw.one_of(*formulas),
        "input": draw.one_of(input, input.float()),
        "step": draw.one_of(1e-2, 1e-3, 1e-4),
    }


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The gradient of the formula, and the input afterwards."""
    formula, input = compile(arguments["function"], "formula", "eval"), arguments["input"]
    result = function(lambda x: eval(formula, {"x": x}), input, arguments["step"])
    return {"result": result, "input afterwards": input}


def demonstrate() -> Rows:
    """Right digits of a gradient of the loss, with steps of 0.1, 0.001, …, 1e-13."""
    scores, target = Draw(0).normal(3, 10).requires_grad_(), torch.tensor([3, 1, 4])

    def loss(scores: Tensor) -> Tensor:
        return functional.nll_loss(functional.log_softmax(scores, 1), target)

    def digits(step: float, dtype: torch.dtype) -> float:
        found = by_hand.numerical_gradient(lambda x: loss(x.to(dtype)).double(), scores, step)
        return max(0, round(-math.log10((found - right).norm() / right.norm())))

    (right,) = torch.autograd.grad(loss(scores), scores)
    kinds = torch.float64, torch.float32
    return {f"digits, {kind}": [digits(10.0**-n, kind) for n in range(1, 14, 2)] for kind in kinds}


mistakes = """
one-sided: - function(behind.view(input.shape)) → - function(flat.view(input.shape)); rise *= 2
divided by the step, not by twice the step: (2 * step) → step
the numbers before stay changed: ahead, behind = flat.clone(), flat.clone()
    → ahead, behind = flat, flat.clone()
in float32: .double() → .float()
a step that rounding swallows: gradient = torch.zeros_like(flat)
    → gradient, step = torch.zeros_like(flat), 1e-15
the sign is turned: rise / → -rise /
only the first number: range(len(flat)) → range(1)
"""
