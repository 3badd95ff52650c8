"""A `Training` of one's own objects: net, loss, optimizer, augmentation; and what is refused."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from tinytrain import data, nets, nn, optim, streams, train
from tinytrain.errors import UsageError
from tinytrain.nn import functional
from tinytrain.results.variations import RECIPES


def plain_net(seed=1):
    return nets.net6(streams.generator(seed, "weights"))


def events(tiny, **options):
    """The epochs of a training of Net6 with these options, its optimizer by default Adam."""
    net = options.pop("net", None) or plain_net()
    defaults = {"optimizer": optim.Adam(net.parameters(), 0.01), "epochs": 2, "batch_size": 30}
    return epochs_of(train.Training(net, **(defaults | options)), tiny)


def epochs_of(training, dataset):
    return [event for event in train.fit(training, dataset) if isinstance(event, train.Epoch)]


def losses(epochs):
    return [(epoch.train_loss, epoch.test_loss) for epoch in epochs]


def test_objects_train_as_the_recipe_that_names_them(tiny):
    recipe = replace(RECIPES["final"], net="net6", epochs=2, batch_size=30)
    wanted = epochs_of(train.build.start(recipe, 1), tiny)
    net = plain_net()
    found = events(
        tiny,
        net=net,
        optimizer=optim.Adam(net.parameters(), recipe.lr),
        schedule=optim.WarmupLinear(2),
        augmentation=data.Augmentation(rotation=8, shift=1.5, scale=0.08, shear=0.15),
        ema=optim.ExponentialMovingAverage(net, recipe.ema),
    )
    for one, other in zip(losses(found), losses(wanted), strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_all_but_net_and_optimizer_has_a_default(tiny):
    net = plain_net()
    training = train.Training(net, optim.SGD(net.parameters(), 0.1))
    assert (training.epochs, training.batch_size, training.seed, training.tta) == (15, 128, 1, 1)
    names = ["epoch", "batch", "loss_sum", "correct", "seconds", "history"]
    assert [getattr(training, name) for name in names] == [1, 0, 0, 0, 0, []]
    next(iter(train.fit(training, tiny)))


def test_a_loss_of_ones_own(tiny):
    scores = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    twin = nn.Sequential(*copy.deepcopy(scores), nn.LogSoftmax())
    found = events(tiny, net=scores, loss=functional.cross_entropy)
    wanted = events(tiny, net=twin)
    for one, other in zip(losses(found), losses(wanted), strict=True):
        assert one == pytest.approx(other)


def test_an_augmentation_of_ones_own(tiny):
    def shade(images, generator):
        return images * torch.rand(len(images), 1, 1, 1, generator=generator)

    plain, shaded, again = (events(tiny, augmentation=a) for a in (None, shade, shade))
    assert losses(shaded) == losses(again) != losses(plain)


@pytest.mark.parametrize("frozen", [False, True])
def test_parameters_that_do_not_learn(tiny, frozen):
    net = plain_net()
    net.spare = torch.ones(3, requires_grad=not frozen)
    assert losses(events(tiny, net=net)) == losses(events(tiny))
    assert torch.equal(net.spare, torch.ones(3))


def mistakes():
    net, other = plain_net(), plain_net()
    adam = optim.Adam(net.parameters())
    yield (
        "expected a tinytrain.nn.Module, found .*Net",
        {"net": type("Net", (), {})(), "optimizer": adam},
    )
    yield "optimizer: expected one made", {"net": other, "optimizer": adam}
    stepper = type("Stepper", (), {"lr": 0.1, "step": print})()
    yield "Stepper has no state_dict, load_state_dict", {"net": net, "optimizer": stepper}
    average = optim.ExponentialMovingAverage(other, 0.9)
    yield "ema: expected an average made", {"net": net, "optimizer": adam, "ema": average}


@pytest.mark.parametrize(("message", "options"), [*mistakes()])
def test_what_does_not_belong_together(message, options):
    with pytest.raises(UsageError, match=message):
        train.Training(**options)


def test_data_of_another_kind_are_refused():
    net = plain_net()
    training = train.Training(net, optim.SGD(net.parameters()))
    with pytest.raises(UsageError, match="found list; data.from_arrays"):
        next(train.fit(training, [(torch.zeros(1, 28, 28), 0)]))


@pytest.mark.parametrize("held", [[nn.ReLU()], {"a": nn.ReLU()}, torch.nn.Linear(3, 3)])
def test_weights_that_would_not_be_found(held):
    inner = nn.Sequential(nn.ReLU())
    inner.more = held
    net = nn.Sequential(nn.Linear(3, 3), inner)
    with pytest.raises(UsageError, match=r"1\.more: weights in a .* are not found"):
        train.Training(net, optim.SGD(net.parameters()))


def test_a_net_without_weights():
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax())
    with pytest.raises(UsageError, match="weights to learn"):
        train.Training(net, optim.SGD([torch.zeros(1, requires_grad=True)]))


class Louder(nn.Module):
    """Every probability half as much again."""

    def forward(self, input):
        return input + math.log(1.5)


HEADS = {
    "log-probabilities, .* add up to 1, found 1.5;": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(), Louder()
    ),
    "log-probabilities, .* found": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    r"\(N, 10\).*found \(1, 3\)": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 3), nn.LogSoftmax()
    ),
}


@pytest.mark.parametrize("message", HEADS)
def test_outputs_that_do_not_suit(tiny, message):
    net = HEADS[message]()
    training = train.Training(net, optim.SGD(net.parameters()), batch_size=30)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        next(iter(train.fit(training, tiny)))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
