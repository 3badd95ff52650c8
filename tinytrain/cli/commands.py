"""What each command of the command line does, with the parts of the engine."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from tinytrain import nets
from tinytrain.cli import inputs
from tinytrain.cli import seeds as many_seeds
from tinytrain.cli.train import train
from tinytrain.cli.words import seed_text
from tinytrain.course import ladder as ladders
from tinytrain.course import at_work, page, published, readme, records
from tinytrain.data import files, sets
from tinytrain.data.sets import Dataset
from tinytrain.errors import DataError, UsageError
from tinytrain.nn import Module
from tinytrain.nn.receptive_field import measured_field, receptive_field
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.train import build, log, loop, plots, runs
from tinytrain.train.spread import as_text
from tinytrain.train.target import reason_not_judged

__all__ = [
    "course",
    "data",
    "evaluate",
    "export",
    "gallery",
    "ladder",
    "plot",
    "seeds",
    "summary",
    "train",
]


def seeds(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print what they show, and keep it as record.jsonl."""
    recipe = inputs.override(RECIPES[options.recipe], options)
    folder = options.run_dir or Path("runs") / f"seeds-{options.dataset}" / options.recipe
    arguments = [f"--recipe={options.recipe}"]
    for flag in ("net", "epochs", "batch_size", "lr"):
        value = getattr(options, flag)
        if value:
            arguments.append(f"--{flag.replace('_', '-')}={value}")
    train_seeds(options, [Series(folder, recipe, arguments, ["seeds", *arguments])])


def ladder(options: argparse.Namespace) -> None:
    """List the rungs, show the difference between two, or train some of them."""
    if options.rungs[:1] == ["diff"]:
        if len(options.rungs) != 3:
            raise UsageError("ladder diff: expected two rungs, such as: ladder diff net6 net7")
        print(ladders.diff(*map(ladders.rung, options.rungs[1:])))
        return
    rungs = ladders.all_rungs() if options.all else [ladders.rung(name) for name in options.rungs]
    if options.list or not rungs:
        print(ladders.as_text(rungs or ladders.all_rungs()))
        return
    root = options.run_dir or Path("runs") / "ladder"
    train_seeds(
        options,
        [
            Series(root / name, RECIPES[name], [f"--recipe={name}"], ["ladder", name])
            for name in (rung.name for rung in rungs)
        ],
    )


@dataclass(frozen=True)
class Series:
    """A recipe to be trained with several seeds: where, the words for `train`, and the command."""

    folder: Path
    recipe: Recipe
    arguments: list[str]
    command: list[str]


def train_seeds(options: argparse.Namespace, all_series: list[Series]) -> None:
    """Train recipes with every seed of the flags; print a table and keep a record for each."""
    sets.load(options.dataset, options.data_dir, options.holdout)  # once, not in every process
    if options.records:
        files.make_folder(options.records)
    device = inputs.choose_device(options.device)
    shared = [f"--dataset={options.dataset}", f"--holdout={options.holdout}"]
    shared.append(f"--device={device}")
    place = [f"--data-dir={options.data_dir}"] if options.data_dir else []
    jobs = []
    for series in all_series:
        build.start(series.recipe, 0)  # a wrong value is told before anything starts
        many_seeds.require_same_recipe(
            series.folder, options.seeds, series.recipe, options.dataset, options.holdout
        )
        arguments = [*series.arguments, *shared, *place]
        jobs += many_seeds.jobs_of(series.folder, options.seeds, series.recipe.epochs, arguments)
    many_seeds.train_all(jobs, options.jobs)
    for series in all_series:
        path = series.folder / "record.jsonl"
        if options.records:
            path = options.records / f"{series.folder.name}.jsonl"
        words = [*series.command, f"--seeds={seed_text(options.seeds)}", *shared]
        command = shlex.join(["python", "-m", "tinytrain", *words])
        records.write_record(path, records.collect(series.folder, options.seeds, command))
        settings = runs.read_settings(series.folder / f"seed-{options.seeds[0]}")
        accuracies = {}
        for seed in options.seeds:
            history = runs.read_history(series.folder / f"seed-{seed}")
            accuracies[seed] = [epoch.test_accuracy for epoch in history]
        shown = as_text(accuracies, reason_not_judged(settings))
        print(f"{series.folder.name}\n{shown}\nThe record is {path}\n")


