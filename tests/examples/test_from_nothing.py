"""The gradients by hand are those of finite differences, of autograd and of torch's layers."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

FILE = Path(__file__).parents[2] / "examples" / "from_nothing.py"


@pytest.fixture(scope="module")
def example():
    return SimpleNamespace(**runpy.run_path(str(FILE)))


@pytest.fixture
def case(example):
    """The example, float64 weights, 20 images and their labels."""
    generator = torch.Generator().manual_seed(1)
    weights = [weight.double() for weight in example.initial_weights(generator)]
    images = torch.rand(20, 784, generator=generator, dtype=torch.float64)
    return example, weights, images, torch.arange(20) % 10


def test_gradients_are_the_slopes_of_the_loss(case):
    example, weights, *batch = case
    generator = torch.Generator().manual_seed(2)
    for number, gradient in enumerate(example.by_hand(weights, *batch)):
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        ahead, behind = (
            [*weights[:number], weights[number] + step * direction, *weights[number + 1 :]]
            for step in (1e-6, -1e-6)
        )
        measured = (example.loss_of(ahead, *batch) - example.loss_of(behind, *batch)) / 2e-6
        torch.testing.assert_close((gradient * direction).sum(), measured, rtol=1e-6, atol=1e-9)


def test_gradients_are_those_of_autograd(case):
    example, weights, *batch = case
    pairs = zip(
        example.by_hand(weights, *batch), example.by_autograd(weights, *batch), strict=True
    )
    for ours, expected in pairs:
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


def test_it_is_net1(case):
    example, weights, images, labels = case
    layers = []
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        layers += [torch.nn.Linear(*weight.shape, dtype=torch.float64), torch.nn.ReLU()]
        layers[-2].load_state_dict({"weight": weight.T, "bias": bias})
    net = torch.nn.Sequential(*layers[:-1])
    assert sum(parameter.numel() for parameter in net.parameters()) == 109_946
    expected = torch.nn.functional.cross_entropy(net(images), labels)
    torch.testing.assert_close(example.loss_of(weights, images, labels), expected)


def test_it_learns(tiny, example):
    assert example.main(tiny, example.by_hand, epochs=20, batch_size=10) > 30
