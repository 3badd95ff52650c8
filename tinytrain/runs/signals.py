"""Turn SIGINT, SIGTERM and SIGHUP into KeyboardInterrupt, or into a flag to check between steps.

Ctrl-C sends SIGINT, a shutdown or a batch system SIGTERM, a closing terminal SIGHUP. Python makes
an exception of the first only; the others would end the program without any cleaning up.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PARENT = "TINYTRAIN_PARENT"  # environment variable: the number of a worker's launcher
PR_SET_PDEATHSIG = 1  # see `man prctl`
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, with the number of the signal."""
    raise KeyboardInterrupt(number)


def number(error: KeyboardInterrupt) -> int:
    """The number of the signal that raised `error`."""
    return error.args[0] if error.args else signal.SIGINT


def handler_at_start() -> Callable[[int, FrameType | None], object] | signal.Handlers:
    """The handler while a program starts: `interrupt`, or for a worker of torchrun an end at once.

    A worker that waits for the others in torch runs no Python handler, and has nothing to save.
    On Linux it also gets a SIGTERM when its torchrun is killed.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return interrupt
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        os.kill(os.getpid(), signal.SIGKILL)  # torchrun was killed before prctl was called
    return signal.SIG_DFL


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers = interrupt,
) -> Iterator[None]:
    """Handle the three signals with `handler` within this context, but for those that are ignored.

    An ignored signal stays so: `nohup` lets a program outlive its terminal that way. Outside the
    main thread, where Python allows no handlers, nothing changes.
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
    """A request to stop: `number` is that of the signal that asked, 0 while none has."""

    number = 0

    def request(self, number: int, frame: FrameType | None) -> None:
        """Note a first signal; raise KeyboardInterrupt for a second one."""
        if self.number:
            interrupt(number, frame)
        self.number = number


@contextmanager
def stop_requests() -> Iterator[Stop]:
    """Turn a first signal into a request to stop; a second one raises KeyboardInterrupt."""
    stop = Stop()
    with handled(stop.request):
        yield stop
