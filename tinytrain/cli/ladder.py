"""The command `ladder`: train rungs of the ladder, and other recipes, with some seeds each.

A field that a flag changes is part of the name of the folder.
"""

import argparse
from pathlib import Path

from tinytrain.cli.options import Parser, add_field_flags
from tinytrain.cli.recipe_files import label, named
from tinytrain.cli.seeds import SHARED_RUNS, add_seeds_flags
from tinytrain.errors import UsageError
from tinytrain.recipes import LADDER

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

    if options.all and options.rungs:
        raise UsageError(f"--all: trains every rung; leave out it or {' '.join(options.rungs)}")
    words = list(LADDER) if options.all else options.rungs
    if not words:
        raise UsageError("ladder: expected a rung, or --all; 'recipe list' shows which there are")
    top, all_series = options.run_dir or Path("runs") / "ladder", {}
    with reported_once():
        for word in words:
            rung = vars(options) | {"recipe": named(word, "ladder: expected a rung")}
            series = argparse.Namespace(**rung)
            all_series[top / label(series)] = series
        train_series(all_series)
