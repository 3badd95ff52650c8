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
from contextlib import suppress

from tinytrain import signals


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


# What Python, torch and the loader of libraries say where memory or threads cannot be had.
SCARCE = ("allocate memory", "out of memory", "bad_alloc", "failed to map", "start new thread")


def is_scarcity(error: Exception) -> bool:
    """Whether the error says that memory, or what else a process has, was used up."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in SCARCE)


def open_streams() -> None:
    """Open what the process was started without (`>&-`), or a file would take its number.

    What is printed goes into a pipe that nobody reads.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        reading, writing = os.pipe()
        os.close(reading)
        sys.stdout = os.fdopen(writing, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def exit_status(main: Callable[[], None]) -> int:
    """Run `main` and return the exit status; an error that a user can cause becomes one line."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a box of "?" on an old terminal, no traceback
    try:
        try:
            with signals.handled(signals.at_start()):
                main()
        except SystemExit as ended:  # so ends --help
            if ended.code:
                raise
        print(end="", flush=True)
        return 0
    except TinytrainError as error:
        status, message = error.status, str(error)
    except KeyboardInterrupt as error:
        status, message = 128 + signals.number(error), "interrupted"
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if is_scarcity(error):
            reason = printable(str(error)[:300]) or type(error).__name__
            advice = "try a smaller --batch-size, fewer --threads or --jobs, or a higher ulimit"
            status, message = 2, f"not enough memory ({reason}); {advice}"
        elif number in (errno.EPIPE, errno.ENOSPC):
            # Nobody takes our output any more; Python's own flush at the end must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if number == errno.EPIPE:
                return 0  # who read it has seen enough, as head does
            status, message = 2, "what is printed cannot be written: no space left"
        else:
            raise
    if message:
        with suppress(OSError):
            print(f"tinytrain: {message}", file=sys.stderr)
    return status
