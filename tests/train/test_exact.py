"""A training repeats bit for bit: run twice, resumed at any step, and looked at in between."""

import contextlib
from dataclasses import replace

import pytest
import torch
from against_torch import reloaded
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nn, optim, streams
from tinytrain.data import Augmentation
from tinytrain.errors import UsageError
from tinytrain.graph import Graph
from tinytrain.plots import curves
from tinytrain.report.table import summary
from tinytrain.train import Epoch, Training, evaluate, fit
from tinytrain.train.compute import InProcess
from tinytrain.workers.group import Workers


class Noisy(nn.Module):
    """Draws from torch's own generator, or from its own; when it is tested, unless `quiet`."""

    quiet = False

    def __init__(self, **own):
        vars(self).update(own)

    def forward(self, input):
        if self.quiet and not self.training:
            return input
        generator = getattr(self, "generator", None)
        return input + 0.01 * torch.randn(input.shape, generator=generator, device=input.device)


LAYERS = {
    "norm": lambda generator: nn.BatchNorm2d(4),
    "groups": lambda generator: nn.GroupNorm(2, 4),
    "relu": lambda generator: nn.ReLU(inplace=True),
    "dropout": lambda generator: nn.Dropout(0.3, generator=generator),
    "channels": lambda generator: nn.Dropout2d(0.3),
    "noise": lambda generator: Noisy(),
    "quiet noise": lambda generator: Noisy(quiet=True),
    "named noise": lambda generator: Noisy(generator=None, quiet=True),
    "conv": lambda generator: nn.Conv2d(4, 4, 3, padding=1, generator=generator),
}
OPTIMIZERS = {
    "sgd": lambda params: optim.SGD(params, 0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda params: optim.Adam(params, 0.01),
    "muon": lambda params: optim.Muon(params, 0.01),
}


def training(layers, frozen, optimizer, ema, augmented, seed, device):
    """A training of a drawn net, at its start."""
    weights = streams.generator(seed, "weights")
    net = nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=4, generator=weights),
        *(LAYERS[name](weights) for name in layers),
        nn.Flatten(),
        nn.Linear(144, 10, generator=weights),
        nn.LogSoftmax(1),
    ).to(device)
    net[0].weight.requires_grad_(not frozen)
    return Training(
        net,
        OPTIMIZERS[optimizer](net.parameters()),
        epochs=2,
        batch_size=15,
        schedule=optim.WarmupLinear(2),
        augmentation=Augmentation(10, 1) if augmented else None,
        ema=optim.ExponentialMovingAverage(net, 0.9) if ema else None,
        seed=seed,
    )


def trained(training, dataset, compute, until=None, look=False):
    """Train, at most `until` so many events; with `look` inspect the net after each."""
    for number, event in enumerate(fit(training, dataset, compute()), 1):
        if look:
            torch.rand(3)
            summary(training.net)
            evaluate(training.tested_net, dataset.test, dataset.mean, dataset.std)
            training.state_dict()
            if isinstance(event, Epoch):
                curves.by_epoch({"run": [training.history]})
        if number == until:
            break
    return training


def same(one, other):
    states = [training.state_dict() | {"seconds": 0, "history": []} for training in (one, other)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    lines = [[replace(e, seconds=0) for e in training.history] for training in (one, other)]
    assert lines[0] == lines[1]


@settings(max_examples=10)
@given(
    st.tuples(
        st.lists(st.sampled_from(sorted(LAYERS)), max_size=4),
        st.booleans(),
        st.sampled_from(sorted(OPTIMIZERS)),
        st.booleans(),
        st.booleans(),
        st.integers(0, 10**9),
    ),
    st.integers(1, 13),
    st.sampled_from([InProcess, Graph]),
    st.sampled_from(["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]),
)
def test_bits_are_equal(tiny, global_generator_untouched, drawn, until, compute, device):
    draws = "noise" in drawn[0]  # when it is tested, from torch's own generator
    with contextlib.nullcontext() if draws else global_generator_untouched():
        first = trained(training(*drawn, device), tiny, compute)
    same(trained(training(*drawn, device), tiny, compute, look=True), first)
    half = trained(training(*drawn, device), tiny, compute, until)
    same(trained(reloaded(half, training(*drawn, device)), tiny, compute), first)
    with pytest.raises(AssertionError):
        same(trained(training(*drawn[:-1], drawn[-1] + 1, device), tiny, compute), first)


@pytest.mark.parametrize("noise", ["noise", "named noise"])
def test_parts_of_a_batch_that_would_draw_the_same_noise_are_refused(tiny, noise):
    workers = Workers()
    workers.cut(4)
    with pytest.raises(UsageError, match="generator.*--shards"):
        next(fit(training([noise], False, "sgd", False, False, 1, "cpu"), tiny, workers))
