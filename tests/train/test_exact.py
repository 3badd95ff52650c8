"""A training repeats bit for bit: run twice, resumed at any step, and looked at in between."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nn, optim, streams
from tinytrain.data import Augmentation
from tinytrain.graph import Graph
from tinytrain.nn.inspect import summary
from tinytrain.plots import curves
from tinytrain.train import Training, evaluate, fit
from tinytrain.train.compute import InProcess


class Noisy(nn.Module):
    """A layer of one's own that draws from torch's own generator, in evaluation, too."""

    def forward(self, input):
        return input + 0.01 * torch.randn_like(input)


LAYERS = {
    "norm": lambda generator: nn.BatchNorm2d(4),
    "groups": lambda generator: nn.GroupNorm(2, 4),
    "relu": lambda generator: nn.ReLU(inplace=True),
    "dropout": lambda generator: nn.Dropout(0.3, generator=generator),
    "channels": lambda generator: nn.Dropout2d(0.3),
    "noise": lambda generator: Noisy(),
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
    for number, _ in enumerate(fit(training, dataset, compute()), 1):
        if look:
            torch.rand(3)
            summary(training.net)
            evaluate(training.tested_net, dataset.test, dataset.mean, dataset.std)
            training.state_dict()
            if training.history:
                curves.by_epoch({"run": [training.history]})
        if number == until:
            break
    return training


def same(one, other):
    states = [training.state_dict() | {"seconds": 0, "history": []} for training in (one, other)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    losses = [[epoch.train_loss for epoch in training.history] for training in (one, other)]
    assert losses[0] == losses[1]


@settings(max_examples=12)
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
def test_bits_are_equal(tiny, drawn, until, compute, device):
    first = trained(training(*drawn, device), tiny, compute)
    same(trained(training(*drawn, device), tiny, compute, look=True), first)
    half = trained(training(*drawn, device), tiny, compute, until)
    resumed = training(*drawn, device)
    resumed.load_state_dict(half.state_dict())
    same(trained(resumed, tiny, compute), first)
