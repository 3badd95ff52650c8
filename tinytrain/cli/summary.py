"""The command `summary`: a net's layers, shapes, parameters and receptive fields."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, positive, shape
from tinytrain.errors import UsageError
from tinytrain.recipes import RECIPES

if TYPE_CHECKING:
    from tinytrain.nn import Module

HELP = "Print a net's layers, output shapes, parameters and receptive fields."


def add_flags(parser: Parser) -> None:
    """The flags of `summary`."""
    final = RECIPES["final"].net
    named = "the net, or FILE.py:FUNCTION (default: %(default)s)"
    parser.add_argument("--net", default=final, help=named)
    images = "the shape of its images, CHANNELSxHEIGHTxWIDTH (default: 1x28x28)"
    parser.add_argument("--shape", type=shape, help=images)
    classes = "the classes that it tells apart (default: 10)"
    parser.add_argument("--classes", type=positive, metavar="N", help=classes)


def run(options: argparse.Namespace) -> None:
    """Print a net's table, its parameters and the receptive fields of its layers."""
    from tinytrain.nets import MNIST, Task
    from tinytrain.report import log
    from tinytrain.runs import user_file

    task = Task(options.classes or MNIST.classes, options.shape or MNIST.shape)
    net = user_file.build(options.net, task=task if options.classes or options.shape else None)
    try:
        log.print_net(net, task.shape)
    except ValueError as error:
        advice = "give the shape of its images with --shape, such as 3x40x24"
        raise UsageError(f"--net {options.net}: {error}; {advice}") from error
    print_fields(net, task.shape)


def print_fields(net: Module, shape: tuple[int, ...]) -> None:
    """Print the receptive fields of a net's layers, along the height of images (C, H, W)."""
    from tinytrain.nn import Sequential
    from tinytrain.report.receptive_field import receptive_field, windows

    if type(net) is not Sequential:
        name = type(net).__name__
        print(
            f"\n{name} has a forward of its own: receptive fields are known of nn.Sequential only."
        )
        return
    print("\nReceptive fields, in pixels down the image, and what the middle place sees:")
    line = "{:<12}{:>6}{:>6}{:>7}{:>7}{:>12}".format
    print(line("layer", "size", "jump", "start", "field", "it sees"))
    image, *fields = receptive_field(net, shape)
    for field in fields:
        first, last = field.span(field.size // 2, image.size)
        seen = f"{first} to {last}"
        print(line(field.name, field.size, field.jump, f"{field.start:g}", field.field, seen))
    for row, window in windows(net, shape, axis=0):
        if window is None:
            kind = type(row.layer).__name__
            print(f"The window of {row.name} ({kind}) is not known: what follows is left out.")
            break
