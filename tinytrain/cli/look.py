"""A data set before anything is trained on it: is it there and whole, and what is in it?

Ten minutes with the data save a day with the net: a class with few images, a test set of another
kind, a picture that lies on its side are all seen at once here, and never in a loss.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from tinytrain import data
from tinytrain.data.datasets import Dataset, load_source
from tinytrain.errors import DataError, UsageError
from tinytrain.plots import drawing
from tinytrain.plots.samples import samples
from tinytrain.store import manifest
from tinytrain.store.files import make_folder, read_file, require
from tinytrain.store.on_disk import StoredImages
from tinytrain.store.sources import MANIFEST, SOURCES, in_folder

NAMES = "classes.txt"  # of the classes, a line each, in the order of their labels


def verify_data(options: argparse.Namespace) -> None:
    """Verify a data set, downloading what is missing, and say where it is.

    `data verify` reads every byte; `data` as many as a run does.
    """
    own = Path(os.path.expanduser(options.dataset))
    if options.what == "verify" and options.dataset not in SOURCES and own.is_dir():
        dataset = manifest.verify(own, load_source)
    else:
        dataset = data.load(options.dataset, options.data_dir)
    folder = folder_of(dataset, options)
    checked = "whole; nobody published a digest to verify them by"
    if dataset.name in SOURCES:
        checked = "verified"
    elif (folder / MANIFEST).exists():
        checked = f"every byte as {MANIFEST} says"
        if options.what is None and isinstance(dataset.train.images, StoredImages):
            checked = f"unchanged since {MANIFEST} was written; `data verify` reads every byte"
    print(
        f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"in {folder}, {checked} (sha256 {dataset.digest})"
    )


def show_data(options: argparse.Namespace) -> None:
    """Print what a data set has, class by class, and draw some images of each."""
    dataset = data.load(options.dataset, options.data_dir)
    folder = folder_of(dataset, options)
    names = class_names(folder, dataset.classes)
    channels, height, width = dataset.train.images.shape[1:]
    print(f"folder    {folder}")
    print(f"images    uint8, {channels} × {height} × {width} (channels × height × width)")
    print(
        f"pixels    mean {dataset.mean:.4f}, deviation {dataset.std:.4f}, as numbers from 0 to 1"
    )
    print(f"digest    {dataset.digest}, of the sha256 of the plain files:")
    source = SOURCES.get(dataset.name) or in_folder(folder)
    for file, digest in zip(source.files, dataset.digests, strict=True):
        print(f"          {digest}  {file.name}")
    splits = (dataset.train, dataset.test)
    counts = [torch.bincount(split.labels, minlength=dataset.classes) for split in splits]
    wide = max(len("class"), *map(len, names))
    print(f"\n{'class':<{wide}}  training      test")
    for name, *count in zip(names, *(column.tolist() for column in counts), strict=True):
        print(f"{name:<{wide}}{count[0]:>10,}{count[1]:>10,}")
    print(f"{'all':<{wide}}{len(dataset.train):>10,}{len(dataset.test):>10,}\n")
    output = options.output or Path("runs") / f"{Path(dataset.name).name}-samples.png"
    try:
        figure = samples(dataset.train, names)
    except UsageError as error:
        if options.output is not None:
            raise
        print(f"No picture: {error}")
        return
    make_folder(output.parent)
    drawing.save(figure, output)
    print(f"Some images of each class are drawn into {output}")


def folder_of(dataset: Dataset, options: argparse.Namespace) -> Path:
    """The folder that the files of a set are in."""
    return data.data_root(options.data_dir) / dataset.name


def class_names(folder: Path, classes: int) -> list[str]:
    """The lines of the folder's classes.txt, where it has one; else 0, 1, 2, …

    Raises DataError where they are not as many as classes.
    """
    path = folder / NAMES
    if not path.exists():
        return [str(label) for label in range(classes)]
    try:
        names = read_file(path).decode(errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    require(len(names) == classes, path, f"a line for each of {classes} classes", len(names))
    return [f"{label} {name}" for label, name in enumerate(names)]
