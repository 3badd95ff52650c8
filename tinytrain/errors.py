"""Errors that a user can cause, each with the exit status of the process.

The command line prints one line for them: the thing, what was expected, what was found, the way
out. A traceback is kept for mistakes in the program.
"""

import difflib
import signal
from collections.abc import Iterable


class TinytrainError(Exception):
    """Base of the errors that a user can cause. `status` is the exit status of the process."""

    status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class TargetMissed(TinytrainError):
    """The run was required to hold the target and did not."""


class UsageError(TinytrainError):
    """A wrong flag or value, or a folder that cannot be written."""

    status = 2


class DataError(TinytrainError):
    """Data or a checkpoint that is missing, damaged or foreign."""

    status = 3


class NoSingleAnswer(DataError):
    """A picture that can be read, but shows no digit, or more than one."""


class Unavailable(DataError):
    """A data set that is neither on this machine nor on a mirror."""


class Diverged(TinytrainError):
    """The loss stopped being a finite number."""

    status = 4


class Lost(TinytrainError):
    """Another worker of the run was killed or cannot be reached."""


class ReportedByAnotherWorker(TinytrainError):
    """Another worker of the run prints the error; this one ends silently, with `status`."""

    def __init__(self, status: int = 0) -> None:
        super().__init__()
        self.status = status


class Interrupted(TinytrainError):
    """A signal such as Ctrl-C's SIGINT asked to stop; the status is 128 plus its number."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.status = 128 + number


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """An ending for an error about a wrong name: the names close to it, if any."""
    close = difflib.get_close_matches(name, names)
    return f"; close to it: {', '.join(close)}" if close else ""


def printable(text: str) -> str:
    """The text in one line, with unprintable characters, such as line feeds, escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
