"""The command `train`: train a net in a folder of its own, print its log, and judge it."""

from __future__ import annotations

import argparse

from tinytrain.cli.options import (
    Parser,
    add_data_flags,
    add_holdout,
    add_machine_flags,
    add_path,
    add_recipe_flags,
    add_setting,
    add_switch,
    natural,
    positive,
)
from tinytrain.errors import UsageError

HELP = """\
Train a net by a recipe, print the log and the verdict, and keep the run in a folder: run.json (how
to repeat it), history.jsonl (a line an epoch) and checkpoint.pt.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `train`."""
    recipe = add_recipe_flags(parser)
    seed = "decides every random draw; the same seed, the same run"
    add_setting(recipe, "--seed", seed, type=natural)
    data = add_data_flags(parser)
    add_holdout(data)
    synthetic = "where no mirror answers, train on drawn digits instead, and say so"
    add_switch(data, "--or-synthetic", synthetic)
    machine = add_machine_flags(parser)
    workers = (
        "train in N processes that share every batch; the same as torchrun --standalone "
        "--nproc-per-node N -m tinytrain train"
    )
    machine.add_argument("--workers", type=positive, default=1, metavar="N", help=workers)
    folder = "the run's folder, new or empty (default: runs/DATASET-RECIPE-OVERRIDDEN-seedN)"
    add_path(machine, "--run-dir", folder)
    resume = "continue the run in --run-dir, with the same result as without an interruption"
    add_switch(machine, "--resume", resume)
    add_switch(parser, "--require-target", "exit with status 1 unless the target is met")


def run(options: argparse.Namespace) -> None:
    """Train a net in this process, or start the workers that do."""
    from tinytrain.workers.group import joined, started

    if options.workers > 1 and not started():
        from tinytrain.cli.launch import launch  # only here: it takes a while to import

        launch(options)
        return
    from tinytrain.cli.training_run import train

    with joined() as workers:
        if options.workers not in (1, workers.count):
            raise UsageError(
                f"--workers {options.workers}: torchrun started {workers.count}; leave it out"
            )
        train(options, workers)
