"""The command `train`: begin a run or go on with one, show it, save it, judge it.

A resumed run keeps its settings: a flag that would change them is refused here, other data in
`inputs`, a checkpoint of another run in `train.runs`.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import torch

from tinytrain import data, signals
from tinytrain.cli import recipe_files
from tinytrain.cli.inputs import (
    choose_device,
    chosen_recipe,
    load_dataset,
    load_same_data,
    require_fit,
    use_threads,
)
from tinytrain.data import Dataset, Split
from tinytrain.errors import DataError, Diverged, Interrupted, TargetMissed, UsageError
from tinytrain.nets import own
from tinytrain.nn.inspect import parameter_count
from tinytrain.train import Epoch, Training, build, keep_freed_memory, locks, log, loop, runs
from tinytrain.train.settings import Settings
from tinytrain.train.target import reason_not_judged, verdict


def train(options: argparse.Namespace) -> None:
    """Train by a recipe, or go on with a run; print the log and the verdict."""
    keep_freed_memory()
    with (resumed if options.resume else begun)(options) as (settings, training, dataset, folder):
        log.print_net(training.net, settings.image_shape)
        root = data.data_root(options.data_dir).resolve()
        place = ["--run-dir", str(folder), "--data-dir", str(root)]
        resume = shlex.join([sys.executable, "-m", "tinytrain", "train", "--resume", *place])
        try:
            with signals.wished() as stop:
                finished = follow(training, dataset, settings, folder, stop)
        except KeyboardInterrupt as error:
            advice = f"interrupted twice; from its last save it goes on: {resume}"
            raise Interrupted(advice, signals.number(error)) from error
        if not finished:
            advice = f"interrupted; the run is saved, and goes on with: {resume}"
            raise Interrupted(advice, stop.number)
    accuracies = [epoch.test_accuracy for epoch in training.history]
    reason = reason_not_judged(settings.dataset, settings.holdout, len(accuracies))
    judged = verdict(accuracies, parameter_count(training.net), reason)
    print(f"{judged.text}\nThe run is in {folder}")
    if options.require_target and not judged.met:
        raise TargetMissed("--require-target: the target is not met")


Run = tuple[Settings, Training, Dataset, Path]  # and the folder that it is in


@contextmanager
def begun(options: argparse.Namespace) -> Iterator[Run]:
    """A new run, as the flags say; what they say is checked before any data is fetched.

    Within this context, as within that of `resumed`, no other process works in its folder.
    """
    recipe = chosen_recipe(options)
    device, threads = choose_device(options.device), use_threads(options.threads)
    training = build.start(recipe, options.seed, device)
    if options.run_dir is not None:
        locks.require_free(options.run_dir)
        runs.require_unused(options.run_dir)
    dataset = load_dataset(options, recipe)
    require_fit(training, dataset)
    settings = Settings(
        recipe=recipe,
        dataset=dataset.name,
        data_digest=dataset.digest,
        mean=dataset.mean,
        std=dataset.std,
        holdout=dataset.holdout,
        seed=options.seed,
        device=device,
        threads=threads,
        fold=options.fold,
        image_shape=tuple(dataset.train.images.shape[1:]),
        net_digest=own.digest(recipe.net),
    )
    tested = recipe_files.tested_on(options.holdout, options.fold)
    label = recipe_files.label(options.recipe, recipe)
    name = f"{recipe_files.plain(settings.dataset)}-{label}{tested}-seed{settings.seed}"
    folder = options.run_dir or runs.fresh_folder(Path("runs"), name)
    words = recipe_files.self_contained(options.words, options.recipe)
    command = shlex.join(["python", "-m", "tinytrain", *words])
    with locks.held(folder):
        runs.create(folder, settings, training, command)
        yield settings, training, dataset, folder


@contextmanager
def resumed(options: argparse.Namespace) -> Iterator[Run]:
    """The run in --run-dir, where it stands; a flag that would change it raises UsageError."""
    folder = options.run_dir
    if folder is None:
        raise UsageError("--resume: name the run's folder with --run-dir")
    settings = runs.read_settings(folder)
    if options.given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(options.given))
        raise UsageError(
            f"{flags}: a resumed run keeps its settings ({folder / 'run.json'}); leave it out, "
            "or start a new run in another --run-dir"
        )
    choose_device(settings.device, f"{folder} was begun on")
    use_threads(settings.threads, f"{folder} was begun with threads:")
    runs.require_unchanged(settings)
    training = build.start(runs.recipe_of(folder, settings), settings.seed, settings.device)
    locks.require_free(folder)
    dataset = load_same_data(options, settings)
    with locks.held(folder):
        runs.restore(folder, settings, training)
        if training.batch > math.ceil(len(dataset.train) / training.batch_size):
            raise DataError(f"{folder / 'checkpoint.pt'}: state.batch: beyond the end of an epoch")
        runs.write_history(folder, training)
        yield settings, training, dataset, folder


def follow(
    training: Training, dataset: Dataset, settings: Settings, folder: Path, stop: signals.Stop
) -> bool:
    """Train to the end: show, save, maybe stop. False if `stop` was requested before the end.

    What is not finite is not saved: Diverged names what the folder keeps instead.
    """
    shown = log.Log("Holdout set" if settings.holdout else "Test set")
    saved = (training.epoch, training.batch)
    try:
        for event in loop.fit(training, dataset):
            stopping = stop.requested and training.epoch <= training.epochs
            if stopping or isinstance(event, Epoch):
                training.require_finite_state()
                runs.save(folder, settings, training)
                saved = (training.epoch, training.batch)
            with suppress(OSError) if stopping else nullcontext():  # a terminal may have closed
                shown.show(event)
                if isinstance(event, Epoch):
                    warn_of_guessing(event, training, dataset.train)
                if stopping:
                    shown.close()
            if stopping:
                return False
    except Diverged as error:
        shown.close()
        place = f"before step {saved[1] + 1} of epoch {saved[0]}"
        raise Diverged(f"{error}; {folder} keeps the run as it was {place}") from error
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
