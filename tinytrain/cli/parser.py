"""The command line: what can be asked, and what the words mean.

Only the parser is here, and it imports neither torch nor numpy, so `--help` answers at once; what
the commands do is in `commands.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tinytrain import __version__
from tinytrain.cli.data_words import add_data_commands
from tinytrain.cli.exit import exit_status
from tinytrain.cli.flags import (
    add_data_dir,
    add_data_flags,
    add_field_flags,
    add_holdout,
    add_machine_flags,
    add_path,
    add_recipe_flags,
    add_seeds_flags,
    add_setting,
    add_switch,
    completed,
)
from tinytrain.cli.glance import glance
from tinytrain.cli.questions import (
    add_doctor,
    add_exercise,
    add_gallery,
    add_predict,
    add_recipe,
    add_runs,
)
from tinytrain.cli.words import Parser, natural, positive, shape
from tinytrain.errors import SaidElsewhere, TinytrainError
from tinytrain.recipes import RECIPES

FORMATS = ("state-dict", "npz", "torch")
EXPORT = """\
Write the net of a run, with averaged weights where it averages, as

  state-dict  weights.pt: torch.load reads it, and the equivalent torch.nn module takes it
  npz         weights.npz: an array for each name of the state dict, which numpy.load reads
  torch       net.py, a torch.nn program that needs torch alone, and its weights in net.pt; what it
              takes and gives stands at its top, and `python net.py` prints its shapes. A net with
              a layer of your own has no such program

into the run's folder, or to --output. From the program ONNX is one call, made in its folder (with
the extra "onnx": pip install -e ".[onnx]"):

  import torch, net
  torch.onnx.export(net.load(), (torch.zeros(2, *net.SHAPE),), "net.onnx", dynamo=True,
                    dynamic_shapes=[{0: "N"}], external_data=False)
"""
TURNS = """\
under torchrun every worker takes the next run; what a lost one left is taken by another:

  torchrun --standalone --nproc-per-node 4 --max-restarts 3 -m tinytrain {0}

The same on more machines that share the folder of runs: each takes what nobody is at or has done,
may be ended and started again at any time, and ends with the same record, as from one machine. As
one job (--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29400) they also share a counter, and
end with HOST; set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or none that was lost can come back.
"""
EPILOG = """\
exit status:
  0 done   1 --require-target and missed, or a process of `seeds`, or a worker, killed
  2 wrong usage, or a folder that cannot be written
  3 data or a checkpoint missing, damaged or foreign   4 diverged   130 interrupted

