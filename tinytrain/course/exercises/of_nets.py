"""Exercises on a net as a whole: what it gives, what it sees, and how much it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from tinytrain import nets, nn
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, Rows
from tinytrain.nn import inspect
from tinytrain.nn import receptive_field as fields
from tinytrain.recipes import RECIPES


class Doubled(nn.Module):
    """A layer of no known type, which looks at its own place only."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * input


class Upended(nn.Module):
    """A layer whose places look the other way round, as no window does."""

    def forward(self, input: Tensor) -> Tensor:
        return input.flip(2, 3)


class Wrapped(nn.Module):
    """A layer of no known type, whose window can be measured."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layer(input)
        return output


def layers(draw: Draw, *others: nn.Module) -> nn.Sequential:
    """One to three layers for images of one channel, some of them among `others`."""
    made: list[nn.Module] = []
    for _ in range(draw.integer(1, 3)):
        kernel, stride, padding, dilation = (
            (draw.integer(low, high), draw.integer(low, high))
            for low, high in ((1, 3), (1, 2), (0, 1), (1, 2))
        )
        conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation, generator=draw.generator)
        kinds = conv, conv, nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(kernel, stride)
        wrapped = [Wrapped(conv)] * 3 if others else []
        made.append(draw.one_of(*kinds, *wrapped, *others))
    return nn.Sequential(*made)


def net_and_shape(draw: Draw) -> dict[str, Any]:
    """A net with batch norm, and the shape of an image."""
    net = nn.Sequential(*layers(draw), nn.BatchNorm2d(1))
    return {"net": net, "input_shape": (1, draw.integer(40, 50), draw.integer(51, 60))}


def looked_at(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """The shape, and what became of the net."""
    net = arguments["net"]
    shape = function(**arguments)
    counted = int(net.state_dict()[f"{len(net) - 1}.num_batches_tracked"])
    return {
        "the shape": tuple(shape),
        "batches that the net's batch norm has seen": counted,
        "modules of the net in training": sum(module.training for module in net.modules()),
    }


def sizes() -> Rows:
    """The maps of the final net after each of its stages."""
    net = nets.build(RECIPES["final"].net)
    assert isinstance(net, nn.Sequential)
    shapes = [inspect.output_shape(net[:end]) for end in range(1, 6)]
    return {
        name: [float(shape[axis]) for shape in shapes]
        for axis, name in enumerate(("channels", "height", "width"))
    }


OUTPUT_SIZE = Exercise(
    name="output-size",
    title="The output size of a convolution, and of a net",
    shipped=inspect.output_shape,
    why="How large a map is after a kernel, a stride, a padding and a dilation decides what can "
    "follow it. The formula is short; but what a layer does is seen best by letting it run, "
    "without touching the net that is looked at.",
    hints=(
        "A side becomes (side + 2 padding − dilation · (kernel − 1) − 1) // stride + 1. You may "
        "go through the layers and work it out, or let a blank image, torch.zeros(1, "
        "*input_shape), go through the net.",
        "A net that runs in training changes: batch norm counts batches. Run a copy "
        "(copy.deepcopy), in the mode that you are asked for: .train(training).",
        "with torch.no_grad(): tuple(twin(blank).shape[1:]). The batch axis is no part of it.",
    ),
    arguments=net_and_shape,
    facts=looked_at,
    engine=sizes,
    withheld=("all_rows",),
    by_hand="""\
twin = copy.deepcopy(net).train(training)
with torch.no_grad():
    return tuple(twin(torch.zeros(1, *input_shape)).shape[1:])
""",
    rungs=("net6",),
    mistakes={
        "the net itself runs": ("copy.deepcopy(net).train(training)", "net"),
        "the net is switched": ("copy.deepcopy(net).train(training)", "net.eval()"),
        "with the batch axis": (".shape[1:]", ".shape"),
        "height and width exchanged": ("*input_shape)", "*input_shape).mT"),
        "the input's shape": (
            "twin(torch.zeros(1, *input_shape))",
            "torch.zeros(1, *input_shape)",
        ),
    },
)


def module_to_count(draw: Draw) -> dict[str, Any]:
    """A net, sometimes with a layer that it uses twice."""
    width = draw.integer(1, 3)
    options = {"bias": draw.one_of(True, False), "generator": draw.generator}
    conv = nn.Conv2d(width, width, draw.integer(1, 3), **options)
    more = draw.one_of([], [conv], [nn.Linear(draw.integer(1, 3), 2, generator=draw.generator)])
    return {"module": nn.Sequential(conv, nn.BatchNorm2d(width), *more)}


def counts() -> Rows:
    """The parameters of the curriculum's nets."""
    names = ("net6", "net7", "net9", "net9_3")
    return {name: [float(inspect.parameter_count(nets.build(name)))] for name in names}


