"""The step from buffers is the step of the plain loop, bit for bit."""

import contextlib
import copy
from dataclasses import replace
from functools import partial
from unittest.mock import Mock

import pytest
import torch
from against_torch import normal
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nn, optim
from tinytrain.errors import UsageError
from tinytrain.graph import Graph, require_capturable, side_by_side
from tinytrain.graph.step import Step
from tinytrain.graph.updates import Updates
from tinytrain.recipes import Recipe, build
from tinytrain.train import Training, fit

PLAIN = Recipe(net="separable942", epochs=2, batch_size=30)
ALL = replace(PLAIN, rotation=8, shift=1.5, scale=0.08, shear=0.15, ema=0.9, tta=5)
RECIPES = {
    "plain": PLAIN,
    "dropout": replace(ALL, net="net8", dropout=0.2),
    "average and five looks": ALL,
    "sgd": replace(PLAIN, optimizer="sgd", momentum=0.9, nesterov=True, schedule="step"),
    "sgd without momentum": replace(PLAIN, optimizer="sgd", weight_decay=0.01),
    "muon": replace(ALL, optimizer="muon", schedule="warmup-linear", weight_decay=0.01),
    "adam with decay": replace(ALL, weight_decay=0.01, schedule="warmup-linear"),
}


def state(training):
    """Everything that is saved, but the seconds; tensors as they are."""
    saved = training.state_dict() | {"seconds": 0}
    return saved | {"history": [event | {"seconds": 0} for event in saved["history"]]}


def assert_equal(found, expected):
    torch.testing.assert_close(state(found), state(expected), rtol=0, atol=0)


def trained(training, dataset, compute=None, until=None):
    """Train to the end, or until `until` steps are taken."""
    for number, _ in enumerate(fit(training, dataset, compute), 1):
        if number == until:
            break
    return training


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=2)
@given(
    st.integers(17, 40),
    st.floats(1e-4, 0.1),
    st.sampled_from([0.0, 0.5, 0.99]),
    st.integers(0, 10**6),
    st.integers(1, 6),
)
def test_it_is_the_plain_loop_also_resumed_at_any_step(name, tiny, size, lr, ema, seed, until):
    recipe = replace(RECIPES[name], batch_size=size, lr=lr, ema=ema)
    plain, graph, resumed = (build.start(recipe, seed) for _ in range(3))
    resumed.load_state_dict(trained(graph, tiny, Graph(), until).state_dict())
    assert_equal(trained(resumed, tiny, Graph()), trained(plain, tiny))


class Noisy(nn.Module):
    """Draws from torch's own generator."""

    def forward(self, input):
        return input + 0.1 * torch.randn_like(input) if self.training else input


def own_training():
    """A net with frozen weights and a layer that draws from torch's own generator."""
    generator = torch.Generator().manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=4, generator=generator),
        nn.BatchNorm2d(4),
        Noisy(),
        nn.Flatten(),
        nn.Linear(144, 10, generator=generator),
        nn.LogSoftmax(1),
    )
    net[0].weight.requires_grad_(False)
    return Training(net, optim.Adam(net.parameters(), 0.01, decoupled_weight_decay=True), 2, 30)


def test_a_net_of_ones_own(tiny):
    assert_equal(trained(own_training(), tiny, Graph()), trained(own_training(), tiny))


DAMPED = partial(optim.SGD, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01)
DTYPES = [torch.float32, torch.float64, torch.float32, torch.float64]


@pytest.mark.parametrize("make", [DAMPED, partial(optim.Adam, weight_decay=0.01)])
def test_weights_of_any_dtype_and_after_any_number_of_steps_move_as_in_the_loop(make):
    """Two weights get their first gradient in step 1, two in step 2."""
    plain, graph = (make([normal(2, 3).to(dtype) for dtype in DTYPES]) for _ in range(2))
    for step in range(1, 5):
        for optimizer in plain, graph:
            for param in optimizer.params[: 2 * step]:
                param.grad = normal(2, 3, seed=step).to(param)
        plain.step()
        updates = Updates([graph], torch.device("cpu"))
        updates.prepare()
        updates.update()
        found, expected = ([*one.params, one.state_dict()] for one in (graph, plain))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_side_by_side_each_training_is_as_it_is_alone(tiny):
    """Nets that draw from torch's own generators among them, which all share."""
    starts = [partial(build.start, RECIPES["dropout"], 1), own_training, own_training]
    starts.insert(1, partial(build.start, replace(RECIPES["muon"], epochs=1), 1))
    together = [start() for start in starts]
    runs = [partial(fit, training, tiny, Graph()) for training in together]
    numbers = [number for number, _ in side_by_side(runs, 3, "cpu")]
    assert numbers[:6] == [0, 1, 2] * 2 and numbers[-1] == 3
    for training, start in zip(together, starts, strict=True):
        assert_equal(training, trained(start(), tiny))


class Own(optim.SGD):
    """An optimizer whose changing numbers are not known."""


class Reads(nn.Module):
    """Fails as a layer that reads a number does in a capture."""

    calls = 0

    def forward(self, input):
        raise RuntimeError


class Counts(nn.Module):
    """Counts its calls in a plain number."""

    def __init__(self):
        self.calls = 0

    def forward(self, input):
        self.calls += 1
        return input


