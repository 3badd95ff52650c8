"""Batch norm of half-precision images, alone and under autocast, does as torch's."""

import pytest
import torch

from tinytrain import nn
from tinytrain.nn import functional

HALF = [torch.float16, torch.bfloat16]


def passed(layer, images, above):
    """Output and gradients of a layer, and its running statistics."""
    images = images.clone().requires_grad_()
    output = layer(images)
    gradients = torch.autograd.grad(output, [images, layer.weight, layer.bias], above.to(output))
    return [output, *gradients, layer.running_mean, layer.running_var]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weights", [torch.float32, None])
@pytest.mark.parametrize("dtype", HALF)
def test_batch_norm_of_half_precision(dtype, weights, training):
    generator = torch.Generator().manual_seed(1)
    images = (3 + 2 * torch.randn(4, 3, 5, 6, generator=generator)).to(dtype)
    above = torch.randn(4, 3, 5, 6, generator=generator)
    ours, theirs = (
        library.BatchNorm2d(3).to(weights or dtype).train(training) for library in (nn, torch.nn)
    )
    for found, expected in zip(
        passed(ours, images, above), passed(theirs, images, above), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0.02, atol=5e-3)  # dtypes, too
    running = torch.zeros(3, dtype=ours.weight.dtype), torch.ones(3, dtype=ours.weight.dtype)
    running = running if training else (ours.running_mean, ours.running_var)
    plain = functional.batch_norm(images, *running, ours.weight, ours.bias, training)
    torch.testing.assert_close(plain, theirs(images), rtol=0.02, atol=5e-3)


def test_autocast():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 1, 8, 8, generator=generator)
    ours, theirs = (
        library.Sequential(
            library.Conv2d(1, 4, 3),
            library.BatchNorm2d(4),
            library.ReLU(),
            library.Flatten(),
            library.Linear(144, 3),
        )
        for library in (nn, torch.nn)
    )
    ours.load_state_dict(theirs.state_dict())
    for mode in True, False:
        found = []
        for net in ours.train(mode), theirs.train(mode):
            with torch.autocast("cpu", torch.bfloat16):
                output = net(images)
            gradients = torch.autograd.grad(output.float().square().sum(), [*net.parameters()])
            found.append([output, *gradients, *dict(net.named_buffers()).values()])
        torch.testing.assert_close(*found, rtol=0.03, atol=0.03)
