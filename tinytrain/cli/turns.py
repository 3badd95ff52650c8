"""Many runs, many machines: whose turn it is.

torchrun starts workers, on one machine or on several, and here they share no run: each takes the
next of a list that all of them have. The list is in nobody's hands. In the store that torchrun
gives them to meet at there is a counter, and who adds one to it has the run of that number. What a
worker was at when it was lost is told by the folder of runs, which all must share: a run that is
not finished, and that nobody holds the lock of, was left (`jobs.Job.start`). So when the counter
is through, whoever is free goes on with what was left, until all is finished.

So nobody is needed to the end, and nobody is asked. Every worker writes the record, which follows
from the runs alone, and under its name it is whole at any moment. Even the store may be lost, with
the machine that it is on, or be another on every machine: then the locks alone keep two workers
from one run.

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


class Turns:
    """The turns of this worker among those that torchrun started; without a store it is alone.

    `machine` and `rank` are the numbers of its machine, and of it there.
    """

    def __init__(self, store: Any = None, machine: int = 0, rank: int = 0) -> None:
        self.store, self.machine, self.rank = store, machine, rank

    def among(self, count: int) -> Iterator[int]:
        """The numbers below `count` that this worker gets; together the workers get each once."""
        if self.store is None:
            yield from range(count)
        with suppress(RuntimeError):  # the store has ended: what is left is found by its locks
            while self.store is not None and (turn := self.store.add("turns", 1)) <= count:
                yield turn - 1

    def first(self, text: str) -> bool:
        """Whether this worker is the first of its machine to say that: then it does."""
        with suppress(RuntimeError):
            if self.store is not None:
                return bool(self.store.add(f"{self.machine} said {text}", 1) == 1)
        return True

    def after_first(self, make: Callable[[], T]) -> T:
        """What `make` gives; the first worker of every machine makes it before the others do."""
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
def taken() -> Iterator[Turns]:
    """The turns of this worker, if torchrun started it.

    Within this context an error that ends several workers of a machine is said by one of them, and
    that a worker is stopped where no error has been.
    """
    if not started():
        yield Turns()
        return
    store = None
    with suppress(RuntimeError, ValueError):
        store = next(rendezvous("env://", timeout=PATIENCE))[0]
    turns = Turns(store, int(os.environ["GROUP_RANK"]), int(os.environ["LOCAL_RANK"]))
    try:
        with signals.handled():
            yield turns
    except (TinytrainError, KeyboardInterrupt) as cause:
        error, says = cause, turns.first("the end")
        if isinstance(error, KeyboardInterrupt):  # by torchrun, after an error of another worker
            advice = "interrupted; the runs are saved, and the same command goes on with them"
            error = Interrupted(advice, signals.number(error))
        else:
            says = turns.first(str(error))
        if not says:
            status, error = error.status, ReportedByAnotherWorker()
            error.status = status
        raise error from cause


def environment() -> dict[str, str]:
    """The environment of a run's process: it is no worker, and of several GPUs has one."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RANK", "WORLD_SIZE") and not name.startswith("TORCHELASTIC_")
    }
    if started() and (count := torch.cuda.device_count()) > 1:
        devices = own.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        own["CUDA_VISIBLE_DEVICES"] = devices.split(",")[int(own["LOCAL_RANK"]) % count]
    return own | {signals.PARENT: str(os.getpid())}
