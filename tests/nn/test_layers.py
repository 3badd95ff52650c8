"""Every layer does as `torch.nn`'s, and what `fast` arranges is what `functional` defines.

A layer of torch with arguments and images that Hypothesis draws is the oracle of ours, in float64:
initial weights, values, gradients, the gradients of gradients, running statistics, and the
program that `export` writes of it.
"""

import copy
import subprocess
import sys
from functools import partial
from inspect import isclass, isfunction, signature

import pytest
import torch
from against_torch import SHOWS_BIAS, agree, built, normal, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as oracle

from tinytrain import nn
from tinytrain.nn import fast, functional
from tinytrain.streams import generator

SMALL, SEEDS, TRUTH = st.integers(1, 4), st.integers(0, 2**31), st.booleans()
SHARE, EPS = st.floats(0.05, 0.95), st.floats(1e-5, 1)
LAYOUTS = st.sampled_from([torch.contiguous_format, torch.channels_last])
IMAGE = torch.ones(1, 2, 5, 5)


def images(draw, *shape):
    """Images (N, C, H, W) in either order of memory, of a drawn shape unless one is given."""
    drawn = 3 * normal(*(shape or draw(st.tuples(*[SMALL] * 4)))) + 1
    return drawn.to(memory_format=draw(LAYOUTS))


def linear(draw):
    *batch, inputs = draw(st.lists(SMALL, min_size=1, max_size=4))
    options = dict(in_features=inputs, out_features=draw(SMALL), bias=draw(TRUTH))
    return options, normal(*batch, inputs)


def number_or_pair(draw, low, high):
    numbers = st.integers(low, high)
    return draw(numbers | st.tuples(numbers, numbers))


def fitting(draw, kernel, dilation, channels):
    """Images on which the kernel fits."""
    sides = zip(functional.pair(kernel), functional.pair(dilation), strict=True)
    sizes = [step * (side - 1) + 1 + draw(st.integers(0, 5)) for side, step in sides]
    return images(draw, draw(SMALL), channels, *sizes)


def conv2d(draw):
    """Half of them over images of one channel, which `fast` arranges in another way."""
    kernel, dilation = number_or_pair(draw, 1, 4), number_or_pair(draw, 1, 3)
    groups, each = draw(st.just((1, 1)) | st.tuples(st.integers(1, 3), SMALL))
    options = dict(in_channels=groups * each, out_channels=groups * draw(SMALL))
    options |= dict(kernel_size=kernel, dilation=dilation, groups=groups, bias=draw(TRUTH))
    options |= dict(stride=number_or_pair(draw, 1, 3), padding=number_or_pair(draw, 0, 2))
    return options, fitting(draw, kernel, dilation, groups * each)


