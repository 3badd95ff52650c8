"""Summary, shapes and receptive fields of nets, also with layers that a student wrote."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinytrain import nets, nn, report
from tinytrain.nn import inspect
from tinytrain.report import table
from tinytrain.report.receptive_field import Field, receptive_field, windows
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
SIZE = 28


class Residual(nn.Module):
    """x + conv(x), in which the convolution counts for nothing at first."""

    def __init__(self, channels):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.strength = torch.zeros(1, requires_grad=True)

    def forward(self, input):
        return input + self.strength * self.conv(input)


class Centred(nn.Module):
    """Parameters and buffers of its own."""

    buffer_names = ("seen", "mean")

    def __init__(self, channels):
        self.scale = torch.ones(channels, 1, 1, requires_grad=True)
        self.seen, self.mean = torch.tensor(0), torch.zeros(channels, 1, 1)

    def forward(self, input):
        return (input - self.mean) * self.scale


class Shared(nn.Module):
    """Runs one layer twice and another not at all."""

    def __init__(self, layer):
        self.layer = self.same = layer
        self.idle = nn.Linear(7, 7)

    def forward(self, input):
        return self.layer(self.layer(input))


class Noisy(nn.Module):
    """Counts its calls, and draws random numbers, also in evaluation."""

    buffer_names = ("calls",)

    def __init__(self):
        self.calls, self.generator = torch.tensor(0), generator(0, "noise")

    def forward(self, input):
        assert not self.training
        self.calls += 1
        return input + torch.rand(()) + torch.rand((), generator=self.generator)


class Function(nn.Module):
    """Any function as a layer."""

    def __init__(self, function):
        self.forward = function


def refuse(image):
    raise RuntimeError("in two\nlines")


@st.composite
def stacks(draw, windows_only: bool = False):
    """A net of random layers in random stages, for images (2, 28, 28)."""
    image, layers = torch.zeros(1, 2, SIZE, SIZE), []
    kinds = ["Conv2d", "MaxPool2d", "AvgPool2d", "ReplicationPad2d"]
    kinds += [] if windows_only else ["BatchNorm2d", "ReLU", "Dropout2d"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7)):
        number, arguments = st.integers(1, 3), []
        if kind == "ReplicationPad2d":
            arguments = [draw(st.integers(0, 3))]
        elif kind == "BatchNorm2d":
            arguments = [image.shape[1]]
        elif kind in ("Conv2d", "MaxPool2d", "AvgPool2d"):
            kernel, stride = draw(st.tuples(number, number)), draw(st.sampled_from([1, 1, 2, 3]))
            padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
            pads = zip(image.shape[2:], kernel, padding, strict=True)
            assume(all(side + 2 * pad >= k for side, k, pad in pads))
            arguments = [image.shape[1], draw(number)] if kind == "Conv2d" else []
            arguments += [kernel, stride, padding]
        layers.append(getattr(nn, kind)(*arguments))
        image = layers[-1].eval()(image)
    if not windows_only and draw(st.booleans()):
        layers += [nn.AdaptiveAvgPool2d(1)] if draw(st.booleans()) else []
        features = nn.Sequential(*layers)(torch.zeros(1, 2, SIZE, SIZE)).flatten(1).shape[1]
        layers += [nn.Flatten(), nn.Linear(features, 3, bias=draw(st.booleans())), nn.LogSoftmax()]
    cut = draw(st.integers(0, len(layers)))
    stages = nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])
    return nn.Sequential(dict(zip(["first", "second"], stages, strict=True)))


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
def test_shapes_and_multiply_adds_are_those_of_a_run(net):
    image = torch.zeros(2, 2, SIZE, SIZE)
    assert inspect.output_of(net, (2, SIZE, SIZE)).shape[1:] == net(image).shape[1:]
    for row in inspect.layer_rows(net, (2, SIZE, SIZE)):
        output = row.layer(torch.zeros(2, *row.input_shape))
        assert (2, *row.output_shape) == output.shape
        assert table.multiply_adds(row) == int(products(row))


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv2d(2, 3, 3), (3, 5, 5)),
        (nn.Conv2d(2, 3, 3), (2, 2, 5)),
        (nn.MaxPool2d(3), (2, 5, 2)),
        (nn.AvgPool2d(3), (25,)),
        (nn.ReplicationPad2d(1), (25,)),
        (nn.AdaptiveAvgPool2d(1), (25,)),
        (nn.BatchNorm2d(3), (2, 5, 5)),
        (nn.BatchNorm2d(3), (3,)),
        (nn.Dropout2d(), (3,)),
        (nn.Linear(3, 2), (2, 5)),
        (nn.Module(), (2, 5, 5)),
        (Function(refuse), (2, 5, 5)),
    ],
)
def test_shapes_that_do_not_fit(layer, shape):
    kind = type(layer).__name__
    net = nn.Sequential(dict(stage=nn.Sequential(layer)))
    for place, module in (kind, layer), (rf"stage\.0 \({kind}\)", net):
        message = rf"^{place}: .*{re.escape(str(shape))}: .+"
        with pytest.raises(ValueError, match=message) as caught:
            inspect.output_of(module, shape)
        assert "\n" not in str(caught.value)
    with pytest.raises((ValueError, RuntimeError, IndexError, TypeError)):
        layer(torch.zeros(2, *shape))


def test_rows_of_layers_that_a_student_wrote():
    net = nn.Sequential(
        dict(conv=nn.Conv2d(1, 2, 3), gelu=Function(torch.relu), block=Shared(Residual(2)))
    )
    shapes = (2, 26, 26), (2, 26, 26)
    found = inspect.layer_rows(net)
    assert [(row.name, row.depth, row.input_shape, row.output_shape) for row in found] == [
        ("conv", 1, (1, 28, 28), (2, 26, 26)),
        ("gelu", 1, *shapes),
        ("block", 1, *shapes),
        *[("block.layer", 2, *shapes), ("block.layer.conv", 3, *shapes)] * 2,
    ]
    modules = dict(net.named_modules())
    assert all(row.layer is modules[row.name] for row in found)
    assert inspect.output_of(net).shape == (1, 2, 26, 26)
    found = lines(net)
    assert "├─Shared: 1-3 [-1, 2, 26, 26] --" in found
    assert "| └─Residual: 2-1 [-1, 2, 26, 26] 1" in found
    assert "| | └─Conv2d: 3-1 [-1, 2, 26, 26] 38" in found
    assert "Forward/backward pass size (MB): 0.05" in found  # five outputs of 2 × 26 × 26


def test_buffers_are_no_parameters():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), Centred(2))
    assert nn.parameter_count(net) == sum(weight.numel() for weight in net.parameters()) == 22
    assert list(net[1].state_dict()) == ["scale", "seen", "mean"]
    assert [name for name, _ in net[1].named_buffers()] == ["seen", "mean"]
    assert "├─Centred: 1-2 [-1, 2, 26, 26] 2" in lines(net)
    assert "Total mult-adds (M): ≥ 0.01" in lines(net)  # Centred may multiply, too


def test_a_layer_by_itself_is_a_row():
    assert "└─Linear: 0-1 [-1, 1, 28, 3] 87" in lines(nn.Linear(28, 3))


def test_dtypes_and_devices(device):
    text = report.summary(nets.net9_3())
    for dtype in (torch.float32,) if device == "mps" else (torch.float32, torch.float64):
        assert report.summary(nets.net9_3().to(device, dtype)) == text


def test_a_net_whose_type_changes_on_the_way_gets_an_image_of_its_first():
    wider = Function(lambda image: image.double())
    net = nn.Sequential(nn.Linear(28, 3), wider, nn.Linear(3, 2).to(torch.float64))
    assert inspect.output_of(net).shape == (1, 1, 28, 2)


def test_a_net_of_several_types_gets_an_image_in_float32():
    given = []
    first = Function(lambda image: (given.append(image.dtype), image.double())[1])
    layers = nn.Linear(28, 3).to(torch.float64), Function(lambda image: image.float())
    inspect.layer_rows(nn.Sequential(first, *layers, nn.Linear(3, 2)))
    assert given == [torch.float32]


def test_what_a_net_does_after_its_last_layer_counts():
    net = nn.Conv2d(1, 2, 3)
    conv = net.forward
    net.forward = lambda image: conv(image).mean((2, 3))
    assert inspect.output_of(net).shape == (1, 2)


def seen(net, name, place, axis):
    """First and last pixel that `place` of layer `name` depends on: those with a gradient.

    In float64, in nets whose maxima are averages, so that no dependence hides.
    """
    images = torch.rand(4, 2, SIZE, SIZE, dtype=torch.float64, requires_grad=True)
    output = images
    for stage, module in net.named_children():
        for number, layer in module.named_children():
            if isinstance(layer, nn.MaxPool2d):
                layer = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
            output = copy.deepcopy(layer).to(torch.float64)(output)
            if f"{stage}.{number}" == name:
                places = output.select(2 + axis, place)
                noise = torch.randn(places.shape, dtype=torch.float64)
                (gradient,) = torch.autograd.grad(places, images, noise)
                pixels = gradient.abs().sum((0, 1, 3 - axis)).nonzero().flatten().tolist()
                return pixels[0], pixels[-1]


def test_a_block_of_ones_own_ends_the_receptive_fields():
    stage = nn.Sequential(nn.ReLU(), Residual(2), nn.Conv2d(2, 3, 3))
    net = nn.Sequential(nn.Conv2d(1, 2, 3), stage)
    assert receptive_field(net) == [Field("input", 28, 1, 0, 1), Field("0", 26, 1, 1, 3)]
    (_, known), _, (row, unknown) = list(windows(net, (1, 28, 28), 0))[:3]
    assert known == (3, 1, 0) and (row.name, unknown) == ("1.1", None)


def test_a_subclass_of_a_layer_that_is_known_is_not():
    class Flipped(nn.ReLU):
        def forward(self, input):
            return input.flip(2)

    assert len(receptive_field(nn.Sequential(Flipped(), nn.Conv2d(1, 2, 3)))) == 1


def test_a_layer_that_runs_twice_widens_the_field_twice():
    conv = nn.Conv2d(1, 1, 3)
    net = nn.Sequential(conv, nn.MaxPool2d(2), conv)
    assert [field.field for field in receptive_field(net)] == [1, 3, 4, 8]


@settings(max_examples=50)
@given(stacks(windows_only=True), st.data())
def test_receptive_fields_are_where_the_gradient_is(net, data):
    for axis in 0, 1:
        fields = receptive_field(net, (2, SIZE, SIZE), axis)
        field = data.draw(st.sampled_from(fields[1:]))
        firsts = [field.start + i * field.jump - (field.field - 1) / 2 for i in range(field.size)]
        whole = [i for i, first in enumerate(firsts) if 0 <= first <= SIZE - field.field]
        for place in whole[:1] + whole[-1:]:
            first, last = seen(net, field.name, place, axis)
            assert (first, last) == field.span(place, SIZE)
            assert last - first + 1 == field.field
            assert (first + last) / 2 == field.start + place * field.jump


def test_the_receptive_field_of_the_image_is_along_its_axis():
    sizes = [receptive_field(nn.ReLU(), (1, 5, 7), axis)[0].size for axis in (0, 1)]
    assert sizes == [5, 7]
    assert [receptive_field(nn.ReLU(), axis=axis)[0].size for axis in (0, 1)] == [28, 28]


def test_summary_of_the_final_net():
    net = nets.net9_3()
    found = lines(net)
    assert [line for line in found if line in FINAL_NET] == FINAL_NET.strip().splitlines()
    assert len([line for line in found if "─" in line]) == 28
    assert sum(map(table.multiply_adds, inspect.layer_rows(net))) == 1_042_816


def test_summary_of_millions():
    found = lines(nn.Sequential(nn.Linear(1 << 20, 2)), (3, 1 << 20))
    assert {"Total mult-adds (M): 6.29", "Input size (MB): 12.00", "Params size (MB): 8.00"} < {
        *found
    }
    assert "Estimated Total Size (MB): 20.00" in found


def test_a_layer_that_is_called_again_is_marked_and_counts_once():
    conv, act = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()
    found = [
        line.split()[-1] for line in lines(nn.Sequential(act, conv, act, conv)) if "─" in line
    ]
    assert found == ["--", "10", "(again)", "(again)"]


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
