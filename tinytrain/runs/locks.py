"""A lock on a run's folder, so that only one process works in it.

The system releases the lock when the process ends, however it ends; a marker file would stay
behind and block the next one. The locked file holds the number of the process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinytrain.errors import UsageError
from tinytrain.store.files import make_folder, writing

with suppress(ImportError):  # Windows has no such locks
    import fcntl

NAME = "lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock on `folder`, which is made if it is not there, within this context.

    Raises UsageError where another one holds it, or it cannot be written. On Windows
    there are no such locks, and nothing is held.
    """
    make_folder(folder)
    path = folder / NAME
    with writing(folder):
        while (descriptor := take(path)) is None:
            require_free(folder)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def take(path: Path) -> int | None:
    """Open and lock the file for this process; None where another one was faster."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # Its last holder may have removed it after it was opened here: then it has no name.
        named = locked(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        named = False
    if not named:
        os.close(descriptor)
    return descriptor if named else None


def locked(descriptor: int) -> bool:
    """Lock the file for this process; False where another one has it. True without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (NameError, OSError):
        return True
    return True


def require_free(folder: Path) -> None:
    """Raise UsageError where another process holds `folder`."""
    try:
        with open(folder / NAME, "r+") as file:  # NFS locks no file that is only read
            if locked(file.fileno()):
                return
            number = file.read().strip()
    except OSError:
        return
    raise UsageError(
        f"{folder}: process {number if number.isdecimal() else 'unknown'} is at work there; wait "
        "for it, or name another --run-dir"
    )
