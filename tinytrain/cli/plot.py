"""The command `plot`: the curves of runs, or what a net makes of images."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinytrain.cli.options import (
    Parser,
    add_data_dir,
    add_path,
    natural,
)
from tinytrain.errors import UsageError

PICTURES = {
    "overview": "an image of each class that it gets right, and ten that it gets wrong",
    "mistakes": "the mistakes on test images that it is surest of, each with its number",
    "confusion": "how often it takes which class for which",
    "filters": "the kernels of its first convolution: red is positive, blue negative",
    "maps": "an image, and what the channels of each layer answer to it",
    "augmentation": "what the augmentation of its recipe makes of training images",
}


HELP = "\n".join(
    [
        "Draw the test accuracy of runs by epoch, or what a net makes of images: the net of a",
        "run, or the final net, which comes with tinytrain.",
        "",
        "  curves RUN …  the accuracy of each run by epoch; thin lines are the raw weights",
        *(f"  {name:<14}{text}" for name, text in PICTURES.items()),
    ]
)


def add_flags(parser: Parser) -> None:
    """The flags of `plot`."""
    what = "curves and the folders of runs, or one of the pictures above"
    parser.add_argument("what", nargs="+", metavar="WHAT", help=what)
    add_path(parser, "--run-dir", "the folder of the run whose net is to be drawn")
    digit = "the image with this number, from 0: of the test images (for maps; default: 0), or of "
    digit += "the training images (for augmentation; default: a 2, a 5 and an 8)"
    parser.add_argument("--digit", type=natural, metavar="N", help=digit)
    add_data_dir(parser)
    add_path(parser, "--output", "the picture: svg, png or pdf (default: runs/WHAT.png, or .svg)")


def run(options: argparse.Namespace) -> None:
    """Draw one of the pictures, or curves; earlier versions drew curves without that word."""
    first, *runs = options.what
    if first in PICTURES:
        if runs:
            raise UsageError(f"{runs[0]}: plot {first} draws one picture, of --run-dir")
        options.picture = first
        draw_at_work(options)
        return
    if options.digit is not None or options.run_dir is not None:
        raise UsageError("--digit, --run-dir: not for curves")
    options.runs = [Path(run) for run in (runs if first == "curves" else options.what)]
    if not options.runs:
        raise UsageError("plot curves: expected the folders of runs")
    options.output = options.output or Path("runs/curves.svg")
    draw_curves(options)


def draw_at_work(options: argparse.Namespace) -> None:
    """Draw one of the pictures of a net at work."""
    from tinytrain.cli.resolve import net_and_data
    from tinytrain.plots import at_work, drawing

    if options.digit is not None and options.picture not in ("maps", "augmentation"):
        raise UsageError(f"--digit: is for maps and augmentation, not for {options.picture}")
    net, dataset, recipe = net_and_data(options)
    title, figure = at_work.drawings(net, dataset, recipe, options.digit)[options.picture]()
    output = options.output or Path("runs") / f"{options.picture}.png"
    drawing.save(figure, output)
    print(f"{title}: drawn into {output}")


def draw_curves(options: argparse.Namespace) -> None:
    """Draw the test accuracy of runs by epoch."""
    from tinytrain.plots import drawing
    from tinytrain.runs import run_folder

    names = [run.resolve().name for run in options.runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in options.runs]
    histories = dict(zip(names, map(run_folder.read_history, options.runs), strict=True))
    drawing.save(drawing.accuracy_by_epoch(histories), options.output)
    print(f"Drawn into {options.output}")
