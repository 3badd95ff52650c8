"""What a user can cause ends in one line, and in an exit status that a script can read.

Every such line names the thing, what was expected, what was found and the way out. A traceback is
kept for what only a programmer can cause.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable


class TinytrainError(Exception):
    """An end that a user can cause. `status` is the exit status of the process."""

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


class Unavailable(DataError):
    """A data set that is not here, and that no mirror gives."""


class Diverged(TinytrainError):
    """The loss stopped being a finite number."""

    status = 4


class Lost(TinytrainError):
    """A worker of a run was killed, or cannot be reached any more."""


class SaidElsewhere(TinytrainError):
    """Another worker of a run has said why all end, and has the status for it."""

    status = 0


class Interrupted(TinytrainError):
    """A signal asked to stop, such as Ctrl-C's SIGINT; the status is the shell's for it."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.status = 128 + number


def no_program(path: object, error: SyntaxError | ValueError) -> UsageError:
    """What to say of a file that Python cannot read as a program."""
    line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
    reason = error.msg if isinstance(error, SyntaxError) else error
    return UsageError(f"{path}{line}: not a Python program ({reason})")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a line about a wrong name: those close to it, or nothing where none is."""
    close = difflib.get_close_matches(name, names)
    return f"; close to it: {', '.join(close)}" if close else ""


def printable(text: str) -> str:
    """The text in one line; what cannot be printed, as a line feed in a file's name, as \\n."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
