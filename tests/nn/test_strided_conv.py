"""A strided 1 × 1 convolution, whose gradient corrupts the heap in torch 2.13 on some CPUs."""

import subprocess
import sys

import pytest
import torch

from tinytrain import nn

PROGRAM = """
import torch
from tinytrain import nn
torch.set_num_threads(1)
for channels in 2, 3:
    layer = nn.Conv2d(channels, 4, 1, stride=2, bias=False)
    for _ in range(100):
        x = torch.randn(3, channels, 6, 6).contiguous(memory_format=torch.channels_last)
        torch.autograd.grad(layer(x).square().sum(), layer.weight)
"""


def test_a_hundred_gradients_in_a_process_of_their_own():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("stride", [2, 3, (1, 2), (3, 2)])
def test_the_numbers_are_those_of_torch(stride):
    layer = nn.Conv2d(5, 4, 1, stride=stride).to(torch.float64)
    image = torch.randn(2, 5, 7, 8, dtype=torch.float64, requires_grad=True)
    found = layer(image)
    expected = torch.conv2d(image, layer.weight, layer.bias, stride)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(o.cos().sum(), [image, layer.weight]) for o in (found, expected)]
    torch.testing.assert_close(*slopes)
