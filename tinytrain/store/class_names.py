"""The names of a set's classes: the lines of classes.txt in its folder, in order of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinytrain.errors import DataError
from tinytrain.store.files import read_file, require, write_file

FILE = "classes.txt"


def write(folder: Path, names: Sequence[str]) -> None:
    """Write classes.txt. Raises UsageError where the folder cannot be written."""
    write_file(folder / FILE, "".join(f"{name}\n" for name in names))


def read(folder: Path, classes: int) -> list[str]:
    """Label and name of each class, such as "3 dog"; labels alone where there is no classes.txt.

    Raises DataError where it does not have as many lines as there are classes.
    """
    path = folder / FILE
    if not path.exists():
        return [str(label) for label in range(classes)]
    try:
        names = read_file(path).decode(errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    require(len(names) == classes, path, f"a line for each of {classes} classes", len(names))
    return [f"{label} {name}" for label, name in enumerate(names)]
