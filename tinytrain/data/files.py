"""A file is there whole, or not at all.

A program can be stopped between any two bytes. What is written straight under its final name may
then stay there half, and be believed by the next reader; what is written under another name and
renamed when it is whole cannot: renaming within a folder is one step. And what is read is believed
only after `require`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tinytrain.errors import DataError, UsageError

AnyPath = str | os.PathLike[str]
BY_FLAG = "with --data-dir or TINYTRAIN_DATA"  # how to choose another folder for data


@contextmanager
def whole_file(path: AnyPath) -> Iterator[BinaryIO]:
    """A binary file to write and read, which takes the name `path` only once it is whole.

    Until then it has a temporary name in the same folder. If the block raises, Ctrl-C included, it
    is removed, and what was at `path` before stays. Raises OSError as open() does.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without the bytes
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all. Raises UsageError where the folder cannot be written."""
    try:
        with whole_file(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def cannot_write(folder: Path, error: OSError) -> UsageError:
    """What to say where a folder cannot be written."""
    reason = error.strerror or error
    return UsageError(f"{folder}: cannot be written ({reason}); choose another folder")


def make_folder(folder: Path) -> None:
    """Make `folder` where it is not there. Raises UsageError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def require(holds: bool, path: AnyPath, expected: str, found: object) -> None:
    """Raise DataError, which names the file and both sides, unless `holds`."""
    if not holds:
        raise DataError(f"{path}: expected {expected}, found {found}")
