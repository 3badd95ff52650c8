"""The command `train`: train a net in a folder of its own, print its log, and judge it."""

import argparse
import logging
import os

from tinytrain.cli.options import (
    Parser,
    add_compute_flags,
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
from tinytrain.errors import Interrupted, Lost, ReportedByAnotherWorker, UsageError
from tinytrain.runs import signals

HELP = """\
Train a net by a recipe, print the log and the verdict, and keep the run in a folder: run.json (how
to repeat it), history.jsonl (a line an epoch) and checkpoint.pt. For data of your own begin with
--recipe own-data: its net takes all images from 4 × 4 pixels on, and none are turned or moved.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `train`."""
    recipe = add_recipe_flags(parser)
    seed = "decides every random draw; the same seed, the same run"
    add_setting(recipe, "--seed", seed, type=natural)
    weights = "begin with the weights of another run; where classes differ, the last are drawn"
    add_setting(recipe, "--from", weights, metavar="RUN")
    frozen = "layers, or groups of them, that do not learn, such as conv1,conv2.0"
    add_setting(recipe, "--freeze", frozen, metavar="LAYERS")
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
    add_compute_flags(machine)
    folder = "the run's folder, new or empty (default: runs/DATASET-RECIPE-CHANGES-seedN)"
    add_path(machine, "--run-dir", folder)
    resume = "continue the run in --run-dir, with the same result as without an interruption"
    add_switch(machine, "--resume", resume)
    parser.set_defaults(again=False)
    add_switch(parser, "--require-target", "exit with status 1 unless the target is met")


def run(options: argparse.Namespace) -> None:
    """Train a net in this process, or start the workers that do."""
    from tinytrain.workers.group import joined, started

    if options.workers > 1 and not started():
        launch(options)
        return
    from tinytrain.cli.training_run import train

    with joined() as workers:
        if options.workers not in (1, workers.count):
            raise UsageError(
                f"--workers {options.workers}: torchrun started {workers.count}; leave it out"
            )
        for _ in train(options, workers):
            pass


def launch(options: argparse.Namespace) -> None:
    """Run the command in `options.workers` processes, and end as they end.

    torchrun's launcher gives every process its number and an address to meet at, watches them, and
    ends all when one fails. Where nothing says how many threads each has, they share the cores.
    Raises ReportedByAnotherWorker with the exit status of the worker that reported an error, Lost
    where none of them lived to report one.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    logging.disable()  # what torchrun says besides
    each = max((os.cpu_count() or 1) // options.workers, 1)
    os.environ.setdefault("OMP_NUM_THREADS", str(each))
    os.environ[signals.PARENT] = str(os.getpid())
    how = ["--standalone", "--local-addr=localhost", f"--nproc-per-node={options.workers}"]
    try:
        main([*how, "-m", "tinytrain", *options.words])
    except ChildFailedError as error:
        statuses = {rank: failure.exitcode for rank, failure in error.failures.items()}
        if reported := [status for status in statuses.values() if status > 0]:
            raise ReportedByAnotherWorker(reported[0]) from error
        rank, status = next(iter(statuses.items()))
        if -status in signals.SIGNALS:
            raise Interrupted("interrupted before the run began", -status) from error
        raise Lost(
            f"worker {rank} was killed by signal {-status}; a run goes on from its last save "
            f"with --resume --run-dir {options.run_dir or 'RUN'}"
        ) from error
    except SignalException as error:
        raise ReportedByAnotherWorker(128 + error.sigval) from error
