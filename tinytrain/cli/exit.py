"""Run a command and turn what it raises into one line on stderr and an exit status."""

import errno
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress

from tinytrain.errors import DataError, TinytrainError, UsageError, printable
from tinytrain.runs import signals

# What Python, torch and the loader of libraries say where memory or threads cannot be had.
SCARCE = ("allocate memory", "out of memory", "bad_alloc", "failed to map", "start new thread")


def shortened(message: str) -> str:
    """Cut long words, unless they are paths, and what is long in all: a user's input, repeated."""
    message = re.sub(r"(?<!\S)[^\s/\\]{81,}", lambda word: f"{word[0][:79]}…", message)
    return message if len(message) <= 1000 else f"{message[:999]}…"


def exit_status(main: Callable[[], None]) -> int:
    """Run `main` and return the exit status; an error that a user can cause becomes one line."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: >&-
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a box of "?" on an old terminal, no traceback
    try:
        try:
            with signals.handled(signals.handler_at_start()):
                main()
        except SystemExit as ended:  # so ends --help
            if ended.code:
                raise
        print(end="", flush=True)
        return 0
    except TinytrainError as error:
        status, message = error.status, str(error)
        if isinstance(error, UsageError | DataError):
            message = shortened(message)
    except KeyboardInterrupt as error:
        status, message = 128 + signals.number(error), "interrupted"
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if isinstance(error, MemoryError) or any(words in str(error) for words in SCARCE):
            reason = printable(str(error)[:300]) or type(error).__name__
            advice = "take smaller images or batches, fewer threads or jobs, or a higher ulimit"
            status, message = 2, f"not enough memory ({reason}); {advice}"
        elif isinstance(error, OSError) and number == errno.ENAMETOOLONG:
            status, message = 2, shortened(f"{error.filename}: {error.strerror}")
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
