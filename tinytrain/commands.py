"""What each command of the command line does, with the parts of the engine."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from dataclasses import fields, replace
from pathlib import Path

import torch

from tinytrain import build, log, loop, mnist, nets, plots, runs
from tinytrain import seeds as many_seeds
from tinytrain.errors import DataError, Interrupted, TargetMissed, Unavailable, UsageError
from tinytrain.memory import keep_freed_memory
from tinytrain.mnist import Dataset
from tinytrain.nn.inspect import output_shape, parameter_count
from tinytrain.nn.receptive_field import measured_field, receptive_field
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.runs import Settings
from tinytrain.training import Batch, Training


def train(options: argparse.Namespace) -> None:
    """Train by a recipe, or go on with a run; print the log and the verdict."""
    keep_freed_memory()
    if options.resume:
        settings, training, dataset, folder = resumed(options)
    else:
        settings, training, dataset, folder = begun(options)
    log.print_net(training.net)
    with Stop() as stop:
        finished = follow(training, dataset, settings, folder, stop)
    if not finished:
        root = mnist.data_root(options.data_dir).resolve()
        place = ["--run-dir", str(folder), "--data-dir", str(root)]
        command = [sys.executable, "-m", "tinytrain", "train", "--resume", *place]
        raise Interrupted(
            f"interrupted; the run is saved, and goes on with: {shlex.join(command)}"
        )
    accuracies = [epoch.test_accuracy for epoch in training.history]
    parameters = parameter_count(training.net)
    met = log.print_verdict(accuracies, parameters, reason_not_judged(settings))
    print(f"The run is in {folder}")
    if options.require_target and not met:
        raise TargetMissed("--require-target: the target is not met")


def begun(options: argparse.Namespace) -> tuple[Settings, Training, Dataset, Path]:
    """A new run, as the flags say; what they say is checked before any data is fetched."""
    recipe = override(RECIPES[options.recipe], options)
    device = choose_device(options.device)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    training = build.training(recipe, options.seed, device)
    if options.run_dir is not None:
        runs.require_unused(options.run_dir)
    dataset = load_dataset(options)
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
    settings = runs.load_settings(folder)
    allowed = {"--resume", "--run-dir", "--data-dir", "--require-target", "--or-synthetic"}
    for word in options.arguments:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in allowed:
            raise UsageError(
                f"{flag}: a resumed run keeps its settings ({folder / 'run.json'}); leave it out, "
                "or start a new run in another --run-dir"
            )
    choose_device(settings.device, f"{folder} was begun on")
    torch.set_num_threads(settings.threads)
    training = build.training(settings.recipe, settings.seed, settings.device)
    dataset = load_same_data(options, settings)
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


def load_dataset(options: argparse.Namespace) -> Dataset:
    """The data set of the flags; with --or-synthetic, drawn digits where no mirror answers."""
    try:
        dataset = mnist.load(options.dataset, options.data_dir, options.holdout)
    except Unavailable as error:
        if not options.or_synthetic:
            raise
        print(f"tinytrain: {error}", file=sys.stderr)
        dataset = mnist.load("synthetic", options.data_dir, options.holdout)
    warn_of_synthetic(dataset)
    return dataset


def require_fit(training: Training, dataset: Dataset) -> None:
    """Raise UsageError where the images do not suit the net."""
    try:
        output_shape(training.net, tuple(dataset.train.images.shape[1:]))
    except ValueError as error:
        raise UsageError(f"--dataset {dataset.name}: does not suit the net: {error}") from error


def load_same_data(options: argparse.Namespace, settings: Settings) -> Dataset:
    """The data that a run began with. Raises DataError where it is other data now."""
    dataset = mnist.load(settings.dataset, options.data_dir, settings.holdout)
    if dataset.digest != settings.data_digest:
        root = mnist.data_root(options.data_dir)
        raise DataError(
            f"{root / dataset.name}: not the images that the run {options.run_dir} began with; "
            "name their folder with --data-dir"
        )
    warn_of_synthetic(dataset)
    return dataset


def warn_of_synthetic(dataset: Dataset) -> None:
    """Say loudly where the images are not what people expect."""
    if dataset.name == "synthetic":
        print("THIS IS NOT MNIST: the images of this run are digits that tinytrain draws itself.")


def override(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with those of its fields that a flag gives."""
    names = [field.name for field in fields(Recipe)]
    given = {name: getattr(options, name, None) for name in names}
    return replace(recipe, **{name: value for name, value in given.items() if value is not None})


