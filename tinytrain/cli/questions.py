"""The words of the commands that train nothing but look at what there is: recipes, runs, images.

Part of the parser, so without torch: what these commands do is in files of their names.
"""

from __future__ import annotations

import argparse
from typing import Protocol

from tinytrain.cli.flags import add_field_flags
from tinytrain.cli.recipe_files import named


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