PARAMETERS = Exercise(
    name="parameters",
    title="The parameters of Net9_3",
    shipped=inspect.parameter_count,
    why="Fewer than 8,000 parameters is one of the target's three conditions, so they had better "
    "be counted right: numbers, not tensors; what is learned, not what is kept besides; and what "
    "is used twice once.",
    hints=(
        "module.parameters() gives every parameter of the module and of all below it, each once.",
        "tensor.numel() is how many numbers a tensor has.",
        "Buffers, as batch norm's running mean, are in state_dict() but are not learned: "
        "parameters() leaves them out.",
    ),
    arguments=module_to_count,
    engine=counts,
    rungs=("net6", "net9_3"),
    mistakes={
        "buffers, too": ("module.parameters()", "module.state_dict().values()"),
        "tensors, not numbers": ("parameter.numel()", "1"),
        "the first axis only": ("parameter.numel()", "len(parameter)"),
        "without biases": (
            "for parameter in module.parameters()",
            "for parameter in module.parameters() if parameter.dim() > 1",
        ),
    },
)


def net_and_size(draw: Draw) -> dict[str, Any]:
    """A net, and an image that is large enough for it, or far too small."""
    net = layers(draw, Doubled(), Upended())
    size = draw.one_of(*[draw.integer(32, 40)] * 4, draw.integer(1, 3))
    return {"net": net, "image_size": size, "axis": draw.integer(0, 1)}


def fields_seen(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """The fields; or, of an image that may be too small, that it raises ValueError."""
    try:
        return {"the list": function(**arguments)}
    except ValueError:
        if arguments["image_size"] > 3:
            raise
        return {"the list": "ValueError"}


def views() -> Rows:
    """What the places of each layer of the final net see."""
    found = fields.receptive_field(nets.build(RECIPES["final"].net))
    return {
        "field": [float(one.field) for one in found],
        "jump": [float(one.jump) for one in found],
        "start": [float(one.start) for one in found],
        "size": [float(one.size) for one in found],
    }


RECEPTIVE_FIELD = Exercise(
    name="receptive-field",
    title="The receptive field of every layer",
    shipped=fields.receptive_field,
    why="A digit is 20 pixels long; a net whose last map sees 18 of them has to guess what the "
    "whole looks like, however many weights it has. What a place sees can be said before anything "
    "is trained.",
    hints=(
        "Start with the image itself: Field('input', image_size, jump 1, start 0.0, field 1). "
        "`passed(net, sliding(net, image_size, axis))` gives each layer that looks at more than "
        "its own place, as (name, layer, input, output); `window_by_rule(layer, axis)` gives its "
        "(kernel, stride, padding) along that axis.",
        "field grows by (kernel − 1) · jump, with the jump before the layer. `start` is the "
        "centre of what the first place sees; it becomes start + ((kernel − 1) / 2 − padding) · "
        "jump. Then jump is multiplied by the stride. The size is output.shape[2 + axis].",
        "Where window_by_rule gives None, measured_window(input, output, axis) finds the window, "
        "and the Field and all after it are `measured`; a measured (1, 1, 0) is no window and "
        "has no Field, and None ends the list.",
    ),
    arguments=net_and_size,
    facts=fields_seen,
    engine=views,
    rungs=("net9_3", "wide"),
    mistakes={
        "the jump comes too late": (
            "field = last.field + (kernel - 1) * last.jump",
            "field = last.field + (kernel - 1) * last.jump * stride",
        ),
        "padding is forgotten": ("((kernel - 1) / 2 - padding)", "((kernel - 1) / 2)"),
        "strides add": ("last.jump * stride, start", "last.jump + stride - 1, start"),
        "the field adds kernels": ("(kernel - 1) * last.jump\n", "kernel * last.jump\n"),
        "always along the height": (
            'fields = [Field("input"',
            'axis = 0; fields = [Field("input"',
        ),
        "the rule of another axis": ("window_by_rule(layer, axis)", "window_by_rule(layer, 0)"),
        "measured is not carried on": ("last.measured or not rule", "not rule"),
        "its own place is a window": ("if rule or window != (1, 1, 0)", "if True"),
        "goes on behind what no window describes": ("            break", "            continue"),
        "an image that does not fit is made larger": (
            "sliding(net, image_size, axis)",
            "sliding(net, max(image_size, 4), axis)",
        ),
    },
)
