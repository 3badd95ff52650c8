"""A `Training` of one's own objects: net, loss, optimizer, augmentation; and what is refused."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tinytrain import data, nets, nn, optim, streams, train
from tinytrain.errors import UsageError
from tinytrain.nn import functional
from tinytrain.recipes import RECIPES, build


def plain_net(seed=1):
    return nets.net6(streams.generator(seed, "weights"))


def losses(tiny, training=None, net=None, **options):
    """Train: (train_loss, test_loss) of each epoch; by default Net6, with Adam, for two epochs."""
    if training is None:
        net = net or plain_net()
        adam = {"optimizer": optim.Adam(net.parameters(), 0.01)}
        training = train.Training(net, **(adam | {"epochs": 2, "batch_size": 30} | options))
    list(train.fit(training, tiny))
    return [(epoch.train_loss, epoch.test_loss) for epoch in training.history]


def test_a_loss_of_ones_own(tiny):
    scores = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    twin = nn.Sequential(*copy.deepcopy(scores), nn.LogSoftmax())
    found = losses(tiny, net=scores, loss=functional.cross_entropy)
    assert np.array(found) == pytest.approx(np.array(losses(tiny, net=twin)))


def test_objects_train_as_the_recipe_that_names_them(tiny):
    recipe = replace(RECIPES["final"], net="net6", epochs=2, batch_size=30)
    net = plain_net()
    found = losses(
        tiny,
        net=net,
        optimizer=optim.Adam(net.parameters(), recipe.lr),
        schedule=optim.WarmupLinear(2),
        augmentation=data.Augmentation(rotation=8, shift=1.5, scale=0.08, shear=0.15),
        ema=optim.ExponentialMovingAverage(net, recipe.ema),
    )
    expected = losses(tiny, build.start(recipe, 1))
    assert np.array(found) == pytest.approx(np.array(expected), rel=1e-5)


def test_all_but_net_and_optimizer_has_a_default(tiny):
    net = plain_net()
    training = train.Training(net, optim.SGD(net.parameters(), 0.1))
    assert (training.epochs, training.batch_size, training.seed, training.tta) == (15, 128, 1, 1)
    names = ["epoch", "batch", "loss_sum", "correct", "seconds", "history"]
    assert [getattr(training, name) for name in names] == [1, 0, 0, 0, 0, []]
    next(iter(train.fit(training, tiny)))


def test_an_augmentation_of_ones_own(tiny):
    def shade(images, generator):
        return images * torch.rand(len(images), 1, 1, 1, generator=generator)

    plain, shaded, again = (losses(tiny, augmentation=a) for a in (None, shade, shade))
    assert shaded == again != plain


@pytest.mark.parametrize("frozen", [False, True])
def test_parameters_that_do_not_learn(tiny, frozen):
    net = plain_net()
    net.spare = torch.ones(3, requires_grad=not frozen)
    assert losses(tiny, net=net) == losses(tiny)
    assert torch.equal(net.spare, torch.ones(3))


NET, OTHER = plain_net(), plain_net()
ADAM = optim.Adam(NET.parameters())
AVERAGE = optim.ExponentialMovingAverage(OTHER, 0.9)
STEPPER = torch.optim.SGD(OTHER.parameters())
MISTAKES = [
    ("net: .*Own", {"net": type("Own", (), {})(), "optimizer": ADAM}),
    ("optimizer: ", {"net": OTHER, "optimizer": ADAM}),
    ("optimizer: .*torch.optim.* from_torch", {"net": NET, "optimizer": STEPPER}),
    ("optimizer: .*`params`", {"net": NET, "optimizer": object.__new__(optim.SGD)}),
    ("ema: ", {"net": NET, "optimizer": ADAM, "ema": AVERAGE}),
    ("net: .*weights", {"net": nn.Sequential(nn.Flatten()), "optimizer": ADAM}),
]


@pytest.mark.parametrize(("named", "options"), MISTAKES)
def test_what_does_not_belong_together(named, options):
    with pytest.raises(UsageError, match=named):
        train.Training(**options)


def test_data_of_another_kind_are_refused():
    with pytest.raises(UsageError, match="found list"):
        next(train.fit(train.Training(NET, ADAM), [(torch.zeros(1, 28, 28), 0)]))


SCALES = torch.ones(3, requires_grad=True)
HELD = [[nn.ReLU()], {"a": nn.ReLU()}, torch.nn.Linear(3, 3), [SCALES], ({"a": [nn.ReLU()]},)]


@pytest.mark.parametrize("held", HELD)
def test_weights_that_would_not_be_found(held):
    inner = nn.Sequential(nn.ReLU())
    inner.more = held
    net = nn.Sequential(nn.Linear(3, 3), inner)
    with pytest.raises(UsageError, match=r"1\.more: weights in a .* are not found"):
        train.Training(net, optim.SGD(net.parameters()))
    with pytest.raises(UsageError, match="more: weights in a .* are not found"):
        build.start(RECIPES["net1"], 1, build_net=lambda *_: inner)  # which has no others


def scores(classes, *more):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes), *more)


class Louder(nn.Module):
    """Every probability half as much again."""

    def forward(self, input):
        return input + math.log(1.5)


@pytest.mark.parametrize(
    ("named", "net", "options"),
    [
        ("log-probabilities, .* found 1.5;", scores(10, nn.LogSoftmax(), Louder()), {}),
        ("log-probabilities, .* found", scores(10), {}),
        (r"\(N, 10\).*found \(1, 3\)", scores(3, nn.LogSoftmax()), {}),
        ("the loss: .*scalar", scores(10), {"loss": lambda output, labels: output[:, 0]}),
    ],
)
def test_outputs_that_do_not_suit(tiny, named, net, options):
    training = train.Training(net, optim.SGD(net.parameters()), batch_size=30, **options)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(UsageError, match=named):
        next(train.fit(training, tiny))
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
