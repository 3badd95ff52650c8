"""A net has the names, the shapes and the state of the same net built from `torch.nn`.

What builds a net takes the library as its argument, so the same lines build both.
"""

import doctest
import sys
from collections import OrderedDict
from copy import deepcopy

import pytest
import torch
from against_torch import final_net
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nets, nn, optim
from tinytrain.streams import generator

BLOCKS = {
    "convolution": lambda nn: nn.Conv2d(3, 3, 3, padding=1),
    "bias-free": lambda nn: nn.Conv2d(3, 3, (1, 3), padding=(0, 1), bias=False),
    "norm": lambda nn: nn.BatchNorm2d(3),
    "relu": lambda nn: nn.ReLU(),
    "linear": lambda nn: nn.Linear(4, 4),
    "stage": lambda nn: nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.Linear(4, 4))),
}


NUMBERS = st.integers(-7, 7)
SLICES = st.builds(slice, *[st.none() | NUMBERS] * 2, st.none() | NUMBERS.filter(bool))
IMAGES = torch.randn(8, 1, 28, 28, generator=generator(0, "images"))


def trained(net):
    """Weights and statistics that are no longer the initial ones, from one pass over images."""
    net.train()(IMAGES)
    with torch.no_grad():
        for index, parameter in enumerate(net.parameters()):
            drawn = torch.randn(parameter.shape, generator=generator(1, "weights", index))
            parameter.add_(0.1 * drawn)
    return net


def held(net):
    """Names, shapes and types of what a net holds, in its order."""
    yield from (name for name, _ in net.named_modules())
    for named in net.state_dict(), dict(net.named_parameters()), dict(net.named_buffers()):
        yield from ((name, tensor.shape, tensor.dtype) for name, tensor in named.items())


@given(st.lists(st.sampled_from(sorted(BLOCKS)), max_size=5), st.booleans(), NUMBERS, SLICES)
def test_sequential_holds_is_counted_indexed_and_iterated_as_in_torch(names, named, index, part):
    found = []
    for library in nn, torch.nn:
        layers = [BLOCKS[name](library) for name in names]
        stages = OrderedDict((f"stage{number}", layer) for number, layer in enumerate(layers))
        net = library.Sequential(stages) if named else library.Sequential(*layers)
        assert len(net) == len(layers) and all(map(lambda a, b: a is b, net, layers))
        cut = net[part]
        assert type(cut) is library.Sequential
        assert list(map(id, cut)) == list(map(id, layers[part]))
        if -len(layers) <= index < len(layers):
            assert net[index] is layers[index]
        else:
            with pytest.raises(IndexError):
                net[index]
        found.append((*held(net), *held(cut)))
    assert found[0] == found[1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("there", [True, False], ids=["to torch", "from torch"])
def test_final_net_moves_between_torch_and_here(there, training):
    ours, theirs = nets.net9_3(), final_net(torch.nn)
    source, target = (trained(ours), theirs) if there else (trained(theirs), ours)
    target.load_state_dict(source.state_dict())
    found = torch.log_softmax(theirs.train(training)(IMAGES), 1), dict(theirs.state_dict())
    torch.testing.assert_close(
        (ours.train(training)(IMAGES), ours.state_dict()), found, rtol=1e-5, atol=1e-5
    )
    assert bool(dict(ours.named_buffers())["conv1.1.num_batches_tracked"] == 1 + training)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: state.pop("conv2.8.weight"), "conv2.8.weight"),
        (lambda state: state.pop("conv1.1.running_var"), "conv1.1.running_var"),
        (lambda state: state.update({"conv9.weight": torch.ones(1)}), "conv9.weight"),
        (lambda state: state.update({"trans2.0.weight": torch.ones(10)}), "trans2.0.weight"),
        (lambda state: state.update({"trans2.0.weight": torch.ones(1, 1, 1, 1)}), "trans2.0"),
    ],
)
def test_load_state_dict_refuses_and_changes_nothing(change, message):
    net, state = nets.net9_3(), trained(nets.net9_3()).state_dict()
    before = deepcopy(net.state_dict())
    change(state)
    with pytest.raises(RuntimeError, match=message):
        net.load_state_dict(state)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_state_dict_shares_memory_and_loading_copies():
    source, net = nets.net9_3(), nets.net9_3()
    net.load_state_dict(source.state_dict())
    before = deepcopy(net.state_dict())
    source.state_dict()["conv1.0.weight"].zero_()
    assert not source.conv1.state_dict()["0.weight"].any()
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_train_and_eval_reach_all_children():
    net = nets.net9_3()
    for change, mode in (net.eval, False), (net.train, True), (lambda: net.train(False), False):
        assert change() is net
        assert {module.training for module in net.modules()} == {mode}
    assert nn.Module.training  # it is each module's own, not everyone's


