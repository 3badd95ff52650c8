"""The command `plot`: the curves of runs, or pictures of a trained net."""

import argparse
from pathlib import Path

from tinytrain.cli.options import Parser, add_data_dir, add_path, home_path, natural
from tinytrain.errors import UsageError

PICTURES = {
    "mistakes": "the mistakes on test images of the highest confidence, each with its number",
    "confusion": "how often it takes which class for which",
    "filters": "the kernels of its first convolution: red is positive, blue negative",
    "maps": "an image, and the feature maps of each layer",
    "augmentation": "training images, augmented as by its recipe",
    "overview": "an image of each class that it gets right, and ten that it gets wrong",
}
HELP = """\
Draw runs by epoch, or a picture of a net: that of a run, or the final net, which comes with
tinytrain.

  curves RUN …  accuracies, loss and learning rate by epoch of each run; of a folder of seeds the
                mean, in a band from the lowest seed to the highest
""" + "\n".join(f"  {name:<14}{text}" for name, text in PICTURES.items())


def add_flags(parser: Parser) -> None:
    """The flags of `plot`."""
    what = "curves, or one of the pictures above"
    parser.add_argument("what", choices=("curves", *PICTURES), metavar="WHAT", help=what)
    runs = "for curves: the folders of runs or seeds"
    parser.add_argument("runs", type=home_path, nargs="*", default=[], metavar="RUN", help=runs)
    add_path(parser, "--run-dir", "the folder of the run whose net is to be drawn")
    digit = "the image with this number, from 0: of the test images (for maps; default: 0), or of "
    digit += "the training images (for augmentation; default: a 2, a 5 and an 8)"
    parser.add_argument("--digit", type=natural, metavar="N", help=digit)
    add_data_dir(parser)
    add_path(parser, "--output", "the picture: svg, png or pdf (default: runs/WHAT.png, or .svg)")


def run(options: argparse.Namespace) -> None:
    """Draw curves or a picture."""
    what = options.what
    if options.digit is not None and what not in ("maps", "augmentation"):
        raise UsageError(f"--digit: is for maps and augmentation, not for {what}")
    if what != "curves":
        if options.runs:
            raise UsageError(f"{options.runs[0]}: plot {what} draws one picture, of --run-dir")
        draw_picture(what, options)
    elif not options.runs or options.run_dir is not None:
        raise UsageError("plot curves: expected the folders of runs, without --run-dir")
    else:
        draw_curves(options.runs, options.output or Path("runs/curves.svg"))


def draw_picture(what: str, options: argparse.Namespace) -> None:
    """Draw a picture of a trained net."""
    from tinytrain.cli.resolve import run_and_data
    from tinytrain.plots import drawing
    from tinytrain.plots.net_pictures import Pictures

    trained, dataset = run_and_data(options)
    recipe = trained.settings.recipe
    title, figure = Pictures(trained.net, dataset, recipe, options.digit).by_name[what]()
    output = options.output or Path("runs") / f"{what}.png"
    drawing.save(figure, output)
    print(f"{title}: drawn into {output}")


def draw_curves(named: list[Path], output: Path) -> None:
    """Draw accuracies, loss and learning rate by epoch, of runs or of folders of seeds."""
    from tinytrain.plots import drawing
    from tinytrain.plots.curves import by_epoch
    from tinytrain.results.records import kind_of_all
    from tinytrain.results.run_list import run_folders
    from tinytrain.runs import run_folder
    from tinytrain.store.files import require

    names = [place.resolve().name for place in named]
    if len(set(names)) < len(names):
        names = [str(place) for place in named]
    groups, target = {}, True
    for name, place in zip(names, named, strict=True):
        folders = run_folders(place) or [place]
        groups[name] = [*map(run_folder.read_history, folders)]
        if len(folders) > 1:
            kind_of_all(folders)
        require(any(groups[name]), place, "a run with an epoch", "none")
        settings = run_folder.read_settings(folders[0])
        target &= not settings.reason_not_judged
    drawing.save(by_epoch(groups, target), output)
    print(f"Drawn into {output}")
