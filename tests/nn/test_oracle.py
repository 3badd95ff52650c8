"""Small shapes of every kind, and the cases that torch tests itself with.

`torch.testing._internal` has, for each of torch's layers, the arguments and inputs that its own
tests take, and those that it must refuse. Ours meet them all: they give what torch gives, or
refuse by name. `OPTIONS` says what is refused that torch takes; an entry that is no longer refused
fails here.
"""

import itertools
from inspect import isclass, signature
from unittest import mock

import pytest
import torch
from against_torch import agree, built

from tinytrain import nn

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
}
"""Arguments of which torch's cases have values that are refused, and what is taken, or why."""

UNTRIED = {"Dropout", "Dropout2d", "Flatten", "Identity", "Module", "Sequential"}
"""The layers of which torch has no cases."""
TRIED = sorted({name for name in nn.__all__ if isclass(getattr(nn, name))} - UNTRIED)

STRICTER = {
    "AdaptiveAvgPool2d": "a mean over axes that are not those of an image",
    "BatchNorm2d": "statistics of no images",
    "Dropout2d": "channels of anything but images; torch warns",
}
"""What is refused that torch takes, although the arguments are the same."""

SHAPED = """
Linear(2, 3); Conv2d(1, 2, 2, padding=1); Conv2d(1, 2, (3, 2), padding=(3, 0))
Conv2d(2, 2, 2, padding=2); AvgPool2d(2); AvgPool2d(2, stride=1, padding=1)
AvgPool2d((1, 3), stride=3); MaxPool2d(2, padding=1); AdaptiveAvgPool2d(1); ReplicationPad2d(1)
BatchNorm2d(2); GroupNorm(1, 1); GroupNorm(2, 2); LayerNorm(2); LayerNorm((2, 2)); Dropout2d()
Flatten(); LogSoftmax(1)
"""


def shape_or_none(layer, input):
    """The shape that `layer` gives, or None where it refuses."""
    try:
        return tuple(layer(input).shape)
    except (IndexError, *REFUSAL):
        return None


@pytest.mark.filterwarnings("ignore:dropout2d")
@pytest.mark.parametrize("text", SHAPED.replace("\n", ";").split(";")[1:-1])
def test_every_small_shape(text):
    """Ours refuses what torch refuses, gives the shape that torch gives, or is listed."""
    ours, theirs = built(lambda nn: eval(f"nn.{text.strip()}", {"nn": nn}))
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
    """torch's own cases by layer, {"Conv2d": …}. They take seconds to import."""
    try:
        # The import forbids to set flags of torch.backends, in all tests after this one.
        with mock.patch("torch.backends.disable_global_flags"):
            from torch.testing._internal.common_modules import module_db
    except (ImportError, AttributeError) as error:
        pytest.skip(f"torch {torch.__version__} has its own cases elsewhere: {error}")
    return {info.name.removeprefix("nn."): info for info in module_db}


def require_listed(kind, refused):
    """Every refused case (arguments, options) has an option that `OPTIONS` lists for it, and every
    listed one that this torch has is refused."""
    parameters, given = signature(kind).parameters, []
    for arguments, options in refused:
        found = signature(kind).bind(*arguments, **options).arguments
        given.append({name for name in found if found[name] is not parameters[name].default})
    listed = {*OPTIONS.get(kind.__name__, ())} & {*parameters}
    assert all(listed & names for names in given), refused
    assert listed <= set().union(*given)


def cases(info, function):
    settings = {"device": "cpu", "dtype": torch.float64, "requires_grad": False}
    return [case for mode in (True, False) for case in function(info, training=mode, **settings)]


@pytest.mark.long
@pytest.mark.parametrize("name", TRIED)
def test_layers_on_torchs_cases(torchs, name):
    info, refused = torchs[name], []
    for case in cases(info, info.module_inputs_func):
        arguments, given = case.constructor_input, case.forward_input
        (input,) = [*given.args, *given.kwargs.values()]

        def build(library, arguments=arguments):
            return getattr(library, name)(*arguments.args, **arguments.kwargs)

        try:
            build(nn)(input.float())
        except REFUSAL:
            refused.append((arguments.args, arguments.kwargs))
        else:
            agree(build, input)
    require_listed(getattr(torch.nn, name), refused)
    for mistake in cases(info, info.module_error_inputs_func or (lambda *_, **__: [])):
        case = mistake.module_error_input
        arguments, given = case.constructor_input, case.forward_input
        with pytest.raises(REFUSAL):
            layer = getattr(nn, name)(*arguments.args, **arguments.kwargs)
            if given is not None:
                layer(*given.args)
