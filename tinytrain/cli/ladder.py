"""The command `ladder`: train rungs of the ladder, and other recipes, with some seeds each.

A field that a flag changes is part of the name of the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_field_flags
from tinytrain.cli.recipe_files import label, named, tested_on
from tinytrain.cli.seeds import SHARED_RUNS, add_seeds_flags
from tinytrain.errors import UsageError
from tinytrain.recipes import LADDER

if TYPE_CHECKING:
    from tinytrain.cli.series import Series

HELP = """\
Train rungs, or with --all each rung of the ladder, with the given seeds; the same command
continues after an interruption. 'recipe list' shows what each changes in the one before.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `ladder`."""
    parser.epilog = SHARED_RUNS.format("ladder --all --seeds 1-5")
    rungs = "net1 … net9_3, reference, …, or a recipe's FILE.json"
    parser.add_argument("rungs", nargs="*", metavar="RUNG", help=rungs)
    parser.add_argument("--all", action="store_true", help="all rungs")
    add_seeds_flags(parser, "1", "runs/ladder")
    add_field_flags(parser.add_argument_group("changed in each of them"))


def run(options: argparse.Namespace) -> None:
    """Train the rungs that are named, or all of the ladder."""
    from tinytrain.cli.jobs import reported_once
    from tinytrain.cli.series import train_series

    words = list(LADDER) if options.all else options.rungs
    if not words:
        raise UsageError("ladder: expected a rung, or --all; 'recipe list' shows which there are")
    with reported_once():
        train_series(options, [series_of(word, options) for word in words])


def series_of(word: str, options: argparse.Namespace) -> Series:
    """The runs of a rung, with what flags change in it."""
    from tinytrain.cli.resolve import chosen_recipe
    from tinytrain.cli.series import Series, words_of

    rung = named(word, "ladder")
    recipe = chosen_recipe(argparse.Namespace(**vars(options) | {"recipe": rung}))
    name = label(rung, recipe) + tested_on(options.holdout, options.fold)
    flags = words_of(rung, options)
    command = ["seeds", *flags] if rung.in_file else ["ladder", word, *flags[1:]]
    return Series((options.run_dir or Path("runs") / "ladder") / name, recipe, flags, command)