def pool(draw):
    kernel = number_or_pair(draw, 1, 4)
    options = dict(kernel_size=kernel, stride=draw(st.none() | st.integers(1, 3)))
    options["padding"] = number_or_pair(draw, 0, min(functional.pair(kernel)) // 2)
    image = fitting(draw, kernel, 1, draw(SMALL))
    return options, image if draw(TRUTH) else image[0]


def batch_norm(draw):
    image = images(draw, draw(st.integers(2, 4)), *draw(st.tuples(*[SMALL] * 3)))
    return dict(num_features=image.shape[1], eps=draw(EPS), momentum=draw(SHARE)), image


def layer_norm(draw):
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    normalized = shape[draw(st.integers(0, len(shape) - 1)) :]
    sizes = draw(st.sampled_from([normalized, tuple(normalized), normalized[-1]]))
    affine = dict(elementwise_affine=draw(TRUTH), bias=draw(TRUTH))
    return dict(normalized_shape=sizes, eps=draw(EPS), **affine), 3 * normal(*shape) + 1


def group_norm(draw):
    groups, each = draw(st.tuples(SMALL, SMALL))
    places = draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    options = dict(num_groups=groups, num_channels=groups * each, eps=draw(EPS))
    options |= dict(affine=draw(TRUTH), **({"bias": draw(TRUTH)} if SHOWS_BIAS else {}))
    shape = draw(SMALL), groups * each, *places
    return options, images(draw, *shape) if len(places) == 2 else normal(*shape)


def softmax(draw):
    shape = draw(st.lists(SMALL, min_size=1, max_size=5))
    return dict(dim=draw(st.none() | st.integers(-len(shape), len(shape) - 1))), normal(*shape)


def plain(**options):
    """A layer for images of any shape, with these options."""
    return lambda draw: ({name: draw(of) for name, of in options.items()}, images(draw))


SHARES = st.just(0) | st.just(1) | SHARE
LAYERS = dict(
    **dict(Linear=linear, Conv2d=conv2d, MaxPool2d=pool, AvgPool2d=pool, BatchNorm2d=batch_norm),
    **dict(LayerNorm=layer_norm, GroupNorm=group_norm, Softmax=softmax, LogSoftmax=softmax),
    ReLU=plain(inplace=TRUTH),
    SiLU=plain(inplace=TRUTH),
    GELU=plain(approximate=st.sampled_from(["none", "tanh"])),
    Sigmoid=plain(),
    Tanh=plain(),
    Identity=plain(unused=st.just(54)),
    Flatten=plain(start_dim=st.integers(0, 2), end_dim=st.sampled_from([2, 3, -1])),
    Dropout=plain(p=SHARES, inplace=TRUTH),
    Dropout2d=plain(p=SHARES, inplace=TRUTH),
    ReplicationPad2d=plain(padding=st.integers(0, 6)),
    AdaptiveAvgPool2d=plain(output_size=st.sampled_from([1, (1, 1)])),
)


@pytest.mark.filterwarnings("ignore:Implicit dimension")
@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=20)
@given(st.data())
def test_layers_do_as_torchs(name, data):
    options, image = LAYERS[name](data.draw)
    agree(lambda nn: getattr(nn, name)(**options), image, 2 * image - 3)


def test_every_layer_is_tried():
    found = {name for name in nn.__all__ if isclass(getattr(nn, name))}
    assert found == {*LAYERS, "Module", "Sequential"}


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_and_defaults_are_torchs(name):
    ours, theirs = (signature(getattr(library, name)).parameters for library in (nn, torch.nn))
    own = [argument for argument in ours.values() if argument.name != "generator"]
    places = {argument.name: place for place, argument in enumerate(theirs.values())}
    for place, argument in enumerate(own if name != "GroupNorm" or SHOWS_BIAS else own[:-1]):
        same = theirs[argument.name]
        assert (argument.kind, argument.default) == (same.kind, same.default)
        assert argument.kind is argument.KEYWORD_ONLY or place == places[argument.name]


def convolutions(draw):
    """Tensors and options for `conv2d`, half of them over images of one channel, or over none."""
    options, image = conv2d(draw)
    layer = nn.Conv2d(**options).to(torch.float64)
    tensors = dict(input=image[draw(st.integers(0, 1)) :], weight=layer.weight.detach())
    tensors |= {} if layer.bias is None else dict(bias=layer.bias.detach())
    geometry = "stride", "padding", "dilation", "groups"
    return tensors, {name: options[name] for name in geometry}


def norms(draw):
    """Tensors and options for `batch_norm`, running statistics among them."""
    options, image = batch_norm(draw)
    channels = options.pop("num_features")
    mean, var, weight, bias = (normal(channels, seed=seed) for seed in range(2, 6))
    running = dict(running_mean=mean, running_var=var.square(), training=draw(TRUTH))
    return dict(input=image, weight=weight, bias=bias), running | options


PAIRS = {"batch_norm": norms, "conv2d": convolutions}


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=60)
@given(st.data())
def test_fast_is_what_functional_defines(global_generator_untouched, name, data):
    """Where one tensor, too, needs no gradient, and where the image lies otherwise in memory."""
    tensors, options = PAIRS[name](data.draw)
    fixed, found = data.draw(st.sampled_from([None, *tensors])), []
    for library in functional, fast:
        own, others = copy.deepcopy(tensors), copy.deepcopy(options)
        inputs = [own[part].requires_grad_() for part in own if part != fixed]
        with global_generator_untouched():
            output = getattr(library, name)(**own, **others)
            uneven = normal(*output.shape, seed=1).requires_grad_()
            first = torch.autograd.grad(output, inputs, uneven, create_graph=True)
        penalty = sum((one * normal(*one.shape, seed=2)).square().sum() for one in first)
        again = torch.autograd.grad(penalty, [*inputs, uneven], materialize_grads=True)
        found.append((output, first, again, others))
        torch.testing.assert_close(own, tensors, rtol=0, atol=0)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_every_pair_is_compared():
    own = {name for name, value in vars(fast).items() if isfunction(value)}
    assert own & set(vars(functional)) - {"pair", "values_a_channel"} == set(PAIRS)


