"""The cases that torch tests itself with, and finite differences: neither was made for us.

`torch.testing._internal` has, for each of torch's layers and optimizers, the arguments and inputs
that its own tests take, and those that it must refuse. Ours meet them all: they give what torch
gives, or refuse by name. `OPTIONS` says what is refused that torch takes; an entry that is no
longer refused fails here. `gradcheck` compares the gradients of every function and layer with
finite differences of its values, and `gradgradcheck` the gradients of its gradients.
"""

from __future__ import annotations

import itertools
from functools import partial
from inspect import isfunction, signature
from types import SimpleNamespace

import pytest
import torch
from against_torch import LAYERS, SHOWN, agree, built, normal, parameters, same_path

from tinytrain import nn, optim
from tinytrain.nn import fast, functional
from tinytrain.streams import generator

REFUSAL = (TypeError, ValueError, RuntimeError)

OPTIONS = {
    "AdaptiveAvgPool2d": {"output_size": "1 only: nets here end in a global average"},
    "AvgPool2d": {"divisor_override": "a mean is divided by what it is the mean of"},
    "BatchNorm2d": {
        "momentum": "a number: without one, torch's mean over all batches never forgets",
        "affine": "always: nets here learn scale and shift",
        "track_running_stats": "always: evaluation is to see one image at a time",
        "bias": "always: nets here learn scale and shift",
    },
    "Conv2d": {"padding": "a number or two: 'same' is one of them"},
    "MaxPool2d": {"return_indices": "nothing here pools back"},
    "ReplicationPad2d": {"padding": "one number: images here are padded alike on all sides"},
    "SGD": {
        "lr": "a number: the loop sets it before every step",
        "maximize": "minus the loss says that",
    },
    "Adam": {"maximize": "minus the loss says that", "amsgrad": "no recipe here asks for it"},
    "AdamW": {"maximize": "minus the loss says that", "amsgrad": "no recipe here asks for it"},
}
"""Arguments of which torch's cases have values that are refused, and what is taken, or why."""

UNTRIED = {"Dropout", "Dropout2d", "Flatten", "Identity", "Sequential"}
"""The layers of which torch has no cases; `test_layers` compares them with torch's."""

STRICTER = {
    "AdaptiveAvgPool2d": "a mean over axes that are not those of an image",
    "BatchNorm2d": "statistics of no images",
    "Dropout2d": "channels of anything but images; torch warns",
}
"""What is refused that torch takes, although the arguments are the same."""


def image(*shape, seed=0):
    return normal(*shape, seed=seed).requires_grad_()


def batch_norm(library, training, layout=torch.contiguous_format):
    """Batch norm as a function of what is learned, and of images in a memory layout."""

    def function(input, weight, bias):
        running = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        input = input.contiguous(memory_format=layout)
        return library.batch_norm(input, *running, weight, bias, training)

    return function, image(3, 2, 2, 3), image(2, seed=1), image(2, seed=2)


