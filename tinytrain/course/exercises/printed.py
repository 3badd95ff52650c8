"""A program that prints without end fills a screen, and whatever keeps what it prints.

So the first lines of what a learner's file prints are shown, as they come, and the others counted.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SHOWN, WIDTH = 20, 300  # lines, and bytes of each


class Printed(io.RawIOBase):
    """Where the learner's program prints: passes the first lines on to where errors go.

    Of the others it keeps the number alone, and tells `note` of it at each power of two.
    """

    def __init__(self, note: Callable[..., object]) -> None:
        super().__init__()
        self.note, self.lines, self.rest = note, 0, b""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any, /) -> int:
        """Take bytes; what is no whole line yet waits."""
        *whole, rest = (self.rest + bytes(data)).split(b"\n")
        self.rest = rest[:WIDTH]
        for line in whole:
            self.lines += 1
            if self.lines <= SHOWN:
                show(line[:WIDTH])
            elif self.lines.bit_count() == 1:
                self.note(printed=self.lines)
        return len(data)

    def as_text(self, encoding: str) -> io.TextIOWrapper:
        """The same, to print text to."""
        taken: Any = self  # TextIOWrapper writes to what has `write`, whatever typeshed says
        return io.TextIOWrapper(taken, encoding, "replace", write_through=True)

    def end(self) -> None:
        """Pass on what waits, and say how many lines were not."""
        if self.rest:
            self.write(b"\n")
        if self.lines > SHOWN:
            show(f"... and {self.lines - SHOWN:,} more lines".encode())


def show(line: bytes) -> None:
    """Print a line where errors go."""
    with suppress(OSError):
        os.write(2, line + b"\n")