def changed(layer=None, optimizer=optim.SGD, augmentation=None):
    """A training with this optimizer, augmentation, and layer after one that a step changes."""
    net = own_training().net
    first = nn.Sequential({"norm": nn.BatchNorm2d(1), "stage": nn.Sequential(layer or nn.ReLU())})
    net = nn.Sequential({"first": first, "rest": net})
    steps = optimizer(net.parameters(), 0.1)
    return Training(net, steps, 1, 30, augmentation=augmentation)


class Replaces(Reads):
    """Follows its input with ever new tensors."""

    buffer_names = ("mean",)

    def __init__(self):
        self.mean = torch.zeros(())

    def forward(self, input):
        self.mean = 0.9 * self.mean + 0.1 * input.detach().mean()
        return input


REFUSED = {
    "Own": {"optimizer": Own},
    "Augmentation": {"augmentation": lambda images, _: images},
    r"first.stage.0 \(Reads\)": {"layer": Reads()},
    "first.stage.0.calls": {"layer": Counts()},
    "first.stage.0.mean": {"layer": Replaces()},
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_cannot_be_captured_is_refused_and_stays_as_it_was(
    named, tiny, global_generator_untouched
):
    training = changed(**REFUSED[named])
    before = copy.deepcopy(training)
    with pytest.raises(UsageError, match=named), global_generator_untouched():
        require_capturable(training, tiny)
    assert_equal(training, before)
    assert REFUSED[named].get("layer", Counts()).calls == 0


def test_batches_in_another_order_are_refused(tiny):
    with pytest.raises(UsageError, match="order"):
        Graph().step(build.start(PLAIN, 1), tiny, torch.arange(30), 4)


# torch.compile itself does what torch warns of.
compiles = pytest.mark.filterwarnings("ignore")


@compiles
def test_what_is_compiled_is_the_step(tiny, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, compiled = (build.start(replace(PLAIN, epochs=1), 1) for _ in range(2))
    trained(compiled, tiny, Graph(compiled=True))
    torch.testing.assert_close(state(compiled)["net"], state(trained(plain, tiny))["net"])


@compiles
@pytest.mark.long
@pytest.mark.parametrize("name", ["plain", "dropout"])
def test_compiled_it_repeats_and_resumes(name, tiny):
    recipe = replace(RECIPES[name], net="net7" if name == "plain" else "net8", batch_size=25)
    first, second, half, resumed = (build.start(recipe, 1) for _ in range(4))
    trained(first, tiny, Graph(compiled=True))
    assert_equal(trained(second, tiny, Graph(compiled=True)), first)
    resumed.load_state_dict(trained(half, tiny, Graph(compiled=True), 3).state_dict())
    assert_equal(trained(resumed, tiny, Graph(compiled=True)), first)


@pytest.fixture
def captures(monkeypatch):
    """A stand-in for CUDA graphs, whose replay is the step; the captures: size, epoch, step."""
    found, taking, take = [], [], Step.take

    class Captured:
        register_generator_state = Mock()

        def replay(self):
            self.run()

    @contextlib.contextmanager
    def capture(graph, stream):
        step = taking[-1]
        stateful = [step.training.net, step.training.optimizer, step.training.ema]
        before = [(one, copy.deepcopy(one.state_dict())) for one in stateful if one]
        yield
        for one, saved in before:
            one.load_state_dict(saved)
        step.dropout.manual_seed(step.dropout.initial_seed())
        graph.run = step.run
        found.append((step.size, step.training.epoch, step.training.batch))

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Captured)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    for name in "device", "stream":
        monkeypatch.setattr(torch.cuda, name, lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", Mock())
    monkeypatch.setattr(Step, "take", lambda step, *more: taking.append(step) or take(step, *more))
    stream = Mock(device=torch.device("cpu"))
    monkeypatch.setattr(Step, "rehearse", lambda step: setattr(step, "stream", stream))
    return found


@pytest.mark.parametrize("name", ["dropout", "sgd", "muon"])
def test_a_step_is_captured_once_for_each_size_and_counted_once(name, tiny, captures):
    plain, graph = (build.start(RECIPES[name], 1) for _ in range(2))
    assert_equal(trained(graph, tiny, Graph()), trained(plain, tiny))
    assert captures == [(30, 1, 1), (10, 2, 3)]  # the second step of each size


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("name", RECIPES)
def test_on_a_gpu_it_repeats_resumes_and_follows_the_plain_loop(name, mnist, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    small = replace(mnist, train=mnist.train.rows(slice(100)), test=mnist.test.rows(slice(100)))
    first, second, half, plain = (build.start(RECIPES[name], 1, "cuda") for _ in range(4))
    trained(first, small, Graph())
    assert_equal(trained(second, small, Graph()), first)
    resumed = build.start(RECIPES[name], 1, "cuda")
    resumed.load_state_dict(trained(half, small, Graph(), 3).state_dict())
    assert_equal(trained(resumed, small, Graph()), first)
    trained(plain, small)
    torch.testing.assert_close(
        first.net.state_dict(), plain.net.state_dict(), rtol=1e-2, atol=1e-2
    )