def evaluate(options: argparse.Namespace) -> None:
    """Print the loss and accuracy of a run's net, or of the published one, on test images."""
    torch.set_num_threads(options.threads or torch.get_num_threads())
    device = inputs.choose_device(options.device)
    if options.run_dir is None:
        net, dataset = published_final(options.data_dir)
        net.to(device)
    else:
        settings, net = trained(options.run_dir, device)
        dataset = inputs.load_same_data(options, settings)
    test = loop.on_device(dataset.test, torch.device(device))
    score = loop.evaluate(net, test, dataset.mean, dataset.std)
    print(log.score_line(score, "Holdout set" if dataset.holdout else "Test set"))


def export(options: argparse.Namespace) -> None:
    """Write the weights of a run's net as a state dict."""
    settings, net = trained(options.run_dir, "cpu")
    published.export(net, options.output)
    upright = " (it was trained on upright digits: tinytrain.deskew)"
    print(f"Written to {options.output}{upright if settings.recipe.deskew else ''}")


def trained(run_dir: Path, device: str) -> tuple[runs.Settings, Module]:
    """The settings of a run, and its net: the averaged one, where weights are averaged."""
    settings = runs.read_settings(run_dir)
    training = build.start(settings.recipe, settings.seed, device)
    runs.restore(run_dir, settings, training)
    return settings, training.average.net if training.average else training.net


def published_final(data_dir: Path | None) -> tuple[Module, Dataset]:
    """The final net that comes with the code, and MNIST as its recipe wants it."""
    return published.final_net(), build.dataset(RECIPES["final"], sets.load("mnist", data_dir))


def course(options: argparse.Namespace) -> None:
    """Render the course's page; with --readme, the README's table and picture, too."""
    rungs, ablated, beyond = ladders.all_rungs(), ladders.ablations(), ladders.frontier()
    text = readme.with_tables(options.readme, rungs, ablated, beyond) if options.readme else None
    try:
        pictures = list(at_work.drawings(*published_final(options.data_dir)).values())
    except DataError as error:
        print(f"tinytrain: the final net is not shown at work: {error}", file=sys.stderr)
        pictures = []
    files.write_file(
        options.output, page.as_html(rungs, ablated, beyond, [draw() for draw in pictures])
    )
    print(f"The course is in {options.output}")
    if options.readme:
        files.write_file(options.readme, text)
        folder = options.readme.parent / "examples"
        for name, picture in readme.pictures(rungs).items():
            files.write_file(folder / name, picture)
        print(f"Rendered into {options.readme} and {folder}")


def gallery(options: argparse.Namespace) -> None:
    """Draw one of the pictures of a net at work."""
    if options.run_dir is None:
        net, dataset = published_final(options.data_dir)
        looks = RECIPES["final"].looks
    else:
        settings, net = trained(options.run_dir, "cpu")
        dataset = inputs.load_same_data(options, settings)
        looks = settings.recipe.looks
    title, figure = at_work.drawings(net, dataset, looks)[options.picture]()
    output = options.output or Path(f"{options.picture}.png")
    plots.save(figure, output)
    print(f"{title}: drawn into {output}")


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
    histories = dict(zip(names, map(runs.read_history, options.runs), strict=True))
    plots.save(plots.accuracy_by_epoch(histories), options.output)
    print(f"Drawn into {options.output}")


def data(options: argparse.Namespace) -> None:
    """Verify a data set, downloading what is missing, and say where it is."""
    dataset = sets.load(options.dataset, options.data_dir)
    folder = sets.data_root(options.data_dir) / dataset.name
    print(
        f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"in {folder}, verified (sha256 {dataset.digest})"
    )
