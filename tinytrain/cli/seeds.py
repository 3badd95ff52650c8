"""The command `seeds`: train a recipe with many seeds and summarise their accuracies."""

import argparse
from pathlib import Path

from tinytrain.cli.options import (
    Parser,
    add_compute_flags,
    add_data_flags,
    add_device,
    add_holdout,
    add_path,
    add_recipe_flags,
    positive,
    seed_list,
)
from tinytrain.cli.recipe_files import label, plain

HELP = """\
Train a recipe with many seeds, several processes of one thread at a time, and print the mean and
the spread of their accuracies and how many meet the target. The same command continues after an
interruption. Writes record.jsonl beside the runs. `runs compare FOLDER FOLDER` says which of two
is better, `plot curves FOLDER` draws their mean and band.
"""
SHARED_RUNS = """\
under torchrun, each worker takes the next run that is free, and continues what a lost worker left:

  torchrun --standalone --nproc-per-node 4 --max-restarts 3 -m tinytrain {0}

The same command on several machines that share the folder of runs divides the runs among them.
Each may be stopped and started again at any time; all write the same record as one machine would.
"""


def number_or_auto(text: str) -> float | str:
    """The argparse type of "auto", or a number of processes."""
    return text if text == "auto" else positive(text)


def add_flags(parser: Parser) -> None:
    """Add the flags of `seeds`."""
    parser.epilog = SHARED_RUNS.format("seeds --seeds 1-40")
    add_recipe_flags(parser)
    add_seeds_flags(parser, "1-5", "runs/seeds-DATASET/RECIPE-CHANGES")


def add_seeds_flags(parser: Parser, seeds: str, folder: str) -> None:
    """Add the flags of `seeds` and `ladder`, with these defaults of --seeds and --run-dir."""
    group = parser.add_argument_group("runs")
    help = f"such as 1-5,9 (default: {seeds}); not with --fold all/N"
    group.add_argument("--seeds", type=seed_list, metavar="LIST", help=help)
    parser.set_defaults(default_seeds=seed_list(seeds))
    several = (
        "processes at a time (default: 2; of a worker that torchrun started: 1); auto: as many as "
        "there are cores, or on CUDA several runs side by side in one process"
    )
    group.add_argument("--jobs", type=number_or_auto, metavar="N|auto", help=several)
    add_device(group)
    add_compute_flags(group)
    add_path(group, "--run-dir", f"the folder of all runs (default: {folder})")
    add_path(group, "--records", "a folder for the records (default: beside the runs)")
    add_holdout(add_data_flags(parser), several=True)


def run(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print the summary and write the record."""
    from tinytrain.cli.jobs import reported_once
    from tinytrain.cli.series import train_series

    with reported_once():
        top = Path("runs") / f"seeds-{plain(options.dataset)}"
        train_series({options.run_dir or top / label(options): options})
