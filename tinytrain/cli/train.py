"""The command `train`: begin a run or go on with one, show it, save it, judge it."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import torch

from tinytrain import data
from tinytrain.cli.begin import begun, restarted, resumed
from tinytrain.data import Dataset, Split
from tinytrain.errors import DataError, Diverged, Interrupted, Lost, TargetMissed, UsageError
from tinytrain.nn.inspect import parameter_count
from tinytrain.runs import run_folder, signals
from tinytrain.runs.settings import Settings
from tinytrain.train import Epoch, Training, keep_freed_memory, log, loop
from tinytrain.train.target import reason_not_judged, verdict
from tinytrain.workers.group import Workers, joined, started


def train(options: argparse.Namespace) -> None:
    """Train by a recipe, or go on with a run; print the log and the verdict.

    With several workers this is done by each, and worker 0 prints and saves.
    """
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
    if epoch.epoch != math.ceil(100 / math.ceil(len(split) / training.batch_size)):
        return
    guessing = float(torch.special.entr(split.labels.bincount() / len(split)).sum())
    if epoch.train_loss > 0.99 * guessing > 0:
        print(
            f"WARNING: nothing is learned: the training loss is {epoch.train_loss:.4f}, that of "
            f"guessing {guessing:.4f}; try another rate (--lr, now {training.lr:g})\n"
        )
