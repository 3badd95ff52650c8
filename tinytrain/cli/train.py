"""The command `train`: begin a run or go on with one, show it, save it, judge it."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

import torch

from tinytrain.cli import inputs
from tinytrain.data import sets
from tinytrain.data.sets import Dataset
from tinytrain.errors import Interrupted, TargetMissed, UsageError
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES
from tinytrain.train import build, log, loop, runs
from tinytrain.train.memory import keep_freed_memory
from tinytrain.train.runs import Settings
from tinytrain.train.state import Batch, Training
from tinytrain.train.target import reason_not_judged


def train(options: argparse.Namespace) -> None:
    """Train by a recipe, or go on with a run; print the log and the verdict."""
    keep_freed_memory()
    if options.resume:
        settings, training, dataset, folder = resumed(options)
    else:
        settings, training, dataset, folder = begun(options)
    log.print_net(training.net)
    root = sets.data_root(options.data_dir).resolve()
    place = ["--run-dir", str(folder), "--data-dir", str(root)]
    resume = shlex.join([sys.executable, "-m", "tinytrain", "train", "--resume", *place])
    try:
        with Stop() as stop:
            finished = follow(training, dataset, settings, folder, stop)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted twice; from its last save it goes on: {resume}") from error
    if not finished:
        raise Interrupted(f"interrupted; the run is saved, and goes on with: {resume}")
    accuracies = [epoch.test_accuracy for epoch in training.history]
    parameters = parameter_count(training.net)
    met = log.print_verdict(accuracies, parameters, reason_not_judged(settings))
    print(f"The run is in {folder}")
    if options.require_target and not met:
        raise TargetMissed("--require-target: the target is not met")


def begun(options: argparse.Namespace) -> tuple[Settings, Training, Dataset, Path]:
    """A new run, as the flags say; what they say is checked before any data is fetched."""
    recipe = inputs.override(RECIPES[options.recipe], options)
    device = inputs.choose_device(options.device)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    training = build.start(recipe, options.seed, device)
    if options.run_dir is not None:
        runs.require_unused(options.run_dir)
    dataset = inputs.load_dataset(options, recipe)
    inputs.require_fit(training, dataset)
    settings = Settings(
        recipe=recipe,
        dataset=dataset.name,
        data_digest=dataset.digest,
        mean=dataset.mean,
        std=dataset.std,
        holdout=dataset.holdout,
        seed=options.seed,
        device=device,
        threads=torch.get_num_threads(),
    )
    name = f"{settings.dataset}-{options.recipe}-seed{settings.seed}"
    folder = options.run_dir or runs.fresh_folder(Path("runs"), name)
    command = shlex.join(["python", "-m", "tinytrain", *options.arguments])
    runs.create(folder, settings, training, command)
    return settings, training, dataset, folder


def resumed(options: argparse.Namespace) -> tuple[Settings, Training, Dataset, Path]:
    """The run in --run-dir, where it stands; a flag that would change it raises UsageError."""
    folder = options.run_dir
    if folder is None:
        raise UsageError("--resume: name the run's folder with --run-dir")
    settings = runs.read_settings(folder)
    allowed = {"--resume", "--run-dir", "--data-dir", "--require-target", "--or-synthetic"}
    for word in options.arguments:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in allowed:
            raise UsageError(
                f"{flag}: a resumed run keeps its settings ({folder / 'run.json'}); leave it out, "
                "or start a new run in another --run-dir"
            )
    inputs.choose_device(settings.device, f"{folder} was begun on")
    torch.set_num_threads(settings.threads)
    training = build.start(settings.recipe, settings.seed, settings.device)
    dataset = inputs.load_same_data(options, settings)
    runs.restore(folder, settings, training)
    runs.write_history(folder, training)
    return settings, training, dataset, folder


def follow(
    training: Training, dataset: Dataset, settings: Settings, folder: Path, stop: Stop
) -> bool:
    """Train to the end, printing and saving; False if `stop` was requested before the end."""
    test_name = "Holdout set" if settings.holdout else "Test set"
    bar = None
    for event in loop.fit(training, dataset):
        if bar is None:
            log.print_epoch_start(event.epoch, event.lr)
            bar = log.TrainBar()
        if isinstance(event, Batch):
            bar.update(event)
        else:
            runs.save(folder, settings, training)
            print(log.score_line(event.score, test_name), "\n", sep="", flush=True)
            bar = None
        if stop.requested and training.epoch <= training.epochs:
            if bar is not None:
                bar.close()
            runs.save(folder, settings, training)
            return False
    return True


class Stop:
    """Within this context a first Ctrl-C asks to stop after the step; a second one kills."""

    requested = False

    def __enter__(self) -> Stop:
        self.previous = signal.signal(signal.SIGINT, self.request)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.signal(signal.SIGINT, self.previous)

    def request(self, *signal_and_frame: object) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, self.previous)
