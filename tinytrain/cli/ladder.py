"""The command `ladder`: list the rungs, show the difference between two, or train them.

A rung is a recipe of the curriculum, one of its variations, or a recipe in a file. A field that a
flag changes is part of the name of the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_field_flags, given_fields
from tinytrain.cli.recipe_files import is_file, label, named, plain, tested_on
from tinytrain.cli.seeds import SHARED_RUNS, add_seeds_flags
from tinytrain.errors import UsageError
from tinytrain.recipes import LADDER

if TYPE_CHECKING:
    from tinytrain.cli.series import Series
    from tinytrain.course.ladder import Rung

HELP = """\
Without a rung, list them all: what each changes and its measured accuracy. With rungs, or --all,
train each with the given seeds; the same command continues after an interruption.
'ladder diff net6 net7' shows the difference between two.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `ladder`."""
    parser.epilog = SHARED_RUNS.format("ladder --all --seeds 1-5")
    rungs = "net1 … net9_3, reference, …, or a recipe's FILE.json"
    parser.add_argument("rungs", nargs="*", metavar="RUNG", help=rungs)
    parser.add_argument("--list", action="store_true", help="list them instead of training")
    parser.add_argument("--all", action="store_true", help="all rungs")
    add_seeds_flags(parser, "1", "runs/ladder")
    add_field_flags(parser.add_argument_group("changed in each of them"))


def run(options: argparse.Namespace) -> None:
    """List the rungs, show the difference between two, or train some of them."""
    from tinytrain.cli.jobs import reported_once
    from tinytrain.cli.series import train_series
    from tinytrain.course import ladder as ladders

    if options.rungs[:1] == ["diff"]:
        if len(options.rungs) != 3:
            raise UsageError("ladder diff: expected two rungs, such as: ladder diff net6 net7")
        require_no_fields(options)
        print(ladders.diff(*map(rung_of, options.rungs[1:])))
        return
    words = list(LADDER) if options.all else options.rungs
    rungs = [rung_of(word) for word in words]
    if options.list or not rungs:
        require_no_fields(options)
        print(ladders.as_text(rungs or ladders.rungs()))
        return
    with reported_once():
        train_series(options, [series_of(word, options) for word in words])


def series_of(word: str, options: argparse.Namespace) -> Series:
    """The runs of a rung, with what flags change in it."""
    from tinytrain.cli.resolve import chosen_recipe
    from tinytrain.cli.series import Series, words_of

    rung = named(word)
    recipe = chosen_recipe(argparse.Namespace(**vars(options) | {"recipe": rung}))
    name = label(rung, recipe) + tested_on(options.holdout, options.fold)
    flags = words_of(rung, options)
    command = ["seeds", *flags] if rung.in_file else ["ladder", word, *flags[1:]]
    return Series((options.run_dir or Path("runs") / "ladder") / name, recipe, flags, command)


def rung_of(word: str) -> Rung:
    """The rung of that name; a recipe's file is one without lesson or record."""
    from tinytrain.course import ladder as ladders
    from tinytrain.course.ladder import Rung

    if not is_file(word):
        return ladders.rung(word)
    recipe = named(word)
    name = plain(word.removesuffix(".json"))
    return Rung(name, recipe.recipe, recipe.base, recipe.changes, None, None)


def require_no_fields(options: argparse.Namespace) -> None:
    """Raise UsageError where a flag would change what is only looked at."""
    for name in given_fields(options):
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(f"{flag}: changes what is trained; name the rungs to train, or --all")
