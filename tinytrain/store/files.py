"""A file is there whole, or not at all.

A program can be stopped between any two bytes. What is written straight under its final name may
then stay there half, and be believed by the next reader; what is written under another name and
renamed when it is whole cannot: renaming within a folder is one step. What a killed writer leaves
has a name that nobody reads, and goes when the next one writes beside it. And what is read is a
file, by `open_file`, and believed only after `require`.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from tinytrain.errors import DataError, UsageError

with suppress(ImportError):  # Windows has no such locks, and opens no folder to lock it
    import fcntl

AnyPath = str | os.PathLike[str]
NO_FILE = "a directory, a pipe or a device, not a file"
BY_FLAG = "with --data-dir or TINYTRAIN_DATA"  # how to choose another folder for data


def open_file(path: AnyPath) -> BufferedReader:
    """The regular file `path`, to read. Raises OSError, for a pipe or a device, too.

    Those may never end, or never begin. Asked is what was opened, which nobody can exchange.
    """
    at_once = getattr(os, "O_NONBLOCK", 0)  # waits for nobody to write into a pipe
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | at_once)
    except ValueError as error:  # a name that no file can have
        raise OSError(errno.EINVAL, str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NO_FILE)
    return os.fdopen(descriptor, "rb")


def read_file(path: AnyPath) -> bytes:
    """All that is in the regular file `path`. Raises OSError."""
    with open_file(path) as file:
        return file.read()


@contextmanager
def temporary_name(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is not whole yet. Whatever has it at the end is removed.

    Whoever writes in a folder shares a lock on it, which the system takes back however they end.
    So who gets it alone knows that the temporary files there belong to nobody, and removes them.
    """
    with ExitStack() as held:
        with suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            held.callback(os.close, folder)
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in path.parent.glob(".*.part"):
                    if re.fullmatch(r"\..+\.[0-9a-f]{8}\.part", left.name):
                        remove(left)
            fcntl.flock(folder, fcntl.LOCK_SH)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        held.callback(remove, temporary)
        yield temporary


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


@contextmanager
def whole_file(path: AnyPath) -> Iterator[BinaryIO]:
    """A binary file to write and read, which takes the name `path` only once it is whole.

    Until then it has a temporary name in the same folder. If the block raises, Ctrl-C included, it
    is removed, and what was at `path` before stays. Raises OSError as open() does.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a device would be gone: its name can be replaced
        raise OSError(errno.EINVAL, NO_FILE)
    with temporary_name(path) as temporary:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without the bytes
        os.replace(temporary, path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into, which takes the name `path` only once it is whole.

    If the block raises, Ctrl-C included, it is removed. A folder that is at `path` by then stays
    unless it is empty. Raises UsageError where the folder cannot be made.
    """
    make_folder(path.parent)
    with temporary_name(path) as temporary:
        try:
            temporary.mkdir()
            yield temporary
            os.rename(temporary, path)  # onto an empty folder, too
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        except UsageError as error:
            raise UsageError(str(error).replace(str(temporary), str(path))) from error


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
