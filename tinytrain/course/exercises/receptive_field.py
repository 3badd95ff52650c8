"""The receptive field of every layer.

A digit is 20 pixels long. A net whose last map sees 18 of them has to guess the rest, however
many weights it has. What each place of a map sees is known before anything is trained.

1. Start with the image itself: Field('input', image_size, jump 1, start 0.0, field 1).
   `passed(net, sliding(net, image_size, axis))` gives each layer that looks at more than its own
   place, as (name, layer, input, output); `window_by_rule(layer, axis)` gives its (kernel,
   stride, padding) along that axis.
2. field grows by (kernel − 1) · jump, with the jump before the layer. `start` is the centre of
   what the first place sees; it becomes start + ((kernel − 1) / 2 − padding) · jump. Then jump is
   multiplied by the stride. The size is output.shape[2 + axis].
3. Where window_by_rule gives None, measured_window(input, output, axis) finds the window, and the
   Field and all after it are `measured`. A measured (1, 1, 0) is no window and has no Field; None
   ends the list.
"""

from typing import Any

from torch import Tensor

from tinytrain import nets, nn
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Exercise, Facts
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.nn import receptive_field as fields
from tinytrain.results.variations import RECIPES


class Doubled(nn.Module):
    """A layer without a rule; each place sees itself only."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * input


class Upended(nn.Module):
    """A layer without a rule; no sliding window describes it."""

    def forward(self, input: Tensor) -> Tensor:
        return input.flip(2, 3)


class Wrapped(nn.Module):
    """A layer without a rule whose window can be measured."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.layer(input)
        return output


def draw_layers(draw: Draw, *others: nn.Module) -> nn.Sequential:
    """One to three layers for images of one channel, some of them wrapped or among `others`."""
    layers: list[nn.Module] = []
    for _ in range(draw.integer(1, 3)):
        kernel, stride, padding, dilation = (
            (draw.integer(low, high), draw.integer(low, high))
            for low, high in ((1, 3), (1, 2), (0, 1), (1, 2))
        )
        conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation, generator=draw.generator)
        kinds = conv, conv, nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(kernel, stride)
        wrapped = [Wrapped(conv)] * 3 if others else []
        layers.append(draw.one_of(*kinds, *wrapped, *others))
    return nn.Sequential(*layers)


def draw_arguments(draw: Draw) -> Arguments:
    """A net, and an image that is large enough for it, or far too small."""
    net = draw_layers(draw, Doubled(), Upended())
    size = draw.one_of(*[draw.integer(32, 40)] * 4, draw.integer(1, 3))
    return {"net": net, "image_size": size, "axis": draw.integer(0, 1)}


def observe(function: Any, arguments: Arguments) -> Facts:
    """The fields; or, for an image that may be too small, that ValueError is raised."""
    try:
        return {"the list": function(**arguments)}
    except ValueError:
        if arguments["image_size"] > 3:
            raise
        return {"the list": "ValueError"}


def demonstrate() -> Rows:
    """Fields, jumps, starts and sizes of the final net's layers."""
    found = fields.receptive_field(nets.build(RECIPES["final"].net))
    names = "field", "jump", "start", "size"
    return {name: [float(getattr(field, name)) for field in found] for name in names}


EXERCISE = Exercise(
    name="receptive-field",
    text=__doc__,
    shipped=fields.receptive_field,
    draw_arguments=draw_arguments,
    observe=observe,
    demonstrate=demonstrate,
    rungs=("net9_3", "wide"),
    mistakes={
        "the jump of the layer itself": (
            "field = last.field + (kernel - 1) * last.jump",
            "field = last.field + (kernel - 1) * last.jump * stride",
        ),
        "the padding is forgotten": ("((kernel - 1) / 2 - padding)", "((kernel - 1) / 2)"),
        "strides are added": ("last.jump * stride, start", "last.jump + stride - 1, start"),
        "kernels are added": ("(kernel - 1) * last.jump\n", "kernel * last.jump\n"),
        "always along the height": (
            'fields = [Field("input"',
            'axis = 0; fields = [Field("input"',
        ),
        "the rule of another axis": ("window_by_rule(layer, axis)", "window_by_rule(layer, 0)"),
        "measured is not carried on": ("last.measured or not rule", "not rule"),
        "a place alone is a window": ("if rule or window != (1, 1, 0)", "if True"),
        "goes on where no window was found": ("            break", "            continue"),
        "an image that does not fit is made larger": (
            "sliding(net, image_size, axis)",
            "sliding(net, max(image_size, 4), axis)",
        ),
    },
)
