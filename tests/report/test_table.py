"""The table of a net, also with layers that a student wrote."""

import pytest
import torch
from drawn_nets import SIZE, Function, Residual, Shared, stacks
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nets, nn, report
from tinytrain.nn import inspect
from tinytrain.report import table
from tinytrain.report.receptive_field import receptive_field
from tinytrain.streams import generator

FINAL_NET = """
├─Sequential: 1-1 [-1, 11, 24, 24] --
| └─Conv2d: 2-1 [-1, 8, 26, 26] 72
| └─BatchNorm2d: 2-2 [-1, 8, 26, 26] 16
| └─ReLU: 2-3 [-1, 8, 26, 26] --
├─Sequential: 1-2 [-1, 10, 12, 12] --
| └─MaxPool2d: 2-10 [-1, 10, 12, 12] --
| └─Conv2d: 2-23 [-1, 10, 8, 8] 310
├─AdaptiveAvgPool2d: 1-5 [-1, 10, 1, 1] --
Total params: 7,934
Trainable params: 7,934
Non-trainable params: 0
Total mult-adds (M): 1.04
Input size (MB): 0.00
Forward/backward pass size (MB): 0.29
Params size (MB): 0.03
Estimated Total Size (MB): 0.32
"""


class Centred(nn.Module):
    """Parameters and buffers of its own."""

    buffer_names = ("seen", "mean")

    def __init__(self, channels):
        self.scale = torch.ones(channels, 1, 1, requires_grad=True)
        self.seen, self.mean = torch.tensor(0), torch.zeros(channels, 1, 1)

    def forward(self, input):
        return (input - self.mean) * self.scale


class Noisy(nn.Module):
    """Counts its calls, and draws random numbers, also in evaluation."""

    buffer_names = ("calls",)

    def __init__(self):
        self.calls, self.generator = torch.tensor(0), generator(0, "noise")

    def forward(self, input):
        assert not self.training
        self.calls += 1
        return input + torch.rand(()) + torch.rand((), generator=self.generator)


def lines(net, *shape):
    """The lines of a summary, without the spaces that align them."""
    return [" ".join(line.split()) for line in report.summary(net, *shape).splitlines()]


def products(row):
    """The multiplications of a row: its output where all weights and numbers are 1, added up."""
    weight = getattr(row.layer, "weight", None)
    if isinstance(row.layer, nn.Conv2d):
        tall, wide = row.layer.padding
        channels, height, width = row.input_shape
        ones = torch.ones(1, channels, height + 2 * tall, width + 2 * wide)
        return torch.conv2d(ones, torch.ones_like(weight), None, row.layer.stride).sum()
    if isinstance(row.layer, nn.Linear):
        return (torch.ones(row.input_shape) @ torch.ones_like(weight).T).sum()
    return 0


@settings(max_examples=50)
@given(stacks())
def test_multiply_adds_are_those_of_a_run(net):
    for row in inspect.layer_rows(net, (2, SIZE, SIZE)):
        assert table.multiply_adds(row) == int(products(row))


STUDENTS = nn.Sequential(
    dict(conv=nn.Conv2d(1, 2, 3), gelu=Function(torch.relu), block=Shared(Residual(2)))
)
CONV, ACT = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()
LINES = [
    (STUDENTS, (), "├─Shared: 1-3 [-1, 2, 26, 26] --; | └─Residual: 2-1 [-1, 2, 26, 26] 1"),
    (STUDENTS, (), "| | └─Conv2d: 3-1 [-1, 2, 26, 26] 38"),
    (STUDENTS, (), "Forward/backward pass size (MB): 0.05"),  # five outputs of 2 × 26 × 26
    (nn.Sequential(Centred(1)), (), "├─Centred: 1-1 [-1, 1, 28, 28] 1"),  # and two buffers
    (nn.Sequential(nn.Conv2d(1, 2, 3), Centred(2)), (), "Total mult-adds (M): ≥ 0.01"),
    (nn.Linear(28, 3), (), "└─Linear: 0-1 [-1, 1, 28, 3] 87"),
    (nn.Linear(1 << 20, 2), ((3, 1 << 20),), "Total mult-adds (M): 6.29; Input size (MB): 12.00"),
    (nn.Linear(1 << 20, 2), ((3, 1 << 20),), "Params size (MB): 8.00"),
    (nn.Linear(1 << 20, 2), ((3, 1 << 20),), "Estimated Total Size (MB): 20.00"),
    (nn.Sequential(ACT, CONV, ACT), (), "├─ReLU: 1-1 [-1, 1, 28, 28] --"),
    (nn.Sequential(ACT, CONV, ACT), (), "├─ReLU: 1-3 [-1, 1, 28, 28] (again)"),
    (nn.Sequential(CONV, CONV), (), "├─Conv2d: 1-2 [-1, 1, 28, 28] (again); Total params: 10"),
]


@pytest.mark.parametrize(("net", "shape", "expected"), LINES)
def test_lines_of_a_summary(net, shape, expected):
    assert {*expected.split("; ")} <= {*lines(net, *shape)}


def test_every_device_gives_the_same(device):
    assert report.summary(nets.net9_3().to(device)) == report.summary(nets.net9_3())


def test_summary_of_the_final_net():
    net = nets.net9_3()
    found = lines(net)
    assert [line for line in found if line in FINAL_NET] == FINAL_NET.strip().splitlines()
    assert len([line for line in found if "─" in line]) == 28
    assert sum(map(table.multiply_adds, inspect.layer_rows(net))) == 1_042_816


@settings(max_examples=20)
@given(stacks(), st.booleans())
def test_looking_changes_nothing(global_generator_untouched, net, training):
    noisy = Noisy()
    net = nn.Sequential(noisy, net).train(training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with global_generator_untouched():
        text = report.summary(net, (2, SIZE, SIZE))
        assert report.summary(net, (2, SIZE, SIZE)) == text
        receptive_field(net, (2, SIZE, SIZE))
        fresh = torch.rand((), generator=generator(0, "noise"))
    assert torch.rand((), generator=noisy.generator) == fresh
    assert {module.training for module in net.modules()} == {training}
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in net.parameters())
