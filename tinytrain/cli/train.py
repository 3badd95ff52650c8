"""The command `train`: begin a run or go on with one, show it, save it, judge it."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

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
from tinytrain.errors import DataError, Diverged, Interrupted, Lost, TargetMissed, UsageError
from tinytrain.runs import signals

if TYPE_CHECKING:
    from tinytrain.data import Dataset, Split
    from tinytrain.runs.settings import Settings
    from tinytrain.train import Epoch, Training
    from tinytrain.workers.group import Workers

HELP = """\
Train a net by a recipe, print the log and the verdict, and keep the run in a folder: run.json (how
to repeat it), history.jsonl (a line an epoch) and checkpoint.pt.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `train`."""
    recipe = add_recipe_flags(parser)
    seed = "decides every random draw; the same seed, the same run"
    add_setting(recipe, "--seed", seed, type=natural)
    data = add_data_flags(parser)
    add_holdout(data)
    drawn = "where no mirror answers, go on with drawn digits, and say so"
    add_switch(data, "--or-synthetic", drawn)
    machine = add_machine_flags(parser)
    several = (
        "train in N processes that share every batch; the same as torchrun --standalone "
        "--nproc-per-node N -m tinytrain train"
    )
    machine.add_argument("--workers", type=positive, default=1, metavar="N", help=several)
    new = "the run's folder, new or empty (default: runs/DATASET-RECIPE-OVERRIDDEN-seedN)"
    add_path(machine, "--run-dir", new)
    same = "continue the run in --run-dir, to the very result it would have had uninterrupted"
    add_switch(machine, "--resume", same)
    add_switch(parser, "--require-target", "exit with status 1 unless the target is met")


def run(options: argparse.Namespace) -> None:
    """Train by a recipe, or go on with a run; print the log and the verdict.

    With several workers this is done by each, and worker 0 prints and saves.
    """
    from tinytrain.workers.group import joined, started

    if options.workers > 1 and not started():
        from tinytrain.cli.launch import launch  # only here: it takes a while to import

        launch(options)
        return
    with joined() as workers:
        if options.workers not in (1, workers.count):
            raise UsageError(
                f"--workers {options.workers}: torchrun started {workers.count}; leave it out"
            )
        train_with(options, workers)


def train_with(options: argparse.Namespace, workers: Workers) -> None:
    """`train` as one of the workers, which may be the only one."""
    from tinytrain import data
    from tinytrain.cli.begin import begun, restarted, resumed
    from tinytrain.nn.inspect import parameter_count
    from tinytrain.train import keep_freed_memory, log
    from tinytrain.train.target import reason_not_judged, verdict

    keep_freed_memory()
    again = options.resume or restarted(options)
    with (resumed if again else begun)(options, workers) as run:
        settings, training, dataset, folder = run
        log.print_net(training.net, settings.image_shape)
        root = data.data_root(options.data_dir).resolve()
        place = ["--run-dir", str(folder), "--data-dir", str(root)]
        place += ["--workers", str(workers.count)] * (workers.count > 1)
        resume = shlex.join([sys.executable, "-m", "tinytrain", "train", "--resume", *place])
        try:
            with signals.wished() as workers.stop:
                finished = follow(training, dataset, settings, folder, workers)
        except KeyboardInterrupt as error:
            advice = f"interrupted twice; from its last save it goes on: {resume}"
            raise Interrupted(advice, signals.number(error)) from error
        except Lost as error:
            raise Lost(f"{error}; from its last save the run goes on: {resume}") from error
        if workers.rank:
            return
        if not finished:
            advice = f"interrupted; the run is saved, and goes on with: {resume}"
            raise Interrupted(advice, workers.stopping)
    accuracies = [epoch.test_accuracy for epoch in training.history]
    reason = reason_not_judged(settings.dataset, settings.holdout, len(accuracies))
    judged = verdict(accuracies, parameter_count(training.net), reason)
    print(f"{judged.text}\nThe run is in {folder}")
    if options.require_target and not judged.met:
        raise TargetMissed("--require-target: the target is not met")


def follow(
    training: Training, dataset: Dataset, settings: Settings, folder: Path, workers: Workers
) -> bool:
    """Train to the end: show, save, maybe stop. False if a stop was asked for before the end.

    What is not finite is not saved, and images may be gone meanwhile: Diverged or DataError names
    what the folder keeps.
    """
    from tinytrain.runs import run_folder
    from tinytrain.train import Epoch, log, loop

    shown = log.Log("Holdout set" if settings.holdout else "Test set")
    saved = (training.epoch, training.batch)
    try:
        for event in loop.fit(training, dataset, workers):
            stopping = workers.stopping and training.epoch <= training.epochs
            if stopping or isinstance(event, Epoch):
                training.require_finite_state()
                if workers.rank == 0:
                    run_folder.save(folder, settings, training)
                saved = (training.epoch, training.batch)
            with suppress(OSError) if stopping else nullcontext():  # a terminal may have closed
                shown.show(event)
                if isinstance(event, Epoch):
                    warn_of_guessing(event, training, dataset.train)
                if stopping:
                    shown.close()
            if stopping:
                return False
    except (Diverged, DataError) as error:
        shown.close()
        place = f"before step {saved[1] + 1} of epoch {saved[0]}"
        raise type(error)(f"{error}; {folder} keeps the run as it was {place}") from error
    return True


def warn_of_guessing(epoch: Epoch, training: Training, split: Split) -> None:
    """Say so where the first hundred steps, and the rest of their epoch, have taught nothing.

    Who knows only how frequent each class is, and says that of every image, has a loss that is the
    entropy of the labels. A net that learns is below it by more than a hundredth.
    """
    import torch

    if epoch.epoch != math.ceil(100 / math.ceil(len(split) / training.batch_size)):
        return
    guessing = float(torch.special.entr(split.labels.bincount() / len(split)).sum())
    if epoch.train_loss > 0.99 * guessing > 0:
        print(
            f"WARNING: nothing is learned: the training loss is {epoch.train_loss:.4f}, that of "
            f"guessing {guessing:.4f}; try another rate (--lr, now {training.lr:g})\n"
        )