def numbers(channels):
    """Running mean and variance, weight and bias of a batch norm."""
    return [normal(channels), normal(channels).square(), normal(channels), normal(channels)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("conv2d", lambda channels: [normal(4, channels, 3, 3)]),
        ("batch_norm", numbers),
        ("batch_norm", lambda channels: [*numbers(channels), True]),
        *((name, lambda _: []) for name in ("relu", "gelu", "silu", "dropout", "dropout2d")),
        *((name, lambda _: [2]) for name in ("max_pool2d", "avg_pool2d")),
    ],
)
def test_defaults_of_functions_are_torchs(name, arguments, channels):
    found = []
    for library in oracle, functional, fast:
        image, others = normal(2, channels, 6, 6), arguments(channels)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            if function := getattr(library, name, None):
                found.append((function(image, *others), image, others))
    for one in found[1:]:
        torch.testing.assert_close(one, found[0])


@pytest.mark.parametrize("training", [True, False])
def test_fast_leaves_the_channels_last_in_memory(training):
    maps = fast.conv2d(normal(2, 1, 7, 6), normal(3, 1, 3, 2))
    for output in maps, fast.batch_norm(normal(2, 3, 4, 5), *numbers(3), training):
        assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind, sizes", [("Conv2d", (3, 4, (2, 1))), ("Linear", (3, 4))])
@settings(max_examples=20)
@given(seed=SEEDS, bias=TRUTH)
def test_a_named_generator_draws_what_torchs_own_would(
    global_generator_untouched, kind, sizes, seed, bias
):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected = getattr(torch.nn, kind)(*sizes, bias=bias).state_dict()
    with global_generator_untouched():
        drawn = torch.Generator().manual_seed(seed)
        found = getattr(nn, kind)(*sizes, bias=bias, generator=drawn).state_dict()
    torch.testing.assert_close(found, dict(expected))


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d])
@settings(max_examples=20)
@given(seed=SEEDS, p=SHARE, data=st.data())
def test_dropout_draws_from_the_generator_that_is_set(
    global_generator_untouched, kind, seed, p, data
):
    """Nothing where nothing is dropped, and then it gives the image itself."""
    layer, image = kind(p), images(data.draw)
    expected = outcome(layer, image, seed)
    with global_generator_untouched():
        layer.set_generator(torch.Generator().manual_seed(seed))
        torch.testing.assert_close(layer(image), expected[0])
        assert kind(0)(image) is image and layer.eval()(image) is image


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(2, 10), SEEDS, st.floats(0, 1))
def test_losses(count, classes, seed, smoothing):
    scores = 3 * normal(count, classes, seed=seed)
    target = torch.randint(classes, (count,), generator=generator(seed, "labels"))

    def smoothed(scores, target):
        return functional.smoothed_nll_loss(functional.log_softmax(scores), target, smoothing)

    for pair in (
        (functional.cross_entropy, oracle.cross_entropy),
        (functional.nll_loss, oracle.nll_loss),
        (smoothed, partial(oracle.cross_entropy, label_smoothing=smoothing)),
    ):
        found, expected = (torch.func.grad_and_value(loss)(scores, target) for loss in pair)
        torch.testing.assert_close(found, expected)
    right = [int(row.argmax()) == label for row, label in zip(scores, target, strict=True)]
    assert int(functional.correct(scores, target)) == sum(right)


