"""Shapes of nets, also with layers that a student wrote."""

import re

import pytest
import torch
from drawn_nets import SIZE, Function, Residual, Shared, stacks
from hypothesis import given, settings

from tinytrain import nn
from tinytrain.nn import inspect


def refuse(image):
    raise RuntimeError("in two\nlines")


@settings(max_examples=50)
@given(stacks())
def test_shapes_are_those_of_a_run(net):
    image = torch.zeros(2, 2, SIZE, SIZE)
    assert inspect.output_of(net, (2, SIZE, SIZE)).shape[1:] == net(image).shape[1:]
    for row in inspect.layer_rows(net, (2, SIZE, SIZE)):
        output = row.layer(torch.zeros(2, *row.input_shape))
        assert (2, *row.output_shape) == output.shape


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv2d(2, 3, 3), (2, 2, 5)),
        (nn.BatchNorm2d(3), (2, 5, 5)),
        (nn.Flatten(3), (25,)),
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


def test_a_net_of_any_type_gets_an_image_in_float32():
    wider = Function(lambda image: image.double())
    net = nn.Sequential(wider, nn.Linear(28, 3).to(torch.float64))
    assert inspect.output_of(net).shape == (1, 1, 28, 3)


def test_what_a_net_does_after_its_last_layer_counts():
    net = nn.Conv2d(1, 2, 3)
    conv = net.forward
    net.forward = lambda image: conv(image).mean((2, 3))
    assert inspect.output_of(net).shape == (1, 2)
