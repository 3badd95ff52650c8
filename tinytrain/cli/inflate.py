"""The command `data inflate`: many augmented copies of a training set, as a set of their own."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from tinytrain import data
from tinytrain.cli.convert import require_new
from tinytrain.cli.flags import given_fields
from tinytrain.cli.look import NAMES, folder_of
from tinytrain.data import inflate as inflation
from tinytrain.data import manifest
from tinytrain.data.files import whole_folder
from tinytrain.errors import UsageError
from tinytrain.train import build


def inflate(options: argparse.Namespace) -> None:
    """Write the copies, the test images as they are, and the manifest into a new folder."""
    output = require_new(options.output)
    augmentation = build.new_augmentation(replace(options.recipe.recipe, **given_fields(options)))
    if augmentation is None:
        raise UsageError(
            f"--recipe {options.recipe}: changes no image, so all copies would be the same; give "
            "--rotation, --shift, --scale or --shear"
        )
    dataset = data.load(options.dataset, options.data_dir)
    count = options.copies * len(dataset.train)
    require_room(output, dataset, options.copies)
    names = folder_of(dataset, options) / NAMES
    with whole_folder(output) as folder:
        if names.exists():
            shutil.copyfile(names, folder / NAMES)
        with tqdm(total=count, unit="image", disable=None) as bar:
            for written in inflation.write_files(
                folder, dataset, options.copies, augmentation, options.seed
            ):
                bar.update(written)
        print("Reading all of it back")
        made = manifest.verify(folder)
    print(
        f"{len(made.train):,} training images, {options.copies} augmented copies of "
        f"{dataset.name}'s, and its {len(made.test):,} test images are in {output} "
        f"(sha256 {made.digest})"
    )


def require_room(output: Path, dataset: data.Dataset, copies: int) -> None:
    """Raise UsageError where so many copies are more than a file or the disk can hold."""
    shape = dataset.train.images.shape
    place = next(path for path in output.parents if os.path.exists(path))
    needed, free = copies * math.prod(shape), shutil.disk_usage(place).free
    if needed > free or copies * shape[0] >= 1 << 32:
        raise UsageError(
            f"--copies {copies}: of {shape[0]:,} images they take {needed / 2**30:,.1f} GiB, and "
            f"{place} has {free / 2**30:,.1f} free; make fewer, or name another --output"
        )