begin with:
  python -m tinytrain train       the final net on MNIST, 15 epochs, some seconds each
  python -m tinytrain summary     its layers, shapes, parameters and receptive fields
  python -m tinytrain train --dataset synthetic --epochs 2     without data or network
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status.

    Who says nothing at all asks what there is to say: that is the help, and no mistake.
    """

    def run() -> None:
        words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
        try:
            options, unknown = parser().parse_known_args(words)
            if unknown:
                options.parser.error(f"{unknown[0]}: not known here")
        except TinytrainError as error:
            if int(os.environ.get("RANK", 0)):  # all workers read the same words
                raise SaidElsewhere from error
            raise
        options = completed(options)
        options.words = words
        if options.command == "exercise":
            glance(options)
        from tinytrain.cli.commands import COMMANDS  # here, because it imports torch
        from tinytrain.runs.net_file import explained

        try:
            COMMANDS[options.command](options)
        except TinytrainError:
            raise
        except Exception as error:
            raise explained(error) or error from error

    return exit_status(run)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` is a key of `commands.COMMANDS`."""
    top = Parser(
        prog="python -m tinytrain",
        description="A minimal training engine: MNIST at 99.4 % with fewer than 8,000 parameters.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"tinytrain {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=description, allow_abbrev=False)
        added.set_defaults(parser=added)
        return added

    add_train_flags(
        command(
            "train",
            "train a net and judge it",
            "Train a net by a recipe, print the log and the verdict, and keep the run in a "
            "folder: run.json (how to repeat it), history.jsonl (a line an epoch) and "
            "checkpoint.pt.",
        )
    )
    seeds = command(
        "seeds",
        "train a recipe with many seeds",
        "Train a recipe with many seeds, several processes of one thread at a time, and say what "
        "they show together: mean, spread, and how many hold the target. The same command goes on "
        "where it was interrupted. Leaves record.jsonl beside the runs.",
    )
    seeds.formatter_class = argparse.RawDescriptionHelpFormatter
    seeds.epilog = TURNS.format("seeds --seeds 1-40")
    add_recipe_flags(seeds)
    add_seeds_flags(seeds, "1-5", "runs/seeds-DATASET/RECIPE-OVERRIDDEN")
    other = "the folder of another recipe's runs over the same folds, to compare image by image"
    add_path(seeds, "--against", other)
    ladder = command(
        "ladder",
        "climb the curriculum, rung by rung",
        "Without a rung: list all, with what each changes and what was measured. With rungs, or "
        "--all: train them, as many seeds as you say; the same command goes on where it was "
        "interrupted. 'ladder diff net6 net7' shows what differs between two.",
    )
    ladder.formatter_class = argparse.RawDescriptionHelpFormatter
    ladder.epilog = TURNS.format("ladder --all --seeds 1-5")
    rungs = "net1 … net9_3, reference, …, or a recipe's FILE.json"
    ladder.add_argument("rungs", nargs="*", metavar="RUNG", help=rungs)
    ladder.add_argument("--list", action="store_true", help="list them instead of training")
    ladder.add_argument("--all", action="store_true", help="all rungs")
    add_seeds_flags(ladder, "1", "runs/ladder")
    add_field_flags(ladder.add_argument_group("changed in each of them"))
    add_recipe(command)
    add_runs(command)
    add_predict(command)
    evaluate = command(
        "evaluate",
        "evaluate the net of a run",
        "Evaluate a run's net, with averaged weights where it averages, on its test images; "
        "without a run, the final net that comes with tinytrain, on MNIST's.",
    )
    add_path(evaluate, "--run-dir", "the run's folder")
    add_data_dir(evaluate)
    add_machine_flags(evaluate)
    export = command("export", "write the net of a run for other programs", EXPORT)
    export.formatter_class = argparse.RawDescriptionHelpFormatter
    add_path(export, "--run-dir", "the run's folder", required=True)
    export.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="see above")
    add_path(
        export, "--output", "the file (default: weights.pt, weights.npz or net.py in the run)"
    )
    summary = command(
        "summary",
        "show a net's layers",
        "Print a net's layers, output shapes, parameters and receptive fields.",
    )
    final = RECIPES["final"].net
    named = "the net, or FILE.py:FUNCTION (default: %(default)s)"
    summary.add_argument("--net", default=final, help=named)
    images = "the shape of its images, CHANNELSxHEIGHTxWIDTH (default: 1x28x28)"
    summary.add_argument("--shape", type=shape, default=(1, 28, 28), help=images)
    add_data_commands(
        command(
            "data",
            "fetch, verify and look at a data set, or make one of your images",
            "Verify a data set, downloading first what is missing, and say where it is.",
        )
    )
    plot = command(
        "plot",
        "draw the curves of runs",
        "Draw the test accuracy of one or several runs by epoch; thin lines are the raw weights.",
    )
    add_path(plot, "runs", "a run's folder", nargs="+", metavar="RUN")
    kinds = "the picture, its kind by its suffix: svg, png, pdf"
    add_path(plot, "--output", kinds, "runs/curves.svg")
    add_gallery(command)
    course = command(
        "course",
        "render the curriculum as a page",
        "Render one self-contained HTML page from the records: every rung with target, result, "
        "analysis, code, layers and curves, the final net at work, and a net to draw for, to look "
        "into and to train in the page: the final one, or that of a run. Trains nothing itself.",
    )
    add_path(course, "--run-dir", "the folder of the run whose net comes to life in the page")
    add_path(course, "--output", "the page", "runs/course.html")
    add_path(course, "--readme", "a README whose tables and pictures to renew")
    add_data_dir(course)
    add_exercise(command)
    add_doctor(command)
    return top


def add_train_flags(train: argparse.ArgumentParser) -> None:
    recipe = add_recipe_flags(train)
    seed = "decides every random draw; the same seed, the same run"
    add_setting(recipe, "--seed", seed, type=natural)
    data = add_data_flags(train)
    add_holdout(data)
    drawn = "where no mirror answers, go on with drawn digits, and say so"
    add_switch(data, "--or-synthetic", drawn)
    machine = add_machine_flags(train)
    several = (
        "train in N processes that share every batch; the same as torchrun --standalone "
        "--nproc-per-node N -m tinytrain train"
    )
    machine.add_argument("--workers", type=positive, default=1, metavar="N", help=several)
    new = "the run's folder, new or empty (default: runs/DATASET-RECIPE-OVERRIDDEN-seedN)"
    add_path(machine, "--run-dir", new)
    same = "continue the run in --run-dir, to the very result it would have had uninterrupted"
    add_switch(machine, "--resume", same)
    add_switch(train, "--require-target", "exit with status 1 unless the target is met")
