"""The loop: what it yields, what it refuses, its rates; that it repeats, see test_exact."""

import contextlib
import time
from dataclasses import replace
from itertools import islice

import pytest
import torch
from test_exact import same

from tinytrain import nets, streams
from tinytrain.data.datasets import Split
from tinytrain.errors import Diverged, UsageError
from tinytrain.nn import Dropout2d
from tinytrain.optim import SGD
from tinytrain.recipes import RECIPES, Recipe, build
from tinytrain.runs import checkpoints
from tinytrain.train import Batch, Epoch, Training, evaluate, loop
from tinytrain.train.compute import InProcess

QUICK = replace(RECIPES["final"], batch_size=30, epochs=2, dropout=0.1)


def trained(recipe, dataset, seed=1, device="cpu"):
    training = build.start(recipe, seed, device)
    list(loop.fit(training, dataset))
    return training


def test_two_lines_of_the_history_in_known_numbers(tiny):
    """At rate 0 the net stays what it is, so training measures what evaluation does."""
    net = nets.net1(streams.generator(1, "weights"))
    training = Training(net, SGD(net.parameters(), 0.0), epochs=2, batch_size=30)
    train, test = (evaluate(net, split, tiny.mean, tiny.std) for split in (tiny.train, tiny.test))
    tested = test.loss, test.correct, test.total, test.accuracy, test.accuracy
    events, started = loop.fit(training, tiny), time.perf_counter()
    for number in 1, 2:
        *steps, line = islice(events, 5)
        correct = [int(step.correct) for step in steps]
        assert correct == sorted(correct) and correct[0] < correct[-1] == train.correct
        assert [(step.batch, step.batches) for step in steps] == [
            (step, 4) for step in (1, 2, 3, 4)
        ]
        assert [step.seen for step in steps] == [30, 60, 90, 100]
        expected = Epoch(number, 0.0, line.train_loss, train.accuracy, *tested, line.seconds)
        assert line == expected and line.train_loss == pytest.approx(train.loss, rel=1e-5)
        assert 0 < line.seconds < time.perf_counter() - started
    assert [*events] == []


def test_it_learns_on_every_device(tiny, device):
    training = trained(Recipe(epochs=10, batch_size=20, dropout=0.01), tiny, device=device)
    assert training.device.type == device
    assert training.history[-1].train_accuracy > 80 > training.history[0].train_accuracy


def test_a_device_follows_the_cpu(tiny, device):
    here, there = (trained(replace(QUICK, dropout=0), tiny, device=d) for d in ("cpu", device))
    assert here.history[0].train_loss == pytest.approx(there.history[0].train_loss, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_rate_too_high_is_noticed_in_the_first_fifty_steps(tiny, optimizer):
    steps = loop.fit(build.start(Recipe(optimizer=optimizer, lr=1e20, batch_size=1), 1), tiny)
    seen = []
    with pytest.raises(Diverged, match="epoch 1, step 50:.*--lr.* 1e[+]20"):
        seen.extend(steps)
    assert [step.batch for step in seen] == list(range(1, 50))


def test_a_state_that_is_not_finite_is_not_for_saving(tiny):
    """A square that overflowed makes its weight stand still, and the loss does not tell."""
    training = build.start(QUICK, 1)
    next(loop.fit(training, tiny))
    checkpoints.require_finite(training)
    training.optimizer.square[0].view(-1)[7] = torch.inf
    with pytest.raises(Diverged, match="epoch 1, step 1"):
        checkpoints.require_finite(training)


KINDS, NO_NAMES = ("optimizer", "schedule"), ("a", "nothing", "zigzag")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"net": "nothing"}, "nothing"),
        *(({kind: name}, f"{kind} {name}: expected") for kind in KINDS for name in NO_NAMES),
        ({"net": "net7", "dropout": 0.1}, "--dropout 0.1: net7 has no dropout"),
        ({"momentum": 0.9}, "--momentum 0"),
        ({"optimizer": "muon", "momentum": 1}, "momentum"),
        ({"ema": 1}, "decay"),
    ],
)
def test_what_a_recipe_cannot_have(change, named):
    with pytest.raises(UsageError, match=named):
        build.start(replace(QUICK, **change), 1)


