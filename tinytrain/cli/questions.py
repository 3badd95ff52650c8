"""The words of the commands that train nothing but look at what there is: recipes, runs, images.

Part of the parser, so without torch: what these commands do is in files of their names.
"""

from __future__ import annotations

import argparse
from typing import Protocol

from tinytrain.cli.flags import add_data_dir, add_field_flags, add_path
from tinytrain.cli.recipe_files import named
from tinytrain.cli.words import natural

PICTURES = {
    "overview": "an image of each class that it gets right, and ten that it gets wrong",
    "mistakes": "the mistakes on test images that it is surest of, each with its number",
    "confusion": "how often it takes which class for which",
    "filters": "the kernels of its first convolution: red is positive, blue negative",
    "maps": "an image, and what the channels of each layer answer to it",
    "augmentation": "what the augmentation of its recipe makes of training images",
}


class Command(Protocol):
    """Adds a command, with one line of help and a description, and returns its parser."""

    def __call__(self, name: str, help: str, description: str) -> argparse.ArgumentParser: ...


def add_recipe(command: Command) -> None:
    """The command `recipe`."""
    recipe = command(
        "recipe",
        "list the recipes, or show one whole",
        "Without more words, or with list: every recipe, and what it changes in its base. With "
        "show: one of them whole, as JSON. Kept in a file (recipe show final > mine.json) and "
        "changed, it is a recipe of your own: train --recipe mine.json. A field that you delete "
        "there is the base's.",
    )
    kinds = recipe.add_subparsers(dest="what", metavar="list|show")
    recipe.set_defaults(what="list")
    kinds.add_parser("list", allow_abbrev=False).set_defaults(parser=recipe)
    show = kinds.add_parser("show", allow_abbrev=False)
    show.set_defaults(parser=show)
    show.add_argument(
        "recipe",
        nargs="?",
        type=named,
        default=named("final"),
        metavar="NAME|FILE.json",
        help="the recipe (default: final)",
    )
    add_field_flags(show.add_argument_group("what to change in it"))


def add_runs(command: Command) -> None:
    """The command `runs`."""
    runs = command(
        "runs",
        "list runs, or compare two",
        "List the runs below folders: the recipe that each is nearest to and what was overridden, "
        "data, seed, epochs, accuracy of the last epoch and mean of the last five, verdict, time. "
        "'runs compare RUN RUN' says what differs between two, and what came of it.",
    )
    folders = "where to look (default: runs); or compare, and two runs"
    runs.add_argument("folders", nargs="*", metavar="FOLDER", help=folders)
    runs.add_argument("--json", action="store_true", help="as JSON, for tools")


def add_gallery(command: Command) -> None:
    """The command `gallery`."""
    gallery = command(
        "gallery",
        "draw a net at work",
        "Draw what a run's net, or the final net that comes with tinytrain, makes of images.",
    )
    listed = (f"  {name:<14}{said}" for name, said in PICTURES.items())
    gallery.epilog = "\n".join(["pictures:", *listed])
    gallery.formatter_class = argparse.RawDescriptionHelpFormatter
    gallery.add_argument("picture", choices=PICTURES, help="what to draw, see below")
    add_path(gallery, "--run-dir", "the run's folder")
    digit = "the image with this number, from 0: of the test images (for maps; default: 0), or of "
    digit += "the training images (for augmentation; default: a 2, a 5 and an 8)"
    gallery.add_argument("--digit", type=natural, metavar="N", help=digit)
    add_data_dir(gallery)
    add_path(gallery, "--output", "the picture (default: runs/PICTURE.png)")
