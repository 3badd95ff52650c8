"""Read images from CSV files, one a line: a label and its pixels, whole numbers from 0 to 255.

Columns are told by their names or their numbers. Where either could mislead, the file is refused,
with the flag of `data convert` that decides.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from tinytrain.errors import UsageError
from tinytrain.store.files import cut, open_file, reading, require
from tinytrain.store.idx import Array
from tinytrain.store.labelled import Found, Labelled, is_byte
from tinytrain.store.named_arrays import split_and_kind, with_a_test

LABELS = ("label", "class", "target")  # names of the label's column
# Names of columns that number the lines; pandas writes "".
INDEX = ("", "index", "id", "imageid", "unnamed: 0")


@dataclass(frozen=True)
class Layout:
    """Which columns a table has, as flags say; None where its names and numbers decide.

    `header`: whether the first line has the names of the columns. `label`: the label's column, its
    name or its number from 0, -1 for the last. `drop`: columns to leave out, named likewise.
    """

    header: bool | None = None
    label: str | None = None
    drop: Sequence[str] | None = None


@dataclass(frozen=True)
class Table:
    """`numbers`: uint8 (N, columns), the label first where a flag or a name says which it is."""

    path: Path
    numbers: Array
    label_is_named: bool
    left_out: list[str]


def read_tables(paths: Sequence[Path], layout: Layout = Layout()) -> Found:
    """The images (N, P) and labels (N,), uint8, in one CSV file, or in two called train and test.

    Raises DataError, which names a file and a line, and UsageError for a flag that does not fit.
    """
    splits = with_a_test([split_and_kind(path.name)[0] for path in paths])
    if len(paths) > 1 and sorted(splits) != ["test", "train"]:
        raise UsageError(
            f"{' '.join(map(str, paths))}: expected one CSV file, or two with names that say "
            "train and test, such as mnist_train.csv mnist_test.csv"
        )
    tables = [read_table(path, layout) for path in paths]
    require_label_first([table for table in tables if not table.label_is_named])
    for table in tables:
        labels = table.numbers[:, 0]
        same = f"{labels[0]} in each; --label-column names another column"
        differ = len(labels) == 1 or (labels != labels[0]).any()
        require(bool(differ), f"{table.path}: labels", "several", same)
    pairs = {
        split: Labelled(table.numbers[:, 1:], table.numbers[:, 0], str(table.path))
        for split, table in zip(splits, tables, strict=True)
    }
    return Found(pairs, left_out=[place for table in tables for place in table.left_out])


def read_images(path: Path, shape: Sequence[int]) -> Array:
    """The images (N, C, H, W), uint8, of a CSV file with labels or without: `shape` (C, H, W).

    The number of columns tells. Raises DataError where it is of other images.
    """
    pixels = math.prod(shape)
    table = read_table(path, Layout(), pixels)
    numbers, width = table.numbers, table.numbers.shape[1]
    expected = f"{pixels} pixels in a line, as the net's data have, with or without a label"
    require(width in (pixels, pixels + 1), path, expected, f"{width} numbers")
    require_label_first([table] * (width > pixels and not table.label_is_named))
    return numbers[:, width - pixels :].reshape(-1, *shape)


def read_table(path: Path, layout: Layout, pixels: int | None = None) -> Table:
    """The numbers of a CSV file without its index. Raises DataError and UsageError.

    `pixels`: so many columns beside the index are pixels alone, without a label.
    """
    whole = reading(path, "a CSV file", (OSError, UnicodeError, csv.Error))
    with whole, io.TextIOWrapper(open_file(path), encoding="utf-8-sig") as text:
        rows = rows_of(path, text)
        first = next(rows, ("", []))
        require(bool(first[1]), path, "lines of a label and pixels", "none")
        names, width = [cell.strip() for cell in first[1]], len(first[1])
        if not (has_header(path, names) if layout.header is None else layout.header):
            rows, names = chain([first], rows), []
        label, index = label_and_index(path, names, width, layout, pixels)
        require(width > len(index) + 1, path, "a label and pixels in a line", "one number")
        others = [i for i in range(width) if i not in index and i != label]
        kept = np.array(others if label is None else [label, *others])
        lines = [as_bytes(place, row, kept) for place, row in rows]
    require(bool(lines), path, "lines of a label and pixels", "none")
    numbers = np.stack(lines)
    if layout.drop is None and 2 < len(lines) < 257:  # bytes do not rise for longer
        rises = (np.diff(numbers.astype(int), axis=0) == 1).all(0) & (kept != label)
        i = int(kept[rises.argmax()])
        found = "a number that rises by 1 from line to line"
        flag = f"--drop-columns {i} leaves it out, --drop-columns '' keeps it"
        require(not rises.any(), f"{path}, column {i}", "labels or pixels", f"{found}; {flag}")
    left_out = [f"{path}: column {names[i] if names and names[i] else i}" for i in index]
    return Table(path, numbers, label is not None, left_out)


def rows_of(path: Path, text: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The place and the cells of every line that is not blank. Raises DataError."""
    delimiter, width = "", 0
    for number, line in enumerate(text, 1):
        if line.strip():
            place = f"{path}, line {number}"
            delimiter = delimiter or max(",;\t", key=line.count)
            row = next(csv.reader([line], delimiter=delimiter))
            width = width or len(row)
            require(len(row) == width, place, f"{width} numbers", len(row))
            yield place, row