def some(dataset, count, side):
    """The first `count` training images; of all images the middle, (N, 1, side, side)."""
    inner = slice((28 - side) // 2, (28 + side) // 2)
    train, test = (
        Split(split.images[:, :, inner, inner], split.labels)
        for split in (dataset.train, dataset.test)
    )
    return replace(dataset, train=Split(train.images[:count], train.labels[:count]), test=test)


@pytest.mark.parametrize(
    ("count", "side", "batch_size", "suits"),
    [
        *((count, 22, size, False) for count, size in ((100, 33), (5, 4), (100, 1), (1, 128))),
        *((5, side, size, True) for side, size in ((28, 4), (28, 1), (22, 5), (22, 200))),
    ],
)
def test_an_image_alone_where_batch_norm_cannot_take_it(tiny, count, side, batch_size, suits):
    training = build.start(replace(RECIPES["net7"], batch_size=batch_size, epochs=1), 1)
    refused = pytest.raises(UsageError, match=f"--batch-size {batch_size}.* batch norm")
    with contextlib.nullcontext() if suits else refused:
        list(loop.fit(training, some(tiny, count, side)))
    assert len(training.history) == suits


def test_the_rate_of_a_step_is_that_of_its_middle(tiny):
    """Two epochs of four steps: up in the first, down in the second."""
    training = build.start(replace(QUICK, warmup=0.5), 1)
    rates, first = [], []
    for event in loop.fit(training, tiny):
        if isinstance(event, Batch):
            rates.append(training.optimizer.lr)
            first.append(event.lr)
    middles = [(step + 0.5) / 4 for step in range(8)]
    assert rates == pytest.approx([training.lr * min(place, 2 - place) for place in middles])
    assert [epoch.lr for epoch in training.history] == pytest.approx([rates[0], rates[4]])
    assert first == pytest.approx([rates[0]] * 4 + [rates[4]] * 4)


def test_every_layer_draws_masks_of_its_own():
    training = build.start(replace(QUICK, dropout=0.5), 1)
    training.net.train().set_generator(training.stream("dropout"))
    dropouts = [layer for layer in training.net.modules() if isinstance(layer, Dropout2d)]
    first, *others = (layer(torch.ones(30, 8, 1, 1)) for layer in dropouts)
    assert len(others) == 4 and not any(torch.equal(first, mask) for mask in others)


class Noting(InProcess):
    """Computes as usual, with gradients of a sign, and notes what it is asked for."""

    def __init__(self, sign):
        self.sign, self.sizes, self.scored = sign, [], []

    def gradients(self, training, images, labels):
        self.sizes.append(len(labels))
        gradients, loss, correct = super().gradients(training, images, labels)
        return [self.sign * gradient for gradient in gradients], loss, correct

    def score(self, training, net, dataset):
        self.scored.append(net)
        return super().score(training, net, dataset)


def test_gradients_and_scores_come_from_whoever_computes(tiny):
    backwards, usual = (build.start(QUICK, 1) for _ in range(2))
    for training, sign in (backwards, -1), (usual, 1):
        compute = Noting(sign)
        list(loop.fit(training, tiny, compute))
        assert compute.sizes == [30, 30, 30, 10] * 2
        assert compute.scored == [training.net, training.ema.net] * 2
    same(usual, trained(QUICK, tiny))
    assert backwards.history[-1].train_loss > usual.history[-1].train_loss


def test_a_learning_rate_set_between_epochs_holds_and_is_resumed(tiny):
    plain = build.start(QUICK, 1)
    list(loop.fit(plain, tiny))
    for last in 5, 7:  # right after the rate was set, and later
        whole, half, resumed = (build.start(QUICK, 1) for _ in range(3))
        for training, events in (whole, 10), (half, last):
            for event in islice(loop.fit(training, tiny), events):
                if isinstance(event, Epoch) and event.epoch == 1:
                    training.optimizer.lr = 0.5 * training.lr
        assert whole.history[1].lr == 0.5 * plain.history[1].lr
        resumed.load_state_dict(half.state_dict())
        list(loop.fit(resumed, tiny))
        same(whole, resumed)
    resumed.load_state_dict(half.state_dict())
    resumed.optimizer.lr = plain.lr  # the first start is a new one again
    list(loop.fit(resumed, tiny))
    assert resumed.history[1].lr == plain.history[1].lr


def test_gradients_of_any_length_stay_as_they_are_without_clip():
    net = nets.net1(generator=streams.generator(1, "weights"))
    training = Training(net, SGD(net.parameters(), lr=0.1), epochs=1)
    grads = [torch.full_like(one, 9.0) for one in training.learned]
    training.set_gradients([grad.clone() for grad in grads])
    assert all(map(torch.equal, [one.grad for one in training.learned], grads))


def test_label_smoothing_and_clipping_are_torchs():
    training = build.start(replace(QUICK, loss="label-smoothing=0.2", clip=0.5), 1)
    scores, labels = torch.randn(6, 10, generator=streams.generator(1, "test")), torch.arange(6)
    found = training.loss(scores.log_softmax(1), labels)
    oracle = torch.nn.functional.cross_entropy(scores, labels, label_smoothing=0.2)
    torch.testing.assert_close(found, oracle)
    for size in 0.01, 1.0:  # a small norm stays as it is
        theirs = [torch.nn.Parameter(torch.zeros_like(one)) for one in training.learned]
        for parameter in theirs:
            parameter.grad = torch.full_like(parameter, size / 10)
        training.set_gradients([parameter.grad.clone() for parameter in theirs])
        torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        for one, other in zip(training.learned, theirs, strict=True):
            torch.testing.assert_close(one.grad, other.grad)
