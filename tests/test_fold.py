"""Folding batch norm into convolutions changes the layers, and not what they compute."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain import nets, nn
from tinytrain.nn.fold import fold
from tinytrain.streams import generator

LAYERS = {
    "convolution": lambda: nn.Conv2d(3, 3, 3, padding=1, generator=generator(0, "conv")),
    "bias-free": lambda: nn.Conv2d(3, 3, 1, bias=False, generator=generator(1, "conv")),
    "norm": lambda: nn.BatchNorm2d(3),
    "relu": lambda: nn.ReLU(),
    "stage": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()),
}


class Absolute(nn.Conv2d):
    def forward(self, input):
        return super().forward(input).abs()


class Centred(nn.BatchNorm2d):
    def forward(self, input):
        return input - self.running_mean[:, None, None]


class Backwards(nn.Sequential):
    def forward(self, input):
        for _, layer in reversed(list(self.named_children())):
            input = layer(input)
        return input


def seen(net):
    """The net in float64 and in evaluation, its norms with statistics and weights of their own."""
    for index, module in enumerate(net.to(torch.float64).modules()):
        if isinstance(module, nn.BatchNorm2d):
            for number, tensor in enumerate(module.state_dict().values()):
                drawn = torch.rand(tensor.shape, generator=generator(2, "norm", index, number))
                tensor.copy_(drawn + 0.5)
    return net.eval()


def images(channels, size=6):
    drawn = torch.randn(4, channels, size, size, generator=generator(3, "images"))
    return drawn.double().requires_grad_()


@given(st.lists(st.sampled_from(sorted(LAYERS)), max_size=6))
def test_random_stacks(names):
    net = seen(nn.Sequential(*(LAYERS[name]() for name in names)))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.testing.assert_close(fold(net)(images(3)), net(images(3)), rtol=1e-12, atol=1e-12)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_the_final_net_has_no_norm_left():
    net = seen(nets.net9_3(generator=generator(4, "weights")))
    folded = fold(net)
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.BatchNorm2d)]
    torch.testing.assert_close(folded(images(1, 28)), net(images(1, 28)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "net",
    [
        nn.ReLU(),
        nn.Sequential(nn.BatchNorm2d(3)),
        nn.Sequential(Absolute(3, 3, 1), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 1), Centred(3)),
        Backwards(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)),
    ],
    ids=["layer", "norm", "own convolution", "own norm", "own stage"],
)
def test_nothing_to_fold(net):
    folded = fold(seen(net))
    assert [type(layer) for layer in folded.modules()] == [type(layer) for layer in net.modules()]
    assert torch.equal(folded(images(3)), net(images(3)))
