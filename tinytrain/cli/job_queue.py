"""The queue of jobs that several workers of torchrun share: a counter in the store they meet at.

A worker that adds one to the counter gets the job of that number. What a lost worker was at is
found in the folder of runs, which all share: a run that is not finished and that nobody locks
(`jobs.Job.start`). So after the counter has reached the end, any free worker takes what was left.
Every worker then writes the same record, which follows from the runs alone. Without the store,
which may be lost with its machine, the locks still keep two workers from one run.

The locks have to reach as far as the folder: they do on one machine, and over NFS between Linux
machines unless it is mounted with local_lock or nolock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch.distributed.rendezvous import rendezvous

from tinytrain.errors import Interrupted, ReportedByAnotherWorker, TinytrainError
from tinytrain.runs import signals
from tinytrain.workers.group import started

PATIENCE = timedelta(seconds=10)  # for the store
T = TypeVar("T")


class JobQueue:
    """The jobs of this worker among those that torchrun started; without a store it is alone.

    `machine` is the number of its machine, `rank` its own number there.
    """

    def __init__(self, store: Any = None, machine: int = 0, rank: int = 0) -> None:
        self.store, self.machine, self.rank = store, machine, rank

    def take(self, count: int) -> Iterator[int]:
        """Yield the numbers below `count` that this worker gets; each goes to one worker."""
        if self.store is None:
            yield from range(count)
        with suppress(RuntimeError):  # the store has ended: what is left is found by its locks
            while self.store is not None and (number := self.store.add("turns", 1)) <= count:
                yield number - 1

    def is_first(self, text: str) -> bool:
        """Whether this worker is the first of its machine to print `text`: only it does."""
        with suppress(RuntimeError):
            if self.store is not None:
                return bool(self.store.add(f"{self.machine} said {text}", 1) == 1)
        return True

    def after_first(self, make: Callable[[], T]) -> T:
        """Return `make()`; the first worker of every machine calls it before the others do."""
        if self.store is None:
            return make()
        made_there = f"{self.machine} made"
        with suppress(RuntimeError):
            while self.rank and not self.store.check([made_there]):
                time.sleep(0.05)
        made = make()
        with suppress(RuntimeError):
            self.store.set(made_there, "")
        return made


@contextmanager
def shared_queue() -> Iterator[JobQueue]:
    """The queue of this worker, shared if torchrun started it.

    Of the workers of a machine that end with the same error, one reports it. A worker that
    torchrun stops reports that only where no error was reported before.
    """
    if not started():
        yield JobQueue()
        return
    store = None
    with suppress(RuntimeError, ValueError):
        store = next(rendezvous("env://", timeout=PATIENCE))[0]
    queue = JobQueue(store, int(os.environ["GROUP_RANK"]), int(os.environ["LOCAL_RANK"]))
    try:
        with signals.handled():
            yield queue
    except (TinytrainError, KeyboardInterrupt) as cause:
        error, reports = cause, queue.is_first("the end")
        if isinstance(error, KeyboardInterrupt):  # by torchrun, after an error of another worker
            advice = "interrupted; the runs are saved, and the same command goes on with them"
            error = Interrupted(advice, signals.number(error))
        else:
            reports = queue.is_first(str(error))
        if not reports:
            status, error = error.status, ReportedByAnotherWorker()
            error.status = status
        raise error from cause


def environment() -> dict[str, str]:
    """The environment of a run's own process: not a worker's, and with one GPU of several."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RANK", "WORLD_SIZE") and not name.startswith("TORCHELASTIC_")
    }
    if started() and (count := torch.cuda.device_count()) > 1:
        devices = own.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        own["CUDA_VISIBLE_DEVICES"] = devices.split(",")[int(own["LOCAL_RANK"]) % count]
    return own | {signals.PARENT: str(os.getpid())}