def reason_not_judged(settings: Settings) -> str | None:
    """Why the target cannot be judged by this run, or None where it can."""
    if settings.dataset == "synthetic":
        return "the digits were drawn by tinytrain, this is not MNIST"
    if settings.dataset != "mnist":
        return f"the target is for MNIST, this is {settings.dataset}"
    if settings.holdout:
        return f"tested on {settings.holdout:,} held-out training images, not on the test set"
    return None


def choose_device(name: str, flag: str = "--device") -> str:
    """`name`, or for "auto" the first present of CUDA, MPS and the CPU.

    Raises UsageError for other kinds, and for a device that is not here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    present = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in present or (index and not index.isdecimal()):
        raise UsageError(f"{flag} {name}: expected auto, cpu, cuda, cuda:N or mps")
    if int(index or 0) >= present[kind]:
        raise UsageError(f"{flag} {name}: there is no such device here; auto takes what there is")
    return name


def seeds(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print what they show, and keep it as record.json."""
    recipe = override(RECIPES[options.recipe], options)
    build.training(recipe, 0)  # a wrong value is told before anything starts
    mnist.load(options.dataset, options.data_dir, options.holdout)  # once, not in every process
    folder = options.run_dir or Path("runs") / f"seeds-{options.dataset}-{options.recipe}"
    many_seeds.require_same_recipe(folder, options.seeds, recipe, options.dataset, options.holdout)
    arguments = [f"--recipe={options.recipe}", f"--dataset={options.dataset}"]
    for flag in ("net", "epochs", "batch_size", "lr", "data_dir", "holdout"):
        value = getattr(options, flag)
        if value:
            arguments.append(f"--{flag.replace('_', '-')}={value}")
    many_seeds.train_all(folder, options.seeds, recipe.epochs, options.jobs, arguments)
    command = shlex.join(["python", "-m", "tinytrain", *options.arguments])
    runs.write(folder / "record.json", many_seeds.record(folder, options.seeds, command))
    histories = [runs.load_history(folder / f"seed-{seed}") for seed in options.seeds]
    print(many_seeds.table(options.seeds, histories))
    print(f"The record is {folder / 'record.json'}")


def evaluate(options: argparse.Namespace) -> None:
    """Print the loss and accuracy of a run's net on its test images."""
    settings = runs.load_settings(options.run_dir)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    training = build.training(settings.recipe, settings.seed, choose_device(options.device))
    runs.restore(options.run_dir, settings, training)
    dataset = load_same_data(options, settings)
    net = training.average.net if training.average else training.net
    test = loop.on_device(dataset.test, training.weights.device)
    score = loop.evaluate(net, test, settings.mean, settings.std)
    name = "Holdout set" if settings.holdout else "Test set"
    print(log.score_line(score, name))


def summary(options: argparse.Namespace) -> None:
    """Print a net's table, its parameters and the receptive fields of its layers."""
    net = nets.build(options.net)
    log.print_net(net)
    print("\nReceptive fields, in pixels; what the middle place sees, by formula and by gradient:")
    heads = ("layer", "size", "jump", "start", "field", "formula", "measured")
    print("{:<12}{:>6}{:>6}{:>7}{:>7}{:>12}{:>12}".format(*heads))
    image, *fields = receptive_field(net)
    for field in fields:
        middle = field.size // 2
        formula, measured = (
            f"{first} to {last}"
            for first, last in (
                field.span(middle, image.size),
                measured_field(net, field.name, middle, image.size),
            )
        )
        print(
            f"{field.name:<12}{field.size:>6}{field.jump:>6}{field.start:>7g}{field.field:>7}"
            f"{formula:>12}{measured:>12}"
        )


def plot(options: argparse.Namespace) -> None:
    """Draw the test accuracy of runs by epoch."""
    names = [run.resolve().name for run in options.runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in options.runs]
    histories = dict(zip(names, map(runs.load_history, options.runs), strict=True))
    plots.curves(histories, options.output)
    print(f"Drawn into {options.output}")


def data(options: argparse.Namespace) -> None:
    """Verify a data set, downloading what is missing, and say where it is."""
    dataset = mnist.load(options.dataset, options.data_dir)
    folder = mnist.data_root(options.data_dir) / dataset.name
    print(
        f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"in {folder}, verified (sha256 {dataset.digest})"
    )