REFUSED = """
ValueError: Dropout(-0.1); Dropout2d(1.1); GELU("erf")(IMAGE); GroupNorm(0, 2); GroupNorm(2, 3)
ValueError: AdaptiveAvgPool2d(2); AdaptiveAvgPool2d(1)(IMAGE[..., :0])
ValueError: ReplicationPad2d((1, 1, 2, 2)); Conv2d(1, 4, 3, padding="same")
ValueError: Conv2d(3, 4, 3, groups=0); Conv2d(3, 4, 3, groups=2); Conv2d(4, 3, 3, groups=2)
ValueError: BatchNorm2d(2, eps=0); BatchNorm2d(2, momentum=None)
ValueError: BatchNorm2d(4).eval()(IMAGE); BatchNorm2d(2).eval()(IMAGE[:, :, 0, 0])
RuntimeError: LayerNorm((1, 2, 5, 5, 5))(IMAGE); GroupNorm(3, 3, affine=False)(IMAGE)
RuntimeError: Conv2d(1, 4, 3, padding=-1)(IMAGE[:, :1]); MaxPool2d(2, padding=2)(IMAGE)
RuntimeError: AvgPool2d(2, padding=2)(IMAGE); AvgPool2d(2, padding=(0, 2))(IMAGE)
RuntimeError: AvgPool2d(2, padding=(0, -1))(IMAGE); AvgPool2d(2, padding=(-1, 0))(IMAGE)
RuntimeError: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0, 3]))
ValueError: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0]))
ValueError: functional.nll_loss(torch.zeros(2, 3), torch.tensor([0, 1, 2]))
ValueError: functional.nll_loss(torch.zeros(2), torch.tensor([0, 1]))
ValueError: functional.cross_entropy(IMAGE[0], torch.zeros(2, 5).long())
"""


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_bad_arguments(line):
    """Shapes that do not fit: test_every_small_shape."""
    error, _, calls = line.partition(": ")
    for call in calls.split("; "):
        with pytest.raises({"ValueError": ValueError, "RuntimeError": RuntimeError}[error]):
            eval(call, {**vars(nn), "IMAGE": IMAGE, "torch": torch})


def test_batch_norm_where_the_mean_dwarfs_the_deviation():
    drawn = torch.randn(8, 3, 6, 6, generator=generator(9, "images"))
    far = (drawn + 1000).requires_grad_()
    ours, theirs = nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    exact = torch.nn.BatchNorm2d(3).double()(far.double())
    ours_error, theirs_error = ((norm(far) - exact).abs().max() for norm in (ours, theirs))
    assert ours_error < 4 * theirs_error + 1e-4


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weights", [torch.float32, None])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_batch_norm_of_half_precision(dtype, weights, training):
    image, found = (3 + 2 * normal(4, 3, 5, 6)).to(dtype), []
    for library in nn, torch.nn:
        layer = library.BatchNorm2d(3).to(weights or dtype).train(training)
        found.append((*outcome(layer, image)[:2], layer.running_mean, layer.running_var))
    torch.testing.assert_close(*found, rtol=0.02, atol=5e-3)  # dtypes, too
    plain = functional.batch_norm(image, *map(torch.clone, found[1][2:]), layer.weight, layer.bias)
    torch.testing.assert_close(plain, layer.eval()(image), rtol=0.02, atol=5e-3)


@pytest.mark.parametrize("training", [True, False])
def test_autocast(training):
    def build(nn):
        head = nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
        return nn.Sequential(nn.Conv2d(1, 4, 3), *head)

    image, found = normal(6, 1, 8, 8).float(), []
    for net in built(build):
        with torch.autocast("cpu", torch.bfloat16):
            output = net.train(training)(image)
        gradients = torch.autograd.grad(output.float().square().sum(), [*net.parameters()])
        found.append([output, *gradients, *dict(net.named_buffers()).values()])
    torch.testing.assert_close(*found, rtol=0.03, atol=0.03)


PROGRAM = """
import torch
from tinytrain import nn
torch.set_num_threads(1)
for channels in 2, 3:
    layer = nn.Conv2d(channels, 4, 1, stride=2, bias=False)
    for _ in range(100):
        x = torch.randn(3, channels, 6, 6).contiguous(memory_format=torch.channels_last)
        torch.autograd.grad(layer(x).square().sum(), layer.weight)
"""


def test_a_strided_1_by_1_convolution_does_not_corrupt_the_heap():
    """As its gradient does in torch 2.13 on some CPUs; in a process that may die of it."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_bias_without_inputs_is_zero_as_torchs():
    assert not nn.Linear(0, 3).bias.any()


@pytest.mark.parametrize("padding", [(1, 0), (0, 1), 1])
def test_a_padded_strided_1x1_convolution(padding):
    images, weight = normal(2, 3, 5, 5), normal(4, 3, 1, 1)
    found = functional.conv2d(images, weight, stride=2, padding=padding)
    torch.testing.assert_close(found, oracle.conv2d(images, weight, stride=2, padding=padding))
