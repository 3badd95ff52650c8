"""The command `recipe`: all recipes with what each changes, and one whole to begin one's own from.

What `recipe show` prints is a recipe's file: keep it, change it, name it with --recipe.
"""

import argparse
import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

from tinytrain.cli.options import Parser, add_field_flags
from tinytrain.cli.recipe_files import named
from tinytrain.recipes import BASES, CHANGES, LADDER, RECIPES, Recipe
from tinytrain.recipes.changes import changed
from tinytrain.recipes.variations import ABLATION, FRONTIER, OTHER_DATA, VIEWS

HELP = """\
Without more words, or with list: every recipe, and what it changes in its base. With show: one of
them whole, as JSON. Kept in a file (recipe show final > mine.json) and changed, it is a recipe of
your own: train --recipe mine.json. A field that you delete from the file keeps the base recipe's
value.
"""

GROUPS: dict[str, Mapping[str, object]] = {
    "The ladder, each a change of the one before": LADDER,
    "The final recipe without one of its ingredients": ABLATION,
    "Where a net looks, wider or less wide": VIEWS,
    "Beyond the final recipe": FRONTIER,
    "For data of your own, to begin with": OTHER_DATA,
}


def add_flags(parser: Parser) -> None:
    """The flags of `recipe`."""
    kinds = parser.add_subparsers(dest="what", metavar="list|show")
    parser.set_defaults(what="list")
    kinds.add_parser("list", allow_abbrev=False).set_defaults(parser=parser)
    show = kinds.add_parser("show", allow_abbrev=False)
    show.set_defaults(parser=show)
    show.add_argument(
        "recipe",
        nargs="?",
        type=partial(named, expected="recipe show: expected a recipe's name"),
        default=named("final"),
        metavar="NAME|FILE.json",
        help="the recipe (default: final)",
    )
    add_field_flags(show.add_argument_group("what to change in it"))


def run(options: argparse.Namespace) -> None:
    """List the recipes, or print one whole."""
    print(as_json(options) if options.what == "show" else listed())


def listed() -> str:
    """A line a recipe: its name, and what it changes."""
    lines = []
    for title, names in GROUPS.items():
        lines += ["", f"{title}:"]
        for name in names:
            line = f"  {name:<18} {changed(recipe_of(BASES[name]), RECIPES[name])}"
            lines += textwrap.wrap(line, 98, subsequent_indent=21 * " ")
    return "\n".join(lines[1:])


def recipe_of(name: str | None) -> Recipe:
    """The recipe of that name; without one a plain run."""
    return RECIPES[name] if name else Recipe()


def as_json(options: argparse.Namespace) -> str:
    """The recipe of the flags as a file has it, each field; `about` says what it changes."""
    from tinytrain.cli.resolve import chosen_recipe

    whole, name = chosen_recipe(options), str(options.recipe)
    base = BASES[name] if name in CHANGES else options.recipe.base
    changes = changed(recipe_of(base), whole)
    about = f"{base or 'a plain run'}, but {changes}" if changes else f"{base} as it is"
    content = {"about": about} | ({"base": base} if base else {}) | asdict(whole)
    return json.dumps(content, indent=2, ensure_ascii=False)
