"""The command `data`: verify a data set, show what is in it, or convert images into one."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_data_flags, add_path, number, size, truth
from tinytrain.errors import UsageError

if TYPE_CHECKING:
    from tinytrain.data import Dataset
    from tinytrain.store.labelled import Found, Labelled
    from tinytrain.store.sources import Source

HELP = "Verify a data set, downloading first what is missing, and say where it is."
CONVERT = """\
make a data set, four IDX files in a folder, of images in other forms; SOURCE is
  a folder           with train/CLASS/*.png and test/CLASS/*.png (or .jpg), or with CLASS/*.png
                     and --test-share 0.2; needs Pillow (pip install '.[images]')
  one .npz           with x_train, y_train, x_test, y_test, or train_images, train_labels, …
  .npy or IDX files  with names that say so: x_train.npy y_train.npy x_test.npy y_test.npy
  CSV files          of lines "label, pixel, pixel, …": mnist_train.csv mnist_test.csv; columns
                     are told by names and numbers, or by --header and --label-column
Pixels are whole numbers from 0 to 255 and stay what they are: grey (N, H, W), colour (N, 3, H, W)
or (N, H, W, 3). Labels are 0 to 255. A validation set is the test where there is no other, else
left out. torchvision's ROOT/MNIST/raw needs no converting: train --data-dir ROOT. EMNIST, whose
images are transposed, is converted by
  data convert emnist-letters-*-ubyte.gz --transpose --output emnist-letters
"""


def add_flags(parser: Parser) -> None:
    """The flags of `data`, `data info` and `data convert`."""
    add_data_flags(parser)
    parser.set_defaults(action=verify)
    commands = parser.add_subparsers(dest="what", metavar="info | convert", title="or")
    help = "show what is in a data set: classes, counts, sizes, mean, digests, some images"
    info = commands.add_parser("info", help=help, description=help, allow_abbrev=False)
    add_data_flags(info, data_dir=argparse.SUPPRESS)  # flags before `info` count, too
    add_path(info, "--output", "the picture of some images (default: runs/NAME-samples.png)")
    info.set_defaults(parser=info, action=show)
    help, form = CONVERT.partition(";")[0], argparse.RawDescriptionHelpFormatter
    other = commands.add_parser(
        "convert", help=help, description=CONVERT, formatter_class=form, allow_abbrev=False
    )
    other.set_defaults(parser=other, action=convert)
    add_path(other, "sources", "see above", nargs="+", metavar="SOURCE")
    add_path(other, "--output", "the new folder; train with --dataset FOLDER", required=True)
    flag = other.add_argument
    share = "where no name says what is the test: this share of every class, always the same"
    flag("--test-share", type=number(float, 0.001, 0.999), help=share, metavar="SHARE")
    high = (
        "the size of images that are only a row of pixels (default: they are square); pictures "
        "are resized to it"
    )
    flag("--size", type=size, metavar="HEIGHTxWIDTH", help=high)
    flag("--transpose", action="store_true", help="swap rows and columns")
    first = "CSV: whether the first line has the names of the columns (default: as it looks)"
    flag("--header", type=truth, help=first, metavar="yes|no")
    label = "CSV: the label's column, its name or its number from 0; -1 is the last"
    flag("--label-column", help=label, metavar="COLUMN")
    drop = "CSV: columns to leave out, separated by commas; '' for none (default: an index)"
    flag("--drop-columns", type=column_list, help=drop, metavar="COLUMNS")
    behind = "pictures: the colour behind what is transparent, such as white or '#ffffff'"
    flag("--flatten", type=colour, help=behind, metavar="COLOUR")
    flag("--grey", action="store_true", help="pictures: make colour grey")


def column_list(text: str) -> list[str]:
    """The argparse type of "0,id": columns by number or name."""
    return [name.strip() for name in text.split(",") if name.strip()]


def colour(text: str) -> str:
    """The argparse type of a colour; without Pillow, reading pictures says that it is missing."""
    with suppress(ImportError):
        from PIL import ImageColor

        ImageColor.getrgb(text)
    return text


def run(options: argparse.Namespace) -> None:
    """Verify a data set, show what is in it, or make one."""
    options.action(options)


def loaded(options: argparse.Namespace) -> tuple[Dataset, Source, Path]:
    """The data set, what is known of its files, and their folder."""
    from tinytrain import data
    from tinytrain.store import sources

    dataset = data.load(options.dataset, options.data_dir)
    source = sources.find_source(options.dataset)
    return dataset, source, sources.folder_of(source, data.data_root(options.data_dir))


def verify(options: argparse.Namespace) -> None:
    """Verify a data set, downloading what is missing, and say where it is."""
    from tinytrain.store.sources import SOURCES

    dataset, source, folder = loaded(options)
    checked = "verified" if source.name in SOURCES else "whole (no published digest)"
    print(
        f"{dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"in {folder}, {checked} (sha256 {dataset.digest})"
    )


def show(options: argparse.Namespace) -> None:
    """Print what a data set has, class by class, and draw some images of each class."""
    import torch

    from tinytrain.plots import drawing, samples
    from tinytrain.store.sources import class_names

    dataset, source, folder = loaded(options)
    names = class_names(folder, dataset.classes)
    channels, height, width = dataset.train.images.shape[1:]
    print(f"folder    {folder}")
    print(f"images    uint8, {channels} × {height} × {width} (channels × height × width)")
    print(
        f"pixels    mean {dataset.mean:.4f}, deviation {dataset.std:.4f}, as numbers from 0 to 1"
    )
    print(f"digest    {dataset.digest}, of the sha256 of the plain files:")
    for file, digest in zip(source.files, dataset.digests, strict=True):
        print(f"          {digest}  {file.name}")
    train, test = (
        torch.bincount(split.labels, minlength=dataset.classes).tolist()
        for split in (dataset.train, dataset.test)
    )
    wide = max(len("class"), *map(len, names))
    print(f"\n{'class':<{wide}}  training      test")
    rows = [*zip(names, train, test, strict=True), ("all", sum(train), sum(test))]
    for name, in_train, in_test in rows:
        print(f"{name:<{wide}}{in_train:>10,}{in_test:>10,}")
    output = options.output or Path("runs") / f"{Path(dataset.name).name}-samples.png"
    try:
        figure = samples.samples(dataset.train, names)
    except UsageError as error:  # no matplotlib, which matters only to those who ask for it
        if options.output is not None:
            raise
        print(f"\nNo picture: {error}")
        return
    drawing.save(figure, output)
    print(f"\nSome images of each class are drawn into {output}")


def convert(options: argparse.Namespace) -> None:
    """Write the images of the sources as IDX files into a new folder."""
    from tinytrain.data import load
    from tinytrain.store import idx
    from tinytrain.store.files import whole_folder, write_file

    output = options.output.resolve()
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UsageError(f"--output {options.output}: is there already; name a new folder")
    found = read(options)
    splits = splits_of(found, options)
    with whole_folder(output) as folder:
        for name, split in splits.items():
            idx.write_pair(folder, name, split.images, split.labels)
        if found.names:
            write_file(folder / "classes.txt", "".join(f"{name}\n" for name in found.names))
        dataset = load(folder)  # which refuses files that do not go together
    if found.left_out:
        print(f"Left out: {', '.join(found.left_out)}")
    shape = " × ".join(map(str, dataset.train.images.shape[1:]))
    print(
        f"{len(dataset.train):,} training and {len(dataset.test):,} test images of "
        f"{dataset.classes} classes, {shape}, are in {output} (sha256 {dataset.digest})"
    )
    look, train = (
        shlex.join(["python", "-m", "tinytrain", *words, "--dataset", str(output)])
        for words in (["data", "info"], ["train", "--recipe", "own-data"])
    )
    print(f"Look at them: {look}\nTrain on them: {train}")


def read(options: argparse.Namespace) -> Found:
    """Read the images in the sources. Raises DataError for what cannot be read or is incomplete.

    Raises UsageError for sources that do not go together, or flags that do not go with them.
    """
    from tinytrain.store import named_arrays, picture_folder, tables
    from tinytrain.store.files import require
    from tinytrain.store.pictures import exact_pixels

    sources: list[Path] = options.sources
    for path in sources:
        require(path.exists(), path, "a file or a folder", "nothing there")
    kinds = {"folder" if path.is_dir() else path.suffix.lower() for path in sources}
    layout = tables.Layout(options.header, options.label_column, options.drop_columns)
    if kinds != {".csv"} and layout != tables.Layout():
        raise UsageError("--header, --label-column, --drop-columns: for CSV files only")
    if kinds != {"folder"} and (options.flatten or options.grey):
        raise UsageError("--flatten, --grey: for pictures only")
    if kinds == {".csv"}:
        return tables.read_tables(sources, layout)
    if kinds & {"folder", ".npz", ".csv"} and len(sources) > 1:
        raise UsageError(
            f"{' '.join(map(str, sources))}: expected one folder of images, one .npz, or files of "
            "one kind: .npy or IDX, a file for images and one for labels, or .csv"
        )
    if ".mat" in kinds:
        raise UsageError(
            f"{sources[0]}: MATLAB's form is not read; EMNIST's gzip.zip has it as IDX files: "
            "data convert emnist-letters-*-ubyte.gz --transpose --output emnist-letters"
        )
    if kinds == {"folder"}:
        if file := next(sources[0].rglob("*-ubyte*"), None):
            raise UsageError(
                f"{sources[0]}: has IDX files, not pictures: train --dataset {file.parent}"
            )
        changes = {"flatten": options.flatten, "size": options.size, "to_grey": options.grey}
        return picture_folder.read_folder(sources[0], partial(exact_pixels, **changes))
    return (
        named_arrays.read_npz(sources[0])
        if kinds == {".npz"}
        else named_arrays.read_files(sources)
    )


def splits_of(found: Found, options: argparse.Namespace) -> Mapping[str, Labelled]:
    """Images and labels of train and test, by the flags --size, --transpose and --test-share."""
    from tinytrain.store import labelled

    size = None if found.names else options.size  # pictures have it already
    splits = {
        name: labelled.as_arrays(split, size, options.transpose)
        for name, split in found.splits.items()
    }
    if len(splits) == 2:
        if options.test_share is not None:
            raise UsageError(f"--test-share: not needed: {splits['test'].place} is the test")
        return splits
    [split] = splits.values()
    if options.test_share is None:
        raise UsageError(
            f"--test-share: needed, such as --test-share 0.2: {split.place} is all there is, "
            "and no name says which of it is for the test"
        )
    return labelled.divided(split, options.test_share)
