"""The command line: what can be asked, and what the words mean.

Only the parser is here, and it imports neither torch nor numpy, so `--help` answers at once; what
the commands do is in `commands.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tinytrain import __version__
from tinytrain.arguments import Parser, natural, positive, rate, seed_list
from tinytrain.errors import UsageError, exit_status
from tinytrain.recipes import RECIPES

EPILOG = """\
exit status:
  0 done   1 --require-target and missed   2 wrong usage, or a folder that cannot be written
  3 data or a checkpoint missing, damaged or foreign   4 diverged   130 interrupted

begin with:
  python -m tinytrain train       the final net on MNIST, 15 epochs, some seconds each
  python -m tinytrain summary     its layers, shapes, parameters and receptive fields
  python -m tinytrain train --dataset synthetic --epochs 2     without data or network
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""

    def run() -> None:
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            allowed = " ".join(options.parser.format_usage().split())
            raise UsageError(f"{unknown[0]}: not known here; {allowed}")
        options.arguments = list(sys.argv[1:] if arguments is None else arguments)
        from tinytrain import commands  # here, because it imports torch

        getattr(commands, options.command)(options)

    return exit_status(run)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` names a function of `commands.py`."""
    top = Parser(
        prog="python -m tinytrain",
        description="A minimal training engine: MNIST at 99.4 % with fewer than 8,000 parameters.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"tinytrain {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_train(commands)
    add_seeds(commands)
    add_ladder(commands)
    add_evaluate(commands)
    add_summary(commands)
    add_data(commands)
    add_plot(commands)
    return top


def add_train(commands: argparse._SubParsersAction) -> None:
    train = command(
        commands,
        "train",
        "train a net and judge it",
        "Train a net by a recipe, print the log and the verdict, and keep the run in a folder: "
        "run.json (how to repeat it), history.jsonl (a line an epoch) and checkpoint.pt.",
    )
    recipe = add_recipe_options(train)
    recipe.add_argument(
        "--seed",
        type=natural,
        default=1,
        help="decides every random draw; the same seed gives the same run (default: %(default)s)",
    )
    data = add_data_options(train)
    add_holdout_option(data)
    data.add_argument(
        "--or-synthetic",
        action="store_true",
        help="where no mirror answers, go on with --dataset synthetic, and say so",
    )
    machine = add_machine_options(train)
    machine.add_argument(
        "--run-dir",
        type=Path,
        help="the run's folder, new or empty (default: a new one in runs/)",
    )
    machine.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --run-dir, to the very result it would have had uninterrupted",
    )
    train.add_argument(
        "--require-target",
        action="store_true",
        help="exit with status 1 unless the verdict is that the target is met",
    )


def add_seeds(commands: argparse._SubParsersAction) -> None:
    seeds = command(
        commands,
        "seeds",
        "train a recipe with many seeds",
        "Train a recipe with many seeds, several processes of one thread at a time, and say what "
        "they show together: mean, spread, and how many hold the target. The same command goes on "
        "where it was interrupted. Leaves record.json beside the runs.",
    )
    add_recipe_options(seeds)
    add_seeds_options(seeds, "1-5", "runs/seeds-DATASET-RECIPE")


def add_ladder(commands: argparse._SubParsersAction) -> None:
    ladder = command(
        commands,
        "ladder",
        "climb the curriculum, rung by rung",
        "Without a rung: list all, with what each changes and what was measured. With rungs, or "
        "--all: train them, as many seeds as you say; the same command goes on where it was "
        "interrupted. 'ladder diff net6 net7' shows what differs between two.",
    )
    ladder.add_argument("rungs", nargs="*", metavar="RUNG", help="net1 … net9_3, reference, …")
    ladder.add_argument("--list", action="store_true", help="list them instead of training")
    ladder.add_argument("--all", action="store_true", help="all rungs")
    add_seeds_options(ladder, "1", "runs/ladder")


def add_seeds_options(parser: argparse.ArgumentParser, seeds: str, folder: str) -> None:
    group = parser.add_argument_group("runs")
    group.add_argument(
        "--seeds", type=seed_list, default=seed_list(seeds), metavar="1-5", help="such as 1-5,9"
    )
    group.add_argument("--jobs", type=positive, default=2, help="processes at a time (default: 2)")
    group.add_argument("--run-dir", type=Path, help=f"the folder of all runs (default: {folder})")
    group.add_argument(
        "--records", type=Path, help="a folder for the records (default: beside the runs)"
    )
    data = add_data_options(parser)
    add_holdout_option(data)


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = command(
        commands,
        "evaluate",
        "evaluate the net of a run",
        "Evaluate a run's net, with averaged weights where it averages, on its test images.",
    )
    evaluate.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    evaluate.add_argument("--data-dir", type=Path, help=DATA_DIR_HELP)
    add_machine_options(evaluate)


def add_summary(commands: argparse._SubParsersAction) -> None:
    summary = command(
        commands,
        "summary",
        "show a net's layers",
        "Print a net's layers, output shapes, parameters and receptive fields.",
    )
    summary.add_argument("--net", default="net9_3", help="the net (default: %(default)s)")


def add_data(commands: argparse._SubParsersAction) -> None:
    data = command(
        commands,
        "data",
        "fetch and verify a data set",
        "Verify a data set, downloading first what is missing, and say where it is.",
    )
    add_data_options(data)


def add_plot(commands: argparse._SubParsersAction) -> None:
    plot = command(
        commands,
        "plot",
        "draw the curves of runs",
        "Draw the test accuracy of one or several runs by epoch; thin lines are the raw weights.",
    )
    plot.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder")
    plot.add_argument(
        "--output",
        type=Path,
        default=Path("curves.svg"),
        help="the picture, its kind by its suffix: svg, png, pdf (default: %(default)s)",
    )


DATA_DIR_HELP = (
    "the folder that holds a folder a data set "
    "(default: $TINYTRAIN_DATA, else $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain)"
)


def add_recipe_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("what is trained")
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        default="final",
        help="a named set of choices; the flags below change one each (default: %(default)s)",
    )
    group.add_argument("--net", help="the net (default: the recipe's)")
    group.add_argument("--epochs", type=positive, help="times through the training images")
    group.add_argument("--batch-size", type=positive, help="images a step")
    group.add_argument("--lr", type=rate, help="the learning rate, at its highest")
    return group


def add_holdout_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--holdout",
        type=natural,
        default=0,
        metavar="N",
        help="do not open the test images: hold back N training images, the same ones in every "
        "run, and test on those. Choose recipes this way (default: %(default)s)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        default="mnist",
        help="mnist, fashion-mnist, kmnist, or synthetic: digits that tinytrain draws itself "
        "(default: %(default)s)",
    )
    group.add_argument("--data-dir", type=Path, help=DATA_DIR_HELP)
    return group


def add_machine_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps, …: auto takes CUDA, then MPS, then the CPU "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--threads", type=positive, help="CPU threads (default: as many as torch takes)"
    )
    return group


def command(
    commands: argparse._SubParsersAction, name: str, help: str, description: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=description, allow_abbrev=False)
    parser.set_defaults(parser=parser)
    return parser
