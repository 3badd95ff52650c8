"""The command `summary`: a net's layers, shapes, parameters and receptive fields."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, shape
from tinytrain.errors import UsageError
from tinytrain.results.variations import RECIPES

if TYPE_CHECKING:
    from tinytrain.nn import Module

HELP = "Print a net's layers, output shapes, parameters and receptive fields."


def add_flags(parser: Parser) -> None:
    """The flags of `summary`."""
    final = RECIPES["final"].net
    named = "the net, or FILE.py:FUNCTION (default: %(default)s)"
    parser.add_argument("--net", default=final, help=named)
    images = "the shape of its images, CHANNELSxHEIGHTxWIDTH (default: 1x28x28)"
    parser.add_argument("--shape", type=shape, default=(1, 28, 28), help=images)


def run(options: argparse.Namespace) -> None:
    """Print a net's table, its parameters and the receptive fields of its layers."""
    from tinytrain.runs import net_file
    from tinytrain.train import log

    net = net_file.build(options.net)
    try:
        log.print_net(net, options.shape)
    except ValueError as error:
        advice = "give the shape of its images with --shape, such as 3x40x24"
        raise UsageError(f"--net {options.net}: {error}; {advice}") from error
    if options.shape[1] == options.shape[2]:
        print_fields(net, options.shape[1])
    else:
        print("\nReceptive fields are worked out for square images only.")


def print_fields(net: Module, side: int) -> None:
    """Print the receptive fields of a net's layers, for square images."""
    from tinytrain.nn.receptive_field import measured_field, receptive_field

    print("\nReceptive fields, in pixels; that of the middle place by formula and by gradient:")
    line = "{:<12}{:>6}{:>6}{:>7}{:>7}{:>12}{:>12}".format
    print(line("layer", "size", "jump", "start", "field", "formula", "measured"))
    image, *fields = receptive_field(net, side)
    for field in fields:
        middle = field.size // 2
        formula = field.span(middle, image.size)
        measured = measured_field(net, field.name, middle, image.size)
        spans = ("{} to {}".format(*span) for span in (formula, measured))
        size = f"~{field.field}" if field.measured else field.field
        print(line(field.name, field.size, field.jump, f"{field.start:g}", size, *spans))
    if any(field.measured for field in fields):
        print("~ includes a layer that has no formula: its window was measured")
