"""Read images from CSV files, one a line: a label and its pixels, whole numbers from 0 to 255."""

from __future__ import annotations

import csv
import io
import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinytrain.errors import DataError, UsageError
from tinytrain.store.files import open_file, require
from tinytrain.store.labelled import Found, Labelled
from tinytrain.store.named_arrays import split_and_kind


def read_tables(paths: Sequence[Path]) -> Found:
    """The images in one CSV file, or in two, whose names say train and test."""
    splits = [split_and_kind(path.name)[0] for path in paths]
    if len(paths) > 1 and sorted(splits) != ["test", "train"]:
        raise UsageError(
            f"{' '.join(map(str, paths))}: expected one CSV file, or two with names that say "
            "train and test, such as mnist_train.csv mnist_test.csv"
        )
    return Found({split: read_table(path) for split, path in zip(splits, paths, strict=True)})


def read_table(path: Path) -> Labelled:
    """Images (N, P) and labels (N,), uint8, of a CSV file of N lines. Raises DataError.

    The label is the first number of a line. If the first line does not begin with a number, it is
    a header, and the label's column is the one that is called label or class.
    """
    try:
        with open_file(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # loadtxt warns of a file without numbers
            lines = io.TextIOWrapper(file, encoding="utf-8-sig")
            first = next(filter(str.strip, lines), "")
            names = [name.strip().lower() for name in next(csv.reader([first]), [""])]
            header = not names[0].isdecimal()
            if header:
                columns = [i for i, name in enumerate(names) if name in ("label", "class")]
                expected = "a number, or a header with one column named label or class"
                seen = ", ".join(names[:3])[:80] + ", …"
                require(len(columns) == 1, f"{path}, first line", expected, seen)
            table = np.loadtxt(
                lines if header else itertools.chain([first], lines),
                dtype=np.uint8,  # which refuses what is no whole number from 0 to 255
                delimiter=",",
                quotechar='"',
                comments=None,
                ndmin=2,
            )
    except DataError:
        raise
    except Exception as error:  # of many types: of the file, its encoding, its numbers
        reason = " ".join(str(error).partition(";")[0].split())[:300]
        expected = "lines of a label and pixels, whole numbers from 0 to 255"
        raise DataError(f"{path}: expected {expected}, found: {reason}") from error
    width = table.shape[1]
    require(width > 1, path, "a label and pixels in a line", "one number")
    require(not header or len(names) == width, path, f"{len(names)} numbers in a line", width)
    column = columns[0] if header else 0
    images, labels = np.delete(table, column, axis=1), table[:, column].copy()
    return Labelled(images, labels, str(path), str(path))
