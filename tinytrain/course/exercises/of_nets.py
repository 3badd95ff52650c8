"""Exercises on a net as a whole: what it gives, what it sees, and how many numbers it learns."""

from __future__ import annotations

from typing import Any

from tinytrain import nets, nn
from tinytrain.course import receptive_field as fields
from tinytrain.course.exercises.exercise import Draw, Exercise, Rows
from tinytrain.recipes import RECIPES


def layers(draw: Draw) -> nn.Sequential:
    """One to four layers for images of one channel."""
    made: list[nn.Module] = []
    for _ in range(draw.integer(1, 4)):
        kernel, padding = draw.integer(1, 3), draw.integer(0, 1)
        conv = nn.Conv2d(1, 1, kernel, draw.integer(1, 2), padding, draw.integer(1, 2))
        kinds = conv, nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(kernel, draw.integer(1, 2))
        made.append(draw.one_of(*kinds, conv))
    return nn.Sequential(*made)


def net_and_size(draw: Draw) -> dict[str, Any]:
    """A net, and an image that is large enough for it."""
    return {"net": layers(draw), "image_size": draw.integer(40, 60)}


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
        "its own place, with its input and output; `window_by_rule(layer, axis)` gives its "
        "(kernel, stride, padding), dilation included.",
        "field grows by (kernel − 1) · jump, with the jump before the layer. The first place "
        "looks at start + ((kernel − 1) / 2 − padding) · jump. Then jump is multiplied by the "
        "stride. The size is output.shape[2 + axis].",
        "Where window_by_rule gives None, measured_window(input, output, axis) finds the window, "
        "and the Field and all after it are `measured`; a measured (1, 1, 0) is no window and "
        "has no Field, and None ends the list.",
    ),
    arguments=net_and_size,
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
    },
)
