"""Turn flags into the things they name: a device, a recipe, a data set, the net of a run."""

import argparse
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import torch

from tinytrain import data
from tinytrain.cli.recipe_files import FIELDS
from tinytrain.data import Dataset
from tinytrain.errors import DataError, Unavailable, UsageError
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES, Recipe
from tinytrain.recipes.changes import nearest, recipe_text
from tinytrain.results.trained_run import TrainedRun, load_run
from tinytrain.runs import user_file
from tinytrain.runs.settings import Settings
from tinytrain.store.sources import SOURCES

# Fields of a recipe, and the schedules that look at them.
USED_BY = {"step_size": ["step"], "gamma": ["step"], "warmup": ["warmup-linear", "one-cycle"]}


def choose_device(name: str, flag: str = "--device", tf32: bool = False) -> str:
    """`name`, or for "auto" the first present of CUDA, MPS and the CPU.

    On CUDA, kernels from now on are those that repeat bit for bit, in full float32 unless `tf32`.
    Raises UsageError for other kinds, and for a device that is not here.
    """
    if name == "auto":
        mps_or_cpu = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else mps_or_cpu
    kind, _, index = name.partition(":")
    mps = int(torch.backends.mps.is_available())
    present = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": mps}
    if kind not in present or not re.fullmatch("[0-9]{0,4}", index):
        raise UsageError(f"{flag} {name}: expected auto, cpu, cuda, cuda:N or mps")
    if int(index or 0) >= present[kind]:
        raise UsageError(f"{flag} {name}: there is no such device here; auto takes what there is")
    if kind == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = tf32  # in convolutions, where torch has it on
        torch.backends.cuda.matmul.allow_tf32 = tf32
    return name


def use_threads(count: int | None, flag: str = "--threads") -> int:
    """Have torch compute with so many CPU threads, or with as many as it takes; returns which.

    Raises UsageError for more than 8 a core: it breaks down over those that it cannot start.
    """
    most = 8 * (os.cpu_count() or 1)
    if count and count > most:
        raise UsageError(f"{flag} {count}: expected at most {most}, 8 for each core here")
    torch.set_num_threads(count or torch.get_num_threads())
    return torch.get_num_threads()


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe of the flags: a named one, or a file's, with those of its fields that are given.

    Raises UsageError for a field that the schedule does not use, and for a file's recipe that no
    training can begin with; it names the file.
    """
    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    recipe: Recipe = replace(options.recipe.recipe, **given)
    try:
        require_used(recipe, RECIPES[options.recipe.base])
        if options.recipe.in_file:
            # A function in a file may be for other images than MNIST's, so it waits for the data.
            net = Recipe().net if user_file.is_own(recipe.net) else recipe.net
            user_file.start(replace(recipe, net=net), 0)
    except UsageError as error:
        if options.recipe.in_file:
            raise UsageError(f"{options.recipe}: {error}") from error
        raise
    return recipe


def require_used(recipe: Recipe, base: Recipe) -> None:
    """Raise UsageError for a field, other than in `base`, that the schedule does not use."""
    for name, schedules in USED_BY.items():
        value = getattr(recipe, name)
        if value != getattr(base, name) and recipe.schedule not in schedules:
            flag, users = f"--{name.replace('_', '-')} {value:g}", " or ".join(schedules)
            raise UsageError(f"{flag}: needs --schedule {users}, found {recipe.schedule}")


def load_dataset(options: argparse.Namespace, recipe: Recipe) -> Dataset:
    """The data set of the flags, as the recipe wants it.

    With --or-synthetic it is drawn digits where no mirror answers.
    """
    where = (options.data_dir, options.holdout, recipe.deskew, options.fold)
    try:
        dataset = data.load(options.dataset, *where)
    except Unavailable as error:
        if not options.or_synthetic:
            raise
        print(f"tinytrain: {error}", file=sys.stderr)
        dataset = data.load("synthetic", *where)
    warn_of_synthetic(dataset)
    return dataset


def load_same_data(options: argparse.Namespace, settings: Settings) -> Dataset:
    """The data that a run began with, as its recipe wants it.

    A folder of the user's own is looked for where it was, and then by its name in --data-dir.
    Raises DataError where it is other data now.
    """
    where = (options.data_dir, settings.holdout, settings.recipe.deskew, settings.fold)
    name, root = settings.dataset, data.data_root(options.data_dir)
    places = [name] if name in SOURCES else [name, str(root / Path(name).name)]
    for place in places:
        if place in SOURCES or Path(place).is_dir():
            dataset = data.load(place, *where)
            if dataset.digest == settings.data_digest:
                warn_of_synthetic(dataset)
                return dataset
    raise DataError(
        f"{root / name}: not there, or not the images that the run {options.run_dir} began with; "
        f"name the folder that {Path(name).name} is in with --data-dir"
    )


def warn_of_synthetic(dataset: Dataset) -> None:
    """Print a warning where the images are drawn digits."""
    if dataset.name == "synthetic":
        print("THIS IS NOT MNIST: the images of this run are digits that tinytrain draws itself.")


def read_run(folder: Path | None, device: str = "cpu") -> TrainedRun:
    """`load_run`, with a warning where the run is not finished."""
    run = load_run(folder, device)
    if run.unfinished:
        print(f"tinytrain: {folder}: {run.unfinished}", file=sys.stderr)
    return run


def run_and_data(options: argparse.Namespace, device: str = "cpu") -> tuple[TrainedRun, Dataset]:
    """The run of --run-dir, as `read_run`, and the data that it was trained on."""
    run = read_run(options.run_dir, device)
    if options.run_dir is not None:
        return run, load_same_data(options, run.settings)
    recipe = run.settings.recipe
    return run, data.load(run.settings.dataset, options.data_dir, deskew=recipe.deskew)


def run_text(run_dir: Path | None, run: TrainedRun) -> str:
    """Describe a run's net in a line: its name and size, and the run that it comes from."""
    settings, recipe = run.settings, run.settings.recipe
    size = f"{recipe.net}, {parameter_count(run.net):,} parameters"
    if run_dir is None:
        return f"{size}, the final net that comes with tinytrain"
    weights = ", averaged weights" if recipe.ema else ""
    named = f"recipe {recipe_text(*nearest(recipe))}; seed {settings.seed}"
    return f"{size}{weights}, of {run_dir} ({named})"