def test_set_generator_reaches_all_that_draw_and_nothing_else(global_generator_untouched):
    class Noise(nn.Module):
        generator = None  # the class's, until it is given its own

        def forward(self, input):
            return input + torch.rand(input.shape, generator=self.generator)

    net = nn.Sequential(dict(generator=nn.Sequential(nn.Dropout2d(), nn.Conv2d(1, 1, 1), Noise())))
    found = []
    for _ in range(2):
        net.set_generator(generator(0, "batch"))
        with global_generator_untouched():
            found.append(net(IMAGES))
    assert torch.equal(*found)
    drawing = net.generator
    assert type(drawing) is nn.Sequential and Noise.generator is None
    dropout, conv, noise = (module for _, module in drawing.named_children())
    assert dropout.generator is noise.generator and not hasattr(conv, "generator")
    net.set_generator(None)
    assert dropout.generator is noise.generator is None


def test_what_is_not_there_raises():
    net = nn.Sequential(nn.ReLU())
    for holder, name in (net, "trainning"), (net, "1"), (nn.Linear(2, 2), "wieght"):
        with pytest.raises(AttributeError, match=name):
            getattr(holder, name)
    with pytest.raises(TypeError, match="forward"):
        nn.Module()(IMAGES)
    with pytest.raises(TypeError, match="expected a module"):
        nn.Sequential(nn.ReLU(), torch.relu)
    for taken in "forward", "training", "a.b", "":
        with pytest.raises(ValueError, match="cannot name"):
            nn.Sequential({taken: nn.ReLU()})


def test_a_net_shows_its_layers_and_the_plain_values_that_they_hold():
    class Own(nn.Module):
        def __init__(self, generator=None):
            self.size, self.names, self.generator = (2, 3), ["a"], generator
            self.weight, self.bias = torch.ones(2), None
            self.inner = nn.Sequential({"relu": nn.ReLU(inplace=True), "tanh": nn.Tanh()})

    own = """Own(size=(2, 3), bias=None
  (inner): Sequential(
    (relu): ReLU(inplace=True)
    (tanh): Tanh()
  )
)"""
    for draws in None, torch.Generator():
        assert repr(Own(draws)) == repr(Own(draws).eval()) == own
    conv = "Conv2d(in_channels=1, out_channels=2, kernel_size=(3, 3), stride=(1, 1), "
    conv += "padding=(0, 0), dilation=(1, 1), groups=1"
    assert repr(nn.Conv2d(1, 2, 3)) == f"{conv})"
    assert repr(nn.Conv2d(1, 2, 3, bias=False)) == f"{conv}, bias=None)"
    assert repr(nn.Dropout(0.5)) == "Dropout(p=0.5, inplace=False)"


def test_the_lesson_of_the_residual_block():
    found = doctest.testmod(sys.modules[nn.Module.__module__])
    assert found.attempted and not found.failed


@settings(max_examples=20)
@given(st.lists(st.sampled_from([torch.float64, torch.float32, torch.bfloat16]), min_size=1))
def test_to_moves_floating_point_only(dtypes):
    ours, theirs = BLOCKS["stage"](nn), BLOCKS["stage"](torch.nn)
    ours.load_state_dict(theirs.state_dict())
    for dtype in dtypes:
        assert ours.to(dtype) is ours
        theirs.to(dtype)
    torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()), rtol=0, atol=0)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in ours.parameters())
    assert not any(buffer.requires_grad for _, buffer in ours.named_buffers())


def sharing(nn):
    """A net that holds one stage twice, and in another layer the weight of a layer in it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stage, last = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4)
    last.weight = stage[0].weight
    return nn.Sequential(stage, stage, last)


def test_what_is_shared_stays_shared_and_counts_once():
    ours, theirs = sharing(nn).to(torch.float64), sharing(torch.nn).to(torch.float64)
    for named in "named_parameters", "state_dict":
        assert list(dict(getattr(ours, named)())) == list(dict(getattr(theirs, named)()))
    assert nn.parameter_count(ours) == 24
    assert ours.to(torch.float64)[2].weight is ours[0][0].weight
    average = optim.ExponentialMovingAverage(ours, decay=0.5)
    before = deepcopy(average.net.state_dict())
    for net in ours, theirs:
        net(torch.ones(2, 4, dtype=torch.float64)).square().sum().backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.sub_(parameter.grad)
    torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()))
    average.update()
    for name, value in average.net.state_dict().items():
        expected = before[name].lerp(ours.state_dict()[name], 9 / 11)
        torch.testing.assert_close(value, expected)
