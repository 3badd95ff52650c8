"""Receptive fields are the pixels that a place depends on."""

import copy

import torch
from drawn_nets import SIZE, Residual, stacks
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nn
from tinytrain.report.receptive_field import Field, receptive_field, windows


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


def test_layers_behind_a_block_of_ones_own_are_still_told():
    net = nn.Sequential(Residual(1), nn.Conv2d(1, 2, 3))
    assert [row.name for row, _ in windows(net, (1, 28, 28), 0)] == ["0", "1"]


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
