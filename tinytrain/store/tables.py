"""Read images from CSV files, one a line: a label and its pixels, whole numbers from 0 to 255.

Columns are told by their names or their numbers. Where either could mislead, the file is refused,
with the flag of `data convert` that decides.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from tinytrain.errors import DataError, UsageError
from tinytrain.store.files import cut, open_file, reason, require
from tinytrain.store.idx import Array
from tinytrain.store.labelled import Found, Labelled, is_byte
from tinytrain.store.named_arrays import split_and_kind, with_a_test

LABELS = ("label", "class", "target")  # names of the label's column
# Names of columns that number the lines; pandas writes "".
INDEX = ("", "index", "id", "imageid", "unnamed: 0")
HEAD = 300  # lines in which an index is looked for: enough to count above 255


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
    """`numbers`: uint8 (N, columns). `label`: a column, None where nothing says which."""

    path: Path
    numbers: Array
    label: int | None
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
    unnamed = [table for table in tables if table.label is None]
    if unnamed:
        require_label_first(unnamed)
    pairs = {}
    for split, table in zip(splits, tables, strict=True):
        label, place = table.label or 0, str(table.path)
        images, labels = np.delete(table.numbers, label, 1), table.numbers[:, label]
        pairs[split] = Labelled(images, labels, place, place)
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
    if width > pixels:
        if table.label is None:
            require_label_first([table])
        numbers = np.delete(numbers, table.label or 0, 1)
    return numbers.reshape(-1, *shape)


def read_table(path: Path, layout: Layout, pixels: int | None = None) -> Table:
    """The numbers of a CSV file without its index. Raises DataError and UsageError.

    `pixels`: so many columns beside the index are pixels alone, without a label.
    """
    try:
        with io.TextIOWrapper(open_file(path), encoding="utf-8-sig") as text:
            rows = rows_of(path, text)
            first = next(rows, ("", [""]))
            names, width = [cell.strip() for cell in first[1]], len(first[1])
            require(width > 1, path, "a label and pixels in a line", "one number")
            if not (has_header(path, names) if layout.header is None else layout.header):
                rows, names = chain([first], rows), []
            index_names = [name for name in names if name.lower() in INDEX]
            if width - len(index_names) == pixels:
                label, layout = None, replace(layout, drop=index_names)
            else:
                label = named_label(path, names, width, layout, pixels)
            head = [*islice(rows, HEAD)]
            require(bool(head), path, "lines of a label and pixels", "none")
            index = index_columns(path, names, numbers_of(head), label, layout)
            kept = np.setdiff1d(np.arange(width), index)
            numbers = np.stack([as_bytes(place, row, kept) for place, row in chain(head, rows)])
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a CSV file, found: {reason(error)}") from error
    left_out = [f"{path}: column {names[i] if names and names[i] else i}" for i in index]
    if label is not None:
        label = int(np.searchsorted(kept, label))
    return Table(path, numbers, label, left_out)


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


def numbers_of(rows: Sequence[tuple[str, Sequence[str]]]) -> Array:
    """The numbers in the cells, float64 (rows, cells); NaN for what is no number."""

    def number(cell: str) -> float:
        try:
            return float(cell)
        except ValueError:
            return math.nan

    try:
        return np.array([[*map(float, row)] for _, row in rows])
    except ValueError:
        return np.array([[*map(number, row)] for _, row in rows])


def as_bytes(place: str, row: Sequence[str], kept: Array) -> Array:
    """The numbers of a row's `kept` cells, uint8. Raises DataError, which names a column."""
    numbers: Array = numbers_of([(place, row)])[0, kept]
    fits = is_byte(numbers)
    if not fits.all():
        i = int(kept[fits.argmin()])
        expected = "a whole number from 0 to 255"
        require(False, f"{place}, column {i}", expected, cut(repr(row[i])))
    return numbers.astype(np.uint8)


def has_header(path: Path, names: Sequence[str]) -> bool:
    """Whether the first line has names. Raises DataError where it counts 0, 1, 2, …

    Nothing after a last comma is no name, but pandas has no name for its index before 0, 1, 2, …
    """
    numbers = np.sort(numbers_of([("", [name for name in names if name])])[0])
    counts = bool((np.diff(numbers) == 1).all())
    if np.isnan(numbers).any() or (counts and "" in names):
        return True
    expected = "--header yes (names of columns) or --header no (an image)"
    certain = not counts or numbers[-1] > 255
    require(certain, f"{path}, first line", expected, cut(", ".join(names)))
    return counts


def named_label(
    path: Path, names: Sequence[str], width: int, layout: Layout, pixels: int | None
) -> int | None:
    """The label's column by flag or name; None where neither says. Raises DataError."""
    if layout.label is not None:
        return column_of(path, names, width, layout.label, "--label-column")
    others = [name for name in names if name.lower() not in INDEX]
    if not np.isnan(numbers_of([("", others)])).any():
        return None
    found = [i for i, name in enumerate(names) if name.lower() in LABELS]
    expected = f"one column called {' or '.join(LABELS)} "
    if pixels:
        expected = f"{pixels:,} pixels, as the net's data have, and at most {expected}besides"
    else:
        expected += (
            "(or --label-column, or --header no; images without labels are for `predict --csv`)"
        )
    place = f"{path}, first line of {width:,} columns"
    require(len(found) == 1, place, expected, cut(", ".join(names)))
    return found[0]


def index_columns(
    path: Path, names: Sequence[str], head: Array, label: int | None, layout: Layout
) -> list[int]:
    """The columns to leave out: those that the flag says, or else an index. Raises DataError.

    `head`: the first rows. A column that rises by 1 from line to line is an index if it is called
    so or rises above 255; elsewhere the flag decides.
    """
    width = head.shape[1]
    if layout.drop is not None:
        index = [column_of(path, names, width, name, "--drop-columns") for name in layout.drop]
    else:
        index = [i for i, name in enumerate(names) if name.lower() in INDEX and i != label]
        rises = (np.diff(head, axis=0) == 1).all(0) & (len(head) > 2)
        for i in np.flatnonzero(rises).tolist():
            if i not in index and i != label:
                flag = f"--drop-columns {i} leaves it out, --drop-columns '' keeps it"
                found = f"a number that rises by 1 from line to line; {flag}"
                require(head[-1, i] > 255, f"{path}, column {i}", "labels or pixels", found)
                index.append(i)
    if label in index:
        raise UsageError(f"--drop-columns: {path} has the label in column {label}")
    return index


def require_label_first(tables: Sequence[Table]) -> None:
    """Raise DataError unless only the first column has classes: from 0 or 1 up without a gap.

    All numbers from 0 to 255 are no classes but pixels.
    """
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
