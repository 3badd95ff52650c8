"""Every layer gives what `torch.nn`'s gives: initial weights, values, gradients and statistics.

The names and arguments are the same, so one line builds both: `lambda nn: nn.Conv2d(3, 5, 3)` is
called with `torch.nn` and with `tinytrain.nn`. What `fast` arranges is what `functional` defines.
"""

from __future__ import annotations

import copy
from inspect import isclass, isfunction, signature

import pytest
import torch
from against_torch import (
    LAYERS,
    SHOWN,
    SHOWS_BIAS,
    agree,
    built,
    normal,
    shown,
    values_and_gradients,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as oracle

from tinytrain import nn
from tinytrain.cli.export import source
from tinytrain.nn import fast, functional
from tinytrain.streams import generator

SEEDS = st.integers(0, 2**31)
SMALL = st.integers(1, 4)
P = st.floats(0.05, 0.95)
few = settings(max_examples=40)


def number_or_pair(low: int, high: int):
    numbers = st.integers(low, high)
    return numbers | st.tuples(numbers, numbers)


@st.composite
def windows(draw, pool: bool = False):
    """(kernel_size, stride, padding, image), numbers or pairs; the kernel fits the image.

    Of a convolution dilation and groups, too, after the padding.
    """
    kernel = draw(number_or_pair(1, 4))
    smallest = min(functional.pair(kernel))
    stride = draw(number_or_pair(1, 3) | st.none() if pool else number_or_pair(1, 3))
    padding = draw(number_or_pair(0, smallest // 2 if pool else 2))
    dilation, groups = (1, 1) if pool else (draw(number_or_pair(1, 3)), draw(st.integers(1, 3)))
    sides = zip(functional.pair(kernel), functional.pair(dilation), strict=True)
    height, width = (step * (side - 1) + 1 + draw(st.integers(0, 5)) for side, step in sides)
    image = normal(draw(SMALL), groups * draw(SMALL), height, width)
    return (kernel, stride, padding, *(() if pool else (dilation, groups)), image)


@st.composite
def convolutions(draw):
    """Tensors and options for `conv2d`, half of them over images of one channel, or over none."""
    kernel, stride, padding, dilation, groups, image = draw(windows())
    image = image[draw(st.integers(0, 1)) :]
    if draw(st.booleans()):
        image, groups = image[:, :1], 1
    outputs = groups * draw(SMALL)
    weight = normal(outputs, image.shape[1] // groups, *functional.pair(kernel), seed=2)
    bias = {"bias": normal(outputs, seed=3)} if draw(st.booleans()) else {}
    geometry = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    return dict(input=image, weight=weight, **bias), geometry


@st.composite
def norms(draw):
    """Tensors and options for `batch_norm`, running statistics among them."""
    options = dict(training=draw(st.booleans()), momentum=draw(P), eps=draw(st.floats(1e-8, 1)))
    shape = draw(st.integers(2, 8)), draw(SMALL), draw(SMALL), draw(st.integers(1, 8))
    mean, var, weight, bias = (normal(shape[1], seed=seed) for seed in range(2, 6))
    images = 3 * normal(*shape) + 1
    tensors = dict(input=images, weight=weight, bias=bias)
    return tensors, dict(running_mean=mean, running_var=var.square(), **options)


PAIRS = {"batch_norm": norms(), "conv2d": convolutions()}


@pytest.mark.parametrize("name", PAIRS)
@given(st.data())
def test_fast_is_what_functional_defines(global_generator_untouched, name, data):
    tensors, options = data.draw(PAIRS[name])
    layout = data.draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    found = []
    for library in functional, fast:
        own, others = copy.deepcopy(tensors), copy.deepcopy(options)
        own["input"] = own["input"].contiguous(memory_format=layout)
        with global_generator_untouched():
            inputs = [tensor.requires_grad_() for tensor in own.values()]
            output = getattr(library, name)(**own, **others)
            uneven = normal(*output.shape, seed=1)
            gradients = torch.autograd.grad(output, inputs, uneven)
        found.append((output, gradients, others))
        torch.testing.assert_close(own, tensors, rtol=0, atol=0)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=20)
@given(st.data())
def test_gradients_of_fast_gradients(name, data):
    """A gradient penalty: the loss is made of a gradient, and has one itself."""
    tensors, options = data.draw(PAIRS[name])
    fixed = data.draw(st.sampled_from([None, *tensors]))
    found = []
    for library in functional, fast:
        own, others = copy.deepcopy(tensors), copy.deepcopy(options)
        inputs = [own[part].requires_grad_() for part in own if part != fixed]
        output = getattr(library, name)(**own, **others)
        uneven = normal(*output.shape, seed=1).requires_grad_()
        first = torch.autograd.grad(output, inputs, uneven, create_graph=True)
        penalty = sum((one * normal(*one.shape, seed=2)).square().sum() for one in first)
        again = torch.autograd.grad(penalty, [*inputs, uneven], materialize_grads=True)
        found.append(again)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_every_pair_is_compared():
    own = {name for name, value in vars(fast).items() if isfunction(value)}
    assert own & set(vars(functional)) - {"pair", "values_a_channel"} == set(PAIRS)


def numbers():
    """Running mean and variance, weight and bias of a batch norm of three channels."""
    return normal(3), normal(3).square(), normal(3, seed=1), normal(3, seed=2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("conv2d", lambda image: [normal(4, image.shape[1], 3, 3)]),
        ("batch_norm", lambda image: [part[: image.shape[1]] for part in numbers()]),
        *((name, lambda image: []) for name in ("relu", "gelu", "silu", "dropout", "dropout2d")),
        *((name, lambda image: [2]) for name in ("max_pool2d", "avg_pool2d")),
    ],
)
def test_defaults_of_functions_are_torchs(name, arguments, channels):
    for library in functional, fast:
        image, found = normal(2, channels, 6, 6), []
        for function in (getattr(one, name, None) for one in (oracle, library)):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                found += [function(image, *arguments(image))] if function else found
        torch.testing.assert_close(*found)
        assert torch.equal(image, normal(2, channels, 6, 6))


def test_batch_norm_in_training_has_torchs_defaults():
    for library in functional, fast:
        found = []
        for function in oracle.batch_norm, library.batch_norm:
            mean, var, *learned = numbers()
            output = function(normal(2, 3, 4, 4), mean, var, *learned, training=True)
            found.append((output, mean, var))
        torch.testing.assert_close(*found)


@pytest.mark.parametrize("training", [True, False])
def test_fast_leaves_the_channels_last_in_memory(training):
    maps = fast.conv2d(normal(2, 1, 7, 6), normal(3, 1, 3, 2))
    for output in maps, fast.batch_norm(normal(2, 3, 4, 5), *numbers(), training):
        assert output.is_contiguous(memory_format=torch.channels_last)


@few
@given(st.lists(SMALL, min_size=1, max_size=3), SMALL, SMALL, st.booleans())
def test_linear(batch, inputs, outputs, bias):
    agree(lambda nn: nn.Linear(inputs, outputs, bias=bias), normal(*batch, inputs))


@few
@given(windows(), SMALL, st.booleans())
def test_conv2d(window, outputs, bias):
    *geometry, groups, image = window
    widths = image.shape[1], outputs * groups
    agree(lambda nn: nn.Conv2d(*widths, *geometry, groups, bias=bias), image)


def test_a_channel_a_group():
    agree(lambda nn: nn.Conv2d(3, 6, 2, groups=3), normal(2, 3, 5, 5))


@pytest.mark.parametrize("groups", [0, 2, 3])
def test_groups_that_do_not_divide_the_channels(groups):
    for library in nn, torch.nn:
        with pytest.raises(ValueError, match="groups"):
            library.Conv2d(3, 4, 3, groups=groups)


@given(windows(pool=True))
def test_pooling(window):
    *geometry, image = window
    for images in image, image[0]:
        agree(lambda nn: nn.MaxPool2d(*geometry), images)
        agree(lambda nn: nn.AvgPool2d(*geometry), images)


@few
@given(st.tuples(st.integers(2, 4), SMALL, SMALL, SMALL), P, st.floats(1e-8, 1))
def test_batch_norm2d(shape, momentum, eps):
    batches = [3 * normal(*shape, seed=seed) + seed for seed in range(3)]
    batches[2] = batches[2].to(memory_format=torch.channels_last)
    agree(lambda nn: nn.BatchNorm2d(shape[1], eps, momentum), *batches)


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data(), st.floats(1e-8, 1))
def test_layer_norm(shape, data, eps):
    normalized = shape[data.draw(st.integers(0, len(shape) - 1)) :]
    sizes = data.draw(st.sampled_from([normalized, tuple(normalized), normalized[-1]]))
    affine, bias = data.draw(st.tuples(st.booleans(), st.booleans()))
    agree(lambda nn: nn.LayerNorm(sizes, eps, affine, bias), 3 * normal(*shape) + 1)


@few
@given(st.tuples(SMALL, SMALL, SMALL), st.data(), st.floats(1e-8, 1), st.booleans())
def test_group_norm(shape, data, eps, last):
    count, groups, each = shape
    places = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    affine, bias = data.draw(
        st.tuples(st.booleans(), st.booleans() if SHOWS_BIAS else st.just(True))
    )
    images = 3 * normal(count, groups * each, *places) + 1
    if last and len(places) == 2:
        images = images.to(memory_format=torch.channels_last)
    without = {} if bias else {"bias": False}
    agree(lambda nn: nn.GroupNorm(groups, groups * each, eps, affine, **without), images)


@few
@given(st.tuples(*[SMALL] * 4), st.integers(0, 6), st.integers(-4, 3), st.booleans())
def test_layers_without_weights(shape, padding, dim, inplace):
    image = normal(*shape)
    for images in image, image[0]:
        agree(lambda nn: nn.ReplicationPad2d(padding), images)
        agree(lambda nn: nn.AdaptiveAvgPool2d(1), images)
    agree(lambda nn: nn.ReLU(inplace), image)
    agree(lambda nn: nn.SiLU(inplace), image)
    agree(lambda nn: nn.GELU(), 3 * image)
    agree(lambda nn: nn.GELU(approximate="tanh"), 3 * image)
    agree(lambda nn: nn.Sigmoid(), 3 * image)
    agree(lambda nn: nn.Tanh(), 3 * image)
    agree(lambda nn: nn.Identity(54, unused=True), image)
    agree(lambda nn: nn.Flatten(), image)
    agree(lambda nn: nn.Softmax(dim), image)
    agree(lambda nn: nn.LogSoftmax(dim), image)


@pytest.mark.filterwarnings("ignore:Implicit dimension")
@given(st.lists(SMALL, min_size=1, max_size=5))
def test_softmax_without_an_axis(shape):
    agree(lambda nn: nn.Softmax(), normal(*shape))
    agree(lambda nn: nn.LogSoftmax(), normal(*shape))


@few
@given(SEEDS, SMALL, SMALL, st.integers(1, 3), st.booleans())
def test_initial_weights(global_generator_untouched, seed, inputs, outputs, kernel, bias):
    for build in (
        lambda nn, **generator: nn.Conv2d(inputs, outputs, kernel, bias=bias, **generator),
        lambda nn, **generator: nn.Linear(inputs, outputs, bias=bias, **generator),
    ):
        ours, theirs = built(build, seed)
        torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()))
        with global_generator_untouched():
            drawn = build(nn, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(drawn.state_dict(), dict(theirs.state_dict()))


@pytest.mark.parametrize("name", ["Dropout", "Dropout2d"])
@few
@given(SEEDS, P, st.integers(1, 8), st.integers(1, 8), st.booleans(), st.booleans())
def test_dropout_draws_as_torch_does(
    global_generator_untouched, name, seed, p, count, channels, inplace, last
):
    image = normal(count, channels, 2, 3)
    image = image.to(memory_format=torch.channels_last) if last else image
    (ours, theirs), found = built(lambda nn: getattr(nn, name)(p, inplace)), []
    for layer in ours, theirs:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found.append(values_and_gradients(layer, image))
    torch.testing.assert_close(*found)
    with global_generator_untouched():
        ours.set_generator(torch.Generator().manual_seed(seed))
        torch.testing.assert_close(values_and_gradients(ours, image), found[1])
        assert torch.equal(ours.eval()(image), image)


@pytest.mark.parametrize("name", ["Dropout", "Dropout2d"])
@pytest.mark.parametrize("p", [0, 1])
def test_dropout_of_nothing_and_of_everything(name, p):
    agree(lambda nn: getattr(nn, name)(p), normal(3, 4, 2, 2))


@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_to_drop_nothing_nothing_is_drawn(global_generator_untouched, name):
    with global_generator_untouched():
        assert getattr(functional, name)(IMAGE, p=0) is IMAGE


@pytest.mark.parametrize("build", SHOWN, ids=lambda build: repr(build(nn)))
def test_shown_as_in_torch(build):
    ours, theirs = built(build)
    assert shown(ours) == shown(theirs)


@pytest.mark.parametrize("build", SHOWN, ids=lambda build: repr(build(nn)))
def test_its_source_makes_its_twin(build):
    ours, theirs = built(build)
    said = repr(theirs).replace("dim=None", "dim=1")  # which torch would guess, with a warning
    assert repr(eval(source(ours), {"nn": torch.nn})) == said


@pytest.mark.parametrize("name", sorted(LAYERS - {"Sequential"}))
def test_arguments_and_defaults_are_torchs(name):
    ours, theirs = (signature(getattr(library, name)).parameters for library in (nn, torch.nn))
    own = [argument for argument in ours.values() if argument.name != "generator"]
    places = {argument.name: place for place, argument in enumerate(theirs.values())}
    for place, argument in enumerate(own if name != "GroupNorm" or SHOWS_BIAS else own[:-1]):
        same = theirs[argument.name]
        assert (argument.kind, argument.default) == (same.kind, same.default)
        assert argument.kind is argument.KEYWORD_ONLY or place == places[argument.name]


def test_every_layer_is_shown():
    assert {name for name in nn.__all__ if isclass(getattr(nn, name))} == LAYERS | {"Module"}


@given(st.integers(1, 6), st.integers(2, 10), SEEDS)
def test_losses(count, classes, seed):
    scores = 3 * normal(count, classes, seed=seed)
    target = torch.randint(classes, (count,), generator=generator(seed, "labels"))
    for name in "cross_entropy", "nll_loss":
        found, expected = (
            torch.func.grad_and_value(getattr(library, name))(scores, target)
            for library in (functional, oracle)
        )
        torch.testing.assert_close(found, expected)
    assert int(functional.correct(scores, target)) == sum(
        int(row.argmax()) == label for row, label in zip(scores, target.tolist(), strict=True)
    )


IMAGE = torch.ones(1, 2, 5, 5)


@pytest.mark.parametrize(
    "error, call",
    [
        (ValueError, lambda: nn.Dropout(-0.1)),
        (ValueError, lambda: nn.Dropout2d(1.1)),
        (ValueError, lambda: nn.GELU("erf")(IMAGE)),
        (TypeError, lambda: nn.Softmax(True)),
        (TypeError, lambda: nn.LogSoftmax(1.0)),
        (RuntimeError, lambda: nn.LayerNorm((1, 2, 5, 5, 5))(IMAGE)),
        (ValueError, lambda: nn.GroupNorm(0, 2)),
        (ValueError, lambda: nn.GroupNorm(2, 3)),
        (RuntimeError, lambda: nn.GroupNorm(3, 3, affine=False)(IMAGE)),
        (ValueError, lambda: nn.AdaptiveAvgPool2d(2)),
        (ValueError, lambda: nn.ReplicationPad2d((1, 1, 2, 2))),
        (ValueError, lambda: nn.Conv2d(1, 4, 3, padding="same")),
        (ValueError, lambda: nn.BatchNorm2d(2, eps=0)),
        (ValueError, lambda: nn.BatchNorm2d(2, momentum=None)),
        (ValueError, lambda: nn.BatchNorm2d(4).eval()(IMAGE)),
        (ValueError, lambda: nn.BatchNorm2d(2).eval()(IMAGE[:, :, 0, 0])),
        (RuntimeError, lambda: nn.Conv2d(1, 4, 3, padding=-1)(IMAGE[:, :1])),
        (RuntimeError, lambda: nn.MaxPool2d(2, padding=2)(IMAGE)),
        (RuntimeError, lambda: nn.AvgPool2d(2, padding=2)(IMAGE)),
        (RuntimeError, lambda: nn.AvgPool2d(2, padding=(0, -1))(IMAGE)),
        (RuntimeError, lambda: nn.AvgPool2d(2, padding=(-1, 0))(IMAGE)),
        (RuntimeError, lambda: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0, 3]))),
        (ValueError, lambda: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0]))),
        (ValueError, lambda: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0, 1, 2]))),
        (ValueError, lambda: functional.cross_entropy(IMAGE[0], torch.zeros(2, 5).long())),
    ],
)
def test_bad_arguments(error, call):
    """Shapes that do not fit: test_every_small_shape."""
    with pytest.raises(error):
        call()


def test_batch_norm_where_the_mean_dwarfs_the_deviation():
    drawn = torch.randn(8, 3, 6, 6, generator=generator(9, "images"))
    far = (drawn + 1000).requires_grad_()
    ours, theirs = nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    exact = torch.nn.BatchNorm2d(3).double()(far.double())
    ours_error, theirs_error = ((norm(far) - exact).abs().max() for norm in (ours, theirs))
    assert ours_error < 4 * theirs_error + 1e-4
