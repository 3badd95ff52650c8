"""The command `ladder`: the rungs in words, the difference between two, and training them.

A rung is a recipe of the curriculum or one of its variations; one of your own, in a file, can
stand beside them. What is overridden by a flag is no longer the rung, and its folder says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tinytrain.cli.flags import given_fields
from tinytrain.cli.inputs import chosen_recipe
from tinytrain.cli.recipe_files import is_file, label, named, plain, tested_on
from tinytrain.cli.seeds import Series, train_series, words_of
from tinytrain.cli.turns import taken
from tinytrain.course import ladder as ladders
from tinytrain.course.ladder import Rung
from tinytrain.errors import UsageError
from tinytrain.recipes import LADDER


def ladder(options: argparse.Namespace) -> None:
    """List the rungs, show the difference between two, or train some of them."""
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
    with taken() as turns:
        train_series(options, [series_of(word, options) for word in words], turns)


def series_of(word: str, options: argparse.Namespace) -> Series:
    """The runs of a rung, with what flags change in it."""
    rung = named(word)
    recipe = chosen_recipe(argparse.Namespace(**vars(options) | {"recipe": rung}))
    name = label(rung, recipe) + tested_on(options.holdout, options.fold)
    flags = words_of(rung, options)
    command = ["seeds", *flags] if rung.in_file else ["ladder", word, *flags[1:]]
    return Series((options.run_dir or Path("runs") / "ladder") / name, recipe, flags, command)


def rung_of(word: str) -> Rung:
    """The rung of that name; a recipe's file is one without lesson or record."""
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