def convolution(library, channels, groups=1, **options):
    weight = image(2 * groups, channels // groups, 2, 3, seed=1)
    function = partial(library.conv2d, groups=groups, **options)
    return function, image(2, channels, 4, 5), weight, image(2 * groups, seed=2)


def unshared(function, **options):
    """`function` on a copy, which it may overwrite."""
    return lambda input: function(1 * input, **options)


def seeded(function, **options):
    """`function`, which draws the same numbers every time."""
    return lambda input: function(1 * input, generator=generator(0, "test"), **options)


TARGET = torch.tensor([1, 0, 3])

FUNCTIONS = {
    "linear": [(functional.linear, image(2, 3), image(4, 3, seed=1), image(4, seed=2))],
    "conv2d": [
        convolution(library, channels, groups, **options)
        for library in (functional, fast)
        for channels, groups in ((1, 1), (3, 1), (4, 2))
        for options in ({}, {"stride": 2, "padding": (1, 2), "dilation": (2, 1)})
    ],
    "batch_norm": [
        batch_norm(library, training, layout)
        for library in (functional, fast)
        for training in (True, False)
        for layout in (torch.contiguous_format, torch.channels_last)
    ],
    "relu": [(unshared(functional.relu, inplace=way), image(9)) for way in (False, True)],
    "gelu": [(partial(functional.gelu, approximate=way), image(9)) for way in ("none", "tanh")],
    "silu": [(unshared(functional.silu, inplace=way), image(9)) for way in (False, True)],
    "dropout": [(seeded(functional.dropout, inplace=way), image(9)) for way in (False, True)],
    "dropout2d": [
        (seeded(functional.dropout2d, inplace=way), image(3, 4, 2, 2)) for way in (False, True)
    ],
    "replication_pad2d": [(partial(functional.replication_pad2d, padding=2), image(2, 1, 2, 3))],
    "max_pool2d": [
        (partial(functional.max_pool2d, kernel_size=(2, 3)), image(2, 2, 5, 6)),
        (partial(functional.max_pool2d, kernel_size=2, stride=1, padding=1), image(2, 3, 4)),
    ],
    "avg_pool2d": [
        (partial(functional.avg_pool2d, kernel_size=(2, 3)), image(2, 2, 5, 6)),
        (partial(functional.avg_pool2d, kernel_size=2, stride=1, padding=1), image(2, 3, 4)),
    ],
    "adaptive_avg_pool2d": [(functional.adaptive_avg_pool2d, image(2, 3, 2, 3))],
    "log_softmax": [(functional.log_softmax, image(3, 4))],
    "nll_loss": [(partial(functional.nll_loss, target=TARGET), image(3, 4))],
    "cross_entropy": [(partial(functional.cross_entropy, target=TARGET), image(3, 4))],
}

# What has no gradient of its own: a count, checks and sizes, and the parts of fast batch norm,
# which stand between its gradient and autograd.
PARTS = {"correct", "pair", "values_a_channel", "require_images", "in_float32"}
PARTS |= {"as_rows", "repeated", "channel_mean_and_variance", "plain_gradients"}


def test_every_function_is_checked():
    own = {
        name
        for library in (functional, fast)
        for name, value in vars(library).items()
        if isfunction(value) and value.__module__ == library.__name__
    }
    assert own == set(FUNCTIONS) | PARTS and not set(FUNCTIONS) & PARTS


def check_gradients(function, *inputs):
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_functions(name):
    for function, *inputs in FUNCTIONS[name]:
        check_gradients(function, *inputs)


def fitting(layer):
    """Images that `layer` takes: of one channel, of four, or of eight."""
    for shape in (2, 4, 4, 3), (2, 1, 4, 3), (2, 8, 2, 2):
        try:
            layer(normal(*shape))
        except REFUSAL:
            continue
        return image(*shape)


@pytest.mark.parametrize("build", SHOWN, ids=lambda build: repr(build(torch.nn)))
def test_gradients_of_layers(build):
    """In training; in evaluation only batch norm computes something else, and is checked above."""
    with torch.random.fork_rng():
        layer = build(nn).to(torch.float64)

    def function(input, *parameters):
        layer.set_generator(generator(0, "test"))
        return layer(1 * input)

    check_gradients(function, fitting(layer), *layer.parameters())


def penalty_gradients(layer, input):
    """The gradients of a loss that is made of gradients, as a gradient penalty is."""
    torch.manual_seed(1)
    inputs = [input, *layer.parameters()]
    output = layer(1 * input)
    first = torch.autograd.grad(output, inputs, normal(*output.shape), create_graph=True)
    penalty = sum((one * normal(*one.shape, seed=2)).square().sum() for one in [output, *first])
    return torch.autograd.grad(penalty, inputs)


@pytest.mark.filterwarnings("ignore:Implicit dimension")
@pytest.mark.parametrize("build", SHOWN, ids=lambda build: repr(build(torch.nn)))
def test_a_gradient_penalty_is_torchs(build):
    ours, theirs = (layer.to(torch.float64) for layer in built(build))
    ours.load_state_dict(theirs.state_dict())
    images = fitting(ours)
    with torch.random.fork_rng():
        found, expected = (penalty_gradients(layer, images) for layer in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


SHAPED = [
    lambda nn: nn.Linear(2, 3),
    lambda nn: nn.Conv2d(1, 2, 2, padding=1),
    lambda nn: nn.Conv2d(1, 2, (3, 2), padding=(3, 0)),
    lambda nn: nn.Conv2d(2, 2, 2, padding=2),
    lambda nn: nn.AvgPool2d(2),
    lambda nn: nn.AvgPool2d(2, stride=1, padding=1),
    lambda nn: nn.AvgPool2d((1, 3), stride=3),
    lambda nn: nn.MaxPool2d(2, padding=1),
    lambda nn: nn.AdaptiveAvgPool2d(1),
    lambda nn: nn.ReplicationPad2d(1),
    lambda nn: nn.BatchNorm2d(2),
    lambda nn: nn.GroupNorm(1, 1),
    lambda nn: nn.GroupNorm(2, 2),
    lambda nn: nn.LayerNorm(2),
    lambda nn: nn.LayerNorm((2, 2)),
    lambda nn: nn.Dropout2d(),
    lambda nn: nn.Flatten(),
    lambda nn: nn.LogSoftmax(1),
]


def shape_or_none(layer, input):
    """The shape that `layer` gives, or None where it refuses."""
    try:
        return tuple(layer(input).shape)
    except (IndexError, *REFUSAL):
        return None


@pytest.mark.filterwarnings("ignore:dropout2d")
@pytest.mark.parametrize("build", SHAPED, ids=lambda build: repr(build(torch.nn)))
def test_every_small_shape(build):
    """Ours refuses what torch refuses, gives the shape that torch gives, or is listed."""
    ours, theirs = built(build)
    sizes = [size for axes in range(5) for size in itertools.product(range(4), repeat=axes)]
    stricter = []
    for size in [*sizes, *itertools.product((1, 2), repeat=5)]:
        found, expected = (shape_or_none(layer, torch.zeros(size)) for layer in (ours, theirs))
        if found != expected:
            assert found is None, (size, found, expected)
            stricter.append(size)
    assert bool(stricter) == (type(ours).__name__ in STRICTER)


@pytest.fixture(scope="module")
def torchs():
    """torch's own cases, by name: {"Conv2d": …} and {"SGD": …}. They take seconds to import."""
    try:
        from torch.testing._internal import common_modules, common_optimizers

        layers = {info.name.removeprefix("nn."): info for info in common_modules.module_db}
        optimizers = {info.optim_cls.__name__: info for info in common_optimizers.optim_db}
    except (ImportError, AttributeError) as error:
        pytest.skip(f"torch {torch.__version__} has its own cases elsewhere: {error}")
    return SimpleNamespace(layers=layers, optimizers=optimizers)


def options_of(kind, case):
    """The arguments of a case that are not torch's defaults, by name."""
    found = signature(kind).bind(*case.args, **case.kwargs).arguments
    return {
        name: value
        for name, value in found.items()
        if name != "params" and value is not signature(kind).parameters[name].default
    }


def require_listed(kind, refused):
    """Every refused case has a listed option, and every listed one that torch has is refused."""
    listed = set(OPTIONS.get(kind.__name__, {})) & set(signature(kind).parameters)
    assert all(listed & set(options) for options in refused), refused
    assert listed <= {option for options in refused for option in options}


def module_inputs(info, function):
    settings = {"device": "cpu", "dtype": torch.float64, "requires_grad": False}
    return [case for mode in (True, False) for case in function(info, training=mode, **settings)]


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LAYERS - UNTRIED))
def test_layers_on_torchs_cases(torchs, name):
    """Values, gradients of input and parameters, and state, in training and evaluation."""
    info, refused = torchs.layers[name], []
    for case in module_inputs(info, info.module_inputs_func):
        arguments, given = case.constructor_input, case.forward_input
        (input,) = [*given.args, *given.kwargs.values()]

        def build(library, arguments=arguments):
            return getattr(library, name)(*arguments.args, **arguments.kwargs)

        try:
            build(nn)(input.float())
        except REFUSAL:
            refused.append(options_of(getattr(torch.nn, name), arguments))
        else:
            agree(build, input)
    require_listed(getattr(torch.nn, name), refused)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LAYERS - UNTRIED))
