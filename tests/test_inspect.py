"""What is said about a net without running it is what running it shows."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinytrain import nets, nn
from tinytrain.nn import inspect
from tinytrain.nn.functional import pair
from tinytrain.nn.receptive_field import measured_field, receptive_field

FINAL_NET = """\
==========================================================================================
Layer (type:depth-idx)                   Output Shape              Param #
==========================================================================================
├─Sequential: 1-1                        [-1, 11, 24, 24]          --
|    └─Conv2d: 2-1                       [-1, 8, 26, 26]           72
|    └─BatchNorm2d: 2-2                  [-1, 8, 26, 26]           16
|    └─ReLU: 2-3                         [-1, 8, 26, 26]           --
|    └─Dropout2d: 2-4                    [-1, 8, 26, 26]           --
|    └─Conv2d: 2-5                       [-1, 11, 24, 24]          792
|    └─BatchNorm2d: 2-6                  [-1, 11, 24, 24]          22
|    └─ReLU: 2-7                         [-1, 11, 24, 24]          --
|    └─Dropout2d: 2-8                    [-1, 11, 24, 24]          --
├─Sequential: 1-2                        [-1, 10, 12, 12]          --
|    └─Conv2d: 2-9                       [-1, 10, 24, 24]          110
|    └─MaxPool2d: 2-10                   [-1, 10, 12, 12]          --
├─Sequential: 1-3                        [-1, 31, 8, 8]            --
|    └─Conv2d: 2-11                      [-1, 12, 10, 10]          1,080
|    └─BatchNorm2d: 2-12                 [-1, 12, 10, 10]          24
|    └─ReLU: 2-13                        [-1, 12, 10, 10]          --
|    └─Dropout2d: 2-14                   [-1, 12, 10, 10]          --
|    └─Conv2d: 2-15                      [-1, 14, 8, 8]            1,512
|    └─BatchNorm2d: 2-16                 [-1, 14, 8, 8]            28
|    └─ReLU: 2-17                        [-1, 14, 8, 8]            --
|    └─Dropout2d: 2-18                   [-1, 14, 8, 8]            --
|    └─Conv2d: 2-19                      [-1, 31, 8, 8]            3,906
|    └─BatchNorm2d: 2-20                 [-1, 31, 8, 8]            62
|    └─ReLU: 2-21                        [-1, 31, 8, 8]            --
|    └─Dropout2d: 2-22                   [-1, 31, 8, 8]            --
├─Sequential: 1-4                        [-1, 10, 8, 8]            --
|    └─Conv2d: 2-23                      [-1, 10, 8, 8]            310
├─AdaptiveAvgPool2d: 1-5                 [-1, 10, 1, 1]            --
==========================================================================================
Total params: 7,934
Trainable params: 7,934
Non-trainable params: 0
Total mult-adds (M): 1.04
==========================================================================================
Input size (MB): 0.00
Forward/backward pass size (MB): 0.29
Params size (MB): 0.03
Estimated Total Size (MB): 0.32
=========================================================================================="""

PARAMETERS = """\
conv1.0.weight 8 1 3 3, conv1.1.weight 8, conv1.1.bias 8,
conv1.4.weight 11 8 3 3, conv1.5.weight 11, conv1.5.bias 11,
trans1.0.weight 10 11 1 1,
conv2.0.weight 12 10 3 3, conv2.1.weight 12, conv2.1.bias 12,
conv2.4.weight 14 12 3 3, conv2.5.weight 14, conv2.5.bias 14,
conv2.8.weight 31 14 3 3, conv2.9.weight 31, conv2.9.bias 31,
trans2.0.weight 10 31 1 1"""

SIZE = 28


@st.composite
def stacks(draw, windows_only: bool = False):
    """A net of random layers in random stages, for images (2, 28, 28)."""
    channels, sides, layers = 2, (SIZE, SIZE), []
    kinds = ["Conv2d", "MaxPool2d", "AvgPool2d", "ReplicationPad2d"]
    kinds += [] if windows_only else ["BatchNorm2d", "ReLU", "Dropout2d"]
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(kinds))
        if kind in ("ReLU", "Dropout2d"):
            layers.append(getattr(nn, kind)())
        elif kind == "BatchNorm2d":
            layers.append(nn.BatchNorm2d(channels))
        elif kind == "ReplicationPad2d":
            layers.append(nn.ReplicationPad2d(draw(st.integers(0, 3))))
            sides = [side + 2 * layers[-1].padding for side in sides]
        else:
            number = st.integers(1, 3)
            kernel, stride = draw(st.tuples(number, number)), draw(st.sampled_from([1, 1, 2, 3]))
            padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
            sides = [
                (side + 2 * p - k) // stride + 1
                for side, k, p in zip(sides, kernel, padding, strict=True)
            ]
            assume(min(sides) >= 1)
            if kind == "Conv2d":
                inputs, channels = channels, draw(st.integers(1, 3))
                bias = draw(st.booleans())
                layers.append(nn.Conv2d(inputs, channels, kernel, stride, padding, bias))
            else:
                layers.append(getattr(nn, kind)(kernel, stride, padding))
    if not windows_only and draw(st.booleans()):
        pooled = draw(st.booleans())
        features = channels if pooled else channels * math.prod(sides)
        layers += [nn.AdaptiveAvgPool2d(1)] if pooled else []
        layers += [nn.Flatten(), nn.Linear(features, 3, bias=draw(st.booleans())), nn.LogSoftmax()]
    cut = draw(st.integers(0, len(layers)))
    stages = nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])
    return nn.Sequential(dict(zip(["first", "second"], stages, strict=True)))


@settings(max_examples=50)
@given(stacks())
def test_shapes_are_those_of_a_run(net):
    image = torch.zeros(2, 2, SIZE, SIZE)
    assert (2, *inspect.output_shape(net, (2, SIZE, SIZE))) == net(image).shape
    for row in inspect.layer_rows(net, (2, SIZE, SIZE)):
        output = row.layer(torch.zeros(2, *row.input_shape))
        assert (2, *row.output_shape) == output.shape


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
    ],
)
def test_shapes_that_do_not_fit(layer, shape):
    with pytest.raises(ValueError, match=type(layer).__name__):
        inspect.output_shape(layer, shape)
    with pytest.raises((ValueError, RuntimeError, IndexError, TypeError)):
        layer(torch.zeros(2, *shape))


@given(stacks(windows_only=True), st.data())
def test_receptive_fields_are_where_the_gradient_is(net, data):
    for axis in 0, 1:
        fields = receptive_field(net, SIZE, axis)
        field = data.draw(st.sampled_from(fields[1:]))
        firsts = [field.start + i * field.jump - (field.field - 1) / 2 for i in range(field.size)]
        whole = [i for i, first in enumerate(firsts) if 0 <= first <= SIZE - field.field]
        for place in whole[:1] + whole[-1:]:
            first, last = measured_field(net, field.name, place, SIZE, axis)
            assert (first, last) == field.span(place, SIZE)
            assert last - first + 1 == field.field
            assert (first + last) / 2 == field.start + place * field.jump


def test_receptive_fields_of_the_final_net():
    fields = receptive_field(nets.net9_3())
    found = [(field.name, field.size, field.field, field.jump) for field in fields]
    assert found == [
        ("input", 28, 1, 1),
        ("conv1.0", 26, 3, 1),
        ("conv1.4", 24, 5, 1),
        ("trans1.0", 24, 5, 1),
        ("trans1.1", 12, 6, 2),
        ("conv2.0", 10, 10, 2),
        ("conv2.4", 8, 14, 2),
        ("conv2.8", 8, 18, 2),
        ("trans2.0", 8, 18, 2),
        ("gap", 1, 32, 2),
    ]
    for field in fields[1:-1]:
        middle = field.size // 2
        assert measured_field(nets.net9_3(), field.name, middle) == field.span(middle, 28)
    assert measured_field(nets.net9_3(), "gap", 0) == fields[-1].span(0, 28) == (0, 27)


def numbers(layer: nn.Module) -> int:
    """The parameters of a layer by formula."""
    if isinstance(layer, nn.Conv2d):
        window = math.prod(pair(layer.kernel_size))
        return layer.out_channels * (layer.in_channels * window + (layer.bias is not None))
    if isinstance(layer, nn.Linear):
        return layer.out_features * (layer.in_features + (layer.bias is not None))
    return 2 * layer.num_features if isinstance(layer, nn.BatchNorm2d) else 0


@settings(max_examples=50)
@given(stacks())
def test_parameters_by_formula(net):
    assert inspect.parameter_count(net) == sum(numbers(layer) for layer in net.modules())


def test_parameters_of_the_final_net():
    net = nets.net9_3()
    assert inspect.parameter_count(net) == 7934
    found = [" ".join([name, *map(str, p.shape)]) for name, p in net.named_parameters()]
    assert found == PARAMETERS.replace("\n", " ").split(", ")


def test_multiply_adds_of_the_final_net():
    assert (
        sum(inspect.multiply_adds(row) for row in inspect.layer_rows(nets.net9_3())) == 1_042_816
    )


@settings(max_examples=50)
@given(stacks())
def test_multiply_adds_are_the_ones_that_add_up(net):
    """With every weight and every number in the window 1, the outputs count the products."""
    for row in inspect.layer_rows(net, (2, SIZE, SIZE)):
        if isinstance(row.layer, nn.Conv2d):
            layer, (channels, height, width) = row.layer, row.input_shape
            tall, wide = layer.padding
            ones = torch.ones(1, channels, height + 2 * tall, width + 2 * wide)
            total = torch.conv2d(ones, torch.ones_like(layer.weight), None, layer.stride).sum()
        elif isinstance(row.layer, nn.Linear):
            total = (torch.ones(row.input_shape) @ torch.ones_like(row.layer.weight).T).sum()
        else:
            total = 0
        assert inspect.multiply_adds(row) == int(total)


def test_summary_of_the_final_net():
    assert inspect.summary(nets.net9_3()).splitlines() == FINAL_NET.splitlines()


def test_summary_counts_what_is_not_trained():
    net = nn.Sequential(nn.Linear(28, 2), nn.Linear(2, 1000))
    next(net.parameters()).requires_grad_(False)
    lines = inspect.summary(net).splitlines()
    assert "Trainable params: 3,002" in lines
    assert "Non-trainable params: 56" in lines


@settings(max_examples=20)
@given(stacks(), st.booleans())
def test_looking_changes_nothing(global_generator_untouched, net, training):
    net.train(training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with global_generator_untouched():
        text = inspect.summary(net, (2, SIZE, SIZE))
        for field in receptive_field(net, SIZE)[1:]:
            measured_field(net, field.name, field.size // 2, SIZE)
        assert inspect.summary(net, (2, SIZE, SIZE)) == text
    assert {module.training for module in net.modules()} == {training}
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in net.parameters())
