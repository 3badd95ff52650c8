"""Read regular files only; write files and folders whole or not at all.

A program can be stopped between any two bytes. So a file is written under a temporary name in the
same folder and renamed, in one step, when it is complete. What a killed writer leaves is removed
by the next writer in that folder.
"""

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

from tinytrain.errors import DataError, TinytrainError, UsageError

with suppress(ImportError):  # Windows has no such locks, and opens no folder to lock it
    import fcntl

AnyPath = str | os.PathLike[str]
NO_FILE = "a directory, a pipe or a device, not a file"
BY_FLAG = "with --data-dir or TINYTRAIN_DATA"  # how to choose another data folder


def open_file(path: AnyPath) -> BufferedReader:
    """Open the regular file `path` to read bytes. Raises OSError, for a pipe or a device, too.

    Reading from those might never begin or never end. The open file is checked, not its name,
    since the name could be given to another file meanwhile.
    """
    no_wait = getattr(os, "O_NONBLOCK", 0)  # or opening a pipe would wait for a writer
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | no_wait)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NO_FILE)
    return os.fdopen(descriptor, "rb")


def read_file(path: AnyPath) -> bytes:
    """The content of the regular file `path`. Raises OSError."""
    with open_file(path) as file:
        return file.read()


@contextmanager
def temporary_name(path: Path) -> Iterator[Path]:
    """A name beside `path` for a file or folder in the making, which is removed at the end.

    Writers hold a shared lock on the folder, which the system releases however they end; an
    exclusive lock proves that all temporary files in it are left-overs, and they are removed.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            stack.callback(os.close, folder)
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for part in path.parent.glob(".*.part"):
                    if re.fullmatch(r"\..+\.[0-9a-f]{8}\.part", part.name):
                        remove(part)
            fcntl.flock(folder, fcntl.LOCK_SH)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        stack.callback(remove, temporary)
        yield temporary


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


@contextmanager
def whole_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a binary file to write and read, which gets the name `path` when the block ends.

    If the block raises, Ctrl-C included, the new file is removed and an old one stays. Raises
    OSError as open() does, also where `path` is a folder, a pipe or a device.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # renaming would replace a device
        raise OSError(errno.EINVAL, NO_FILE)
    with temporary_name(path) as temporary:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could keep the name and lose the bytes
        os.replace(temporary, path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Make a folder to write files into, which gets the name `path` when the block ends.

    If the block raises, Ctrl-C included, it is removed; our errors then name `path`. A folder that
    is at `path` by then stays unless it is empty. Raises UsageError where it cannot be made.
    """
    make_folder(path.parent)
    with temporary_name(path) as temporary:
        try:
            with writing(path.parent):
                temporary.mkdir()
                yield temporary
                os.rename(temporary, path)  # onto an empty folder, too
        except (DataError, UsageError) as error:
            raise type(error)(str(error).replace(str(temporary), str(path))) from error


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all. Raises UsageError where the folder cannot be written."""
    with writing(path.parent), whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def make_folder(folder: Path) -> None:
    """Make `folder` unless it exists. Raises UsageError where that cannot be done."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(folder: Path, by: str = "") -> Iterator[None]:
    """Within this context an OSError becomes a UsageError. `by`: how to choose another folder."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error, by) from error


def cannot_write(folder: Path, error: OSError, by: str = "") -> UsageError:
    """The error for a folder that cannot be written."""
    return UsageError(f"{folder}: cannot be written ({reason(error)}); choose another folder{by}")


def require(holds: bool, path: AnyPath, expected: str, found: object) -> None:
    """Raise DataError, which names the file, what was expected and found, unless `holds`."""
    if not holds:
        raise DataError(f"{path}: expected {expected}, found {found}")


@contextmanager
def reading(
    path: AnyPath, expected: str, errors: type[Exception] | tuple[type[Exception], ...] = OSError
) -> Iterator[None]:
    """Within this context such errors become a DataError, which says what was expected."""
    try:
        yield
    except TinytrainError:
        raise
    except errors as error:
        raise DataError(f"{path}: expected {expected}, found: {reason(error)}") from error


def cut(text: str) -> str:
    """A text out of a file for a message: in one line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def reason(error: BaseException) -> str:
    """Why something could not be read, in one short line."""
    return cut(getattr(error, "strerror", None) or str(error)) or type(error).__name__