def test_layers_on_torchs_mistakes(torchs, name):
    info = torchs.layers[name]
    for mistake in module_inputs(info, info.module_error_inputs_func or (lambda *_, **__: [])):
        case = mistake.module_error_input
        arguments, given = case.constructor_input, case.forward_input
        with pytest.raises(REFUSAL):
            layer = getattr(nn, name)(*arguments.args, **arguments.kwargs)
            if given is not None:
                layer(*given.args)


@pytest.mark.long
def test_the_layers_of_which_torch_has_no_cases(torchs):
    assert LAYERS - set(torchs.layers) == UNTRIED


LOSSES = {"NLLLoss": functional.nll_loss, "CrossEntropyLoss": functional.cross_entropy}


@pytest.mark.long
@pytest.mark.parametrize("name", LOSSES)
def test_losses_on_torchs_cases(torchs, name):
    """Those without options. Scores other than (N, classes) are refused, and soft labels."""
    info, met = torchs.layers[name], 0
    for case in module_inputs(info, info.module_inputs_func):
        (scores, target), options = case.forward_input.args, case.constructor_input.kwargs
        if {**options, "reduction": options.get("reduction", "mean")} != {"reduction": "mean"}:
            continue
        if scores.dim() == 2 and target.dtype == torch.int64:
            oracle = getattr(torch.nn, name)()
            found, expected = (
                torch.func.grad_and_value(function)(scores, target)
                for function in (LOSSES[name], oracle)
            )
            torch.testing.assert_close(found, expected)
            met += 1
        else:
            with pytest.raises(REFUSAL):
                LOSSES[name](scores, target)
    assert met


OPTIMIZERS = {
    "SGD": optim.SGD,
    "Adam": optim.Adam,
    "AdamW": partial(optim.Adam, weight_decay=0.01, decoupled_weight_decay=True),
}


@pytest.mark.long
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_on_torchs_cases(torchs, name):
    ours, theirs, refused = OPTIMIZERS[name], getattr(torch.optim, name), []
    for case in torchs.optimizers[name].optim_inputs_func(device="cpu"):
        try:
            ours(parameters(0), **case.kwargs)
        except REFUSAL:
            refused.append(case.kwargs)
        else:
            same_path(partial(ours, **case.kwargs), partial(theirs, **case.kwargs), seed=0)
    require_listed(theirs, refused)


@pytest.mark.long
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_on_torchs_mistakes(torchs, name):
    settings = {"device": "cpu", "dtype": torch.float64}
    for mistake in torchs.optimizers[name].optim_error_inputs_func(**settings):
        case = mistake.optimizer_error_input
        with pytest.raises(REFUSAL):
            OPTIMIZERS[name](parameters(0) if case.params is None else case.params, **case.kwargs)
