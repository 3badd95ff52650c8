"""Gradients by hand: those of autograd, in all cases that the exercises draw."""

import pytest
import torch

from tinytrain.course import by_hand
from tinytrain.course.exercises import exercise
from tinytrain.course.exercises.checking.compare import CASES, Borrowed, compare
from tinytrain.course.exercises.checking.exercise import Draw
from tinytrain.nn import functional

close = torch.testing.assert_close
every_case = pytest.mark.parametrize("case", range(CASES))


def drawn(name, case):
    return dict(exercise(name).draw_arguments(Draw(case)))


@every_case
def test_values(case):
    arguments = drawn("value", case)
    leaves = torch.tensor([arguments[name] for name in "ab"], dtype=torch.float64)
    values = dict(zip("ab", leaves.requires_grad_(), strict=True))
    exec(arguments["program"], {}, values)
    expected = torch.autograd.grad(values[max(values)], values.values(), materialize_grads=True)
    found = exercise("value").observe(by_hand.Value, arguments).values()
    close(torch.tensor([*found], dtype=torch.float64), torch.stack(expected))


@every_case
def test_numerical_gradient(case):
    x = drawn("gradient-check", case)["input"].double().requires_grad_()
    formula = drawn("gradient-check", case)["function"]
    (expected,) = torch.autograd.grad(eval(formula), x)
    found = by_hand.numerical_gradient(lambda x: eval(formula, {"x": x}), x, 1e-4)
    close(found, expected, rtol=1e-6, atol=1e-6)


def softmax_loss(scores, target):
    loss = functional.nll_loss(functional.log_softmax(scores.requires_grad_(), 1), target)
    return loss.detach(), *torch.autograd.grad(loss, scores)


def linear_backward(above, input, weight):
    bias = torch.zeros(len(weight), dtype=weight.dtype)
    given = [tensor.requires_grad_() for tensor in (input, weight, bias)]
    return torch.autograd.grad(functional.linear(*given), given, above)


def conv2d_backward(above, input, weight, padding):
    given = [tensor.requires_grad_() for tensor in (input, weight)]
    return torch.autograd.grad(functional.conv2d(*given, padding=padding), given, above)


LAYERS = {
    "softmax-loss": softmax_loss,
    "linear-backward": linear_backward,
    "convolution-backward": conv2d_backward,
}


@every_case
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, case):
    close(exercise(name).shipped(**drawn(name, case)), LAYERS[name](**drawn(name, case)))


@pytest.mark.parametrize("name", LAYERS)
def test_autograd_is_noticed(name):
    with pytest.raises(Borrowed, match="torch's own"):
        compare(exercise(name), LAYERS[name])