def numbers_of(cells: Sequence[str]) -> Array:
    """The numbers in the cells, float64; NaN for what is no number."""

    def number(cell: str) -> float:
        try:
            return float(cell)
        except ValueError:
            return math.nan

    try:
        return np.array([*map(float, cells)])  # ten times as fast
    except ValueError:
        return np.array([*map(number, cells)])


def as_bytes(place: str, row: Sequence[str], kept: Array) -> Array:
    """The numbers of a row's `kept` cells, uint8. Raises DataError, which names a column."""
    numbers: Array = numbers_of(row)[kept]
    fits = is_byte(numbers)
    if not fits.all():
        i = int(kept[fits.argmin()])
        found = f"{cut(repr(row[i]))} (--drop-columns {i} leaves it out)"
        require(False, f"{place}, column {i}", "a whole number from 0 to 255", found)
    return numbers.astype(np.uint8)


def has_header(path: Path, names: Sequence[str]) -> bool:
    """Whether the first line has names. Raises DataError where it counts 0, 1, 2, …

    Nothing after a last comma is no name, but pandas has no name for its index before 0, 1, 2, …
    """
    numbers = np.sort(numbers_of([name for name in names if name]))
    counts = bool((np.diff(numbers) == 1).all())
    if np.isnan(numbers).any() or (counts and "" in names):
        return True
    expected = "--header yes (names of columns) or --header no (an image)"
    certain = not counts or numbers[-1] > 255
    require(certain, f"{path}, first line", expected, cut(", ".join(names)))
    return counts


def label_and_index(
    path: Path, names: Sequence[str], width: int, layout: Layout, pixels: int | None
) -> tuple[int | None, list[int]]:
    """The label's column, None where neither flag nor name says, and those to leave out.

    Raises DataError where the names are not those of one label, UsageError for flags.
    """
    label = None
    if layout.label is not None:
        label = column_of(path, names, width, layout.label, "--label-column")
    index = [i for i, name in enumerate(names) if name.lower() in INDEX and i != label]
    if layout.drop is not None:
        index = [column_of(path, names, width, name, "--drop-columns") for name in layout.drop]
    if label in index:
        raise UsageError(f"--drop-columns: {path} has the label in column {label}")
    others = [name for name in names if name.lower() not in INDEX]
    numbered = not np.isnan(numbers_of(others)).any()
    if label is None and not numbered and width - len(index) != pixels:
        found = [i for i, name in enumerate(names) if name.lower() in LABELS]
        several = f"{pixels:,} pixels, as the net's data have, and at most " if pixels else ""
        flags = "--label-column, or --header no; images without labels are for `predict`"
        expected = f"{several}one column called {' or '.join(LABELS)} (or {flags})"
        place = f"{path}, first line of {width:,} columns"
        require(len(found) == 1, place, expected, cut(", ".join(names)))
        [label] = found
    return label, index


def require_label_first(tables: Sequence[Table]) -> None:
    """Raise DataError unless only the first column has classes: from 0 or 1 up without a gap.

    All numbers from 0 to 255 are no classes but pixels.
    """
    if not tables:
        return
    first, last = (np.unique(np.concatenate([t.numbers[:, i] for t in tables])) for i in (0, -1))
    classes = [
        1 < len(values) < 256 and values[0] < 2 and (np.diff(values) == 1).all()
        for values in (first, last)
    ]
    expected = "classes in the first column alone, from 0 or 1 without a gap"
    found = f"{len(first)} different numbers in the first column, {len(last)} in the last"
    flag = "--label-column 0 or --label-column -1 says which it is"
    require(classes == [True, False], tables[0].path, expected, f"{found}; {flag}")


def column_of(path: Path, names: Sequence[str], width: int, name: str, flag: str) -> int:
    """The number of the column of that name or number. Raises UsageError."""
    if names.count(name) == 1:
        return names.index(name)
    try:
        return range(width)[int(name)]
    except (ValueError, IndexError) as error:
        columns = cut(", ".join(names)) if names else f"columns 0 to {width - 1}"
        raise UsageError(f"{flag} {name}: {path} has {columns}") from error
