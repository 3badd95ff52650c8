"""Who asks a program to stop lets it put things in order first.

Ctrl-C sends SIGINT, a shutdown or a batch system SIGTERM, a terminal that closes SIGHUP. Only the
first is an exception in Python; the others would end the program between any two bytes. Here all
three are: a block that cleans up when it is left cleans up, and who can finish what they are at
hears of it without being thrown out.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PARENT = "TINYTRAIN_PARENT"  # in the environment: whose child a process is, and does not outlive
TORCHRUN = "TORCHELASTIC_RUN_ID"  # in the environment of a worker that torchrun started
PR_SET_PDEATHSIG = 1  # see `man prctl`
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def stop(number: int, frame: FrameType | None) -> None:
    """What a signal does unless somebody takes it for a wish: KeyboardInterrupt, as Ctrl-C."""
    raise KeyboardInterrupt(number)


def at_start() -> Callable[[int, FrameType | None], object] | signal.Handlers:
    """What a signal does while a program starts: `stop`, but ends a worker of torchrun at once.

    Who waits for the other workers hears no handler, and has nothing to put in order yet. Where
    the system can, it also sends SIGTERM to a worker whose torchrun is killed.
    """
    if TORCHRUN not in os.environ:
        return stop
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        os.kill(os.getpid(), signal.SIGKILL)  # it was killed before that
    return signal.SIG_DFL


def number(error: KeyboardInterrupt) -> int:
    """Which signal it was."""
    return error.args[0] if error.args else signal.SIGINT


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers = stop,
) -> Iterator[None]:
    """Within this context the three signals call `handler`, but for those that are ignored.

    An ignored one stays so: that is how `nohup` lets a program outlive its terminal. Where Python
    lets nobody set handlers, in other threads than the main one, nothing changes.
    """
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.getsignal(number) for number in SIGNALS}
    previous = {n: old for n, old in previous.items() if old not in (signal.SIG_IGN, None)}
    for number in previous:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


class Stop:
    """A wish to stop, which may come or not; `number` is that of the signal."""

    def __init__(self) -> None:
        self.number = 0
        own = str(os.getppid()) if TORCHRUN in os.environ else None
        self.parent = os.environ.get(PARENT, own)

    @property
    def orphaned(self) -> bool:
        """Whether the process that this one is of is no more, of which a signal may tell, too."""
        return bool(self.parent) and self.parent != str(os.getppid())

    @property
    def requested(self) -> bool:
        """Whether it has come: as a signal, or because the process that it is of is no more."""
        if self.orphaned:
            self.number = self.number or signal.SIGTERM
        return bool(self.number)

    def request(self, number: int, frame: FrameType | None) -> None:
        """Note a first signal; a second one raises KeyboardInterrupt."""
        if self.number and not self.orphaned:
            stop(number, frame)
        self.number = number


@contextmanager
def wished() -> Iterator[Stop]:
    """Within this context a first signal is a wish that can be looked at; a second one ends it."""
    wish = Stop()
    with handled(wish.request):
        yield wish
