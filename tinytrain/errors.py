"""What a user can cause ends in one line, and in an exit status that a script can read.

Every such line names the thing, what was expected, what was found and the way out. A traceback is
kept for what only a programmer can cause.
"""

from __future__ import annotations

import difflib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable

from tinytrain import signals


class TinytrainError(Exception):
    """An end that a user can cause. `status` is the exit status of the process."""

    status = 1


class TargetMissed(TinytrainError):
    """The run was required to hold the target and did not."""


class UsageError(TinytrainError):
    """A wrong flag or value, or a folder that cannot be written."""

    status = 2


class DataError(TinytrainError):
    """Data or a checkpoint that is missing, damaged or foreign."""

    status = 3


class Unavailable(DataError):
    """A data set that is not here, and that no mirror gives."""


class Diverged(TinytrainError):
    """The loss stopped being a finite number."""

    status = 4


class Interrupted(TinytrainError):
    """A signal asked to stop, such as Ctrl-C's SIGINT; the status is the shell's for it."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.status = 128 + number


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a line about a wrong name: those close to it, or nothing where none is."""
    close = difflib.get_close_matches(name, names)
    return f"; close to it: {', '.join(close)}" if close else ""


def exit_status(main: Callable[[], None]) -> int:
    """Run `main` and return the exit status; an error that a user can cause becomes one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a box of "?" on an old terminal, no traceback
    try:
        with signals.handled():
            main()
        print(end="", flush=True)
        return 0
    except TinytrainError as error:
        status, message = error.status, str(error)
    except KeyboardInterrupt as error:
        status, message = 128 + signals.number(error), "interrupted"
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # Nobody takes our output any more; Python's own flush at the end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 0  # who read it has seen enough, as head does
        status, message = 2, "what is printed cannot be written: no space left"
    print(f"tinytrain: {message}", file=sys.stderr)
    return status
