"""From what the flags say to what they mean: a recipe, a device, a data set."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace

import torch

from tinytrain.data import sets
from tinytrain.data.sets import Dataset
from tinytrain.errors import DataError, Unavailable, UsageError
from tinytrain.nn.inspect import output_shape
from tinytrain.recipes import Recipe
from tinytrain.train import build
from tinytrain.train.runs import Settings
from tinytrain.train.state import Training


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


def load_dataset(options: argparse.Namespace, recipe: Recipe) -> Dataset:
    """The data set of the flags, as the recipe wants it.

    With --or-synthetic it is drawn digits where no mirror answers.
    """
    try:
        dataset = sets.load(options.dataset, options.data_dir, options.holdout)
    except Unavailable as error:
        if not options.or_synthetic:
            raise
        print(f"tinytrain: {error}", file=sys.stderr)
        dataset = sets.load("synthetic", options.data_dir, options.holdout)
    warn_of_synthetic(dataset)
    return build.dataset(recipe, dataset)


def require_fit(training: Training, dataset: Dataset) -> None:
    """Raise UsageError where the images do not suit the net."""
    try:
        output_shape(training.net, tuple(dataset.train.images.shape[1:]))
    except ValueError as error:
        raise UsageError(f"--dataset {dataset.name}: does not suit the net: {error}") from error


def load_same_data(options: argparse.Namespace, settings: Settings) -> Dataset:
    """The data that a run began with, as its recipe wants it.

    Raises DataError where it is other data now.
    """
    dataset = sets.load(settings.dataset, options.data_dir, settings.holdout)
    if dataset.digest != settings.data_digest:
        root = sets.data_root(options.data_dir)
        raise DataError(
            f"{root / dataset.name}: not the images that the run {options.run_dir} began with; "
            "name their folder with --data-dir"
        )
    warn_of_synthetic(dataset)
    return build.dataset(settings.recipe, dataset)


def warn_of_synthetic(dataset: Dataset) -> None:
    """Say loudly where the images are not what people expect."""
    if dataset.name == "synthetic":
        print("THIS IS NOT MNIST: the images of this run are digits that tinytrain draws itself.")


def override(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with those of its fields that a flag gives."""
    names = [field.name for field in fields(Recipe)]
    given = {name: getattr(options, name, None) for name in names}
    return replace(recipe, **{name: value for name, value in given.items() if value is not None})
