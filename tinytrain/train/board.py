"""A board that the workers of one machine share: a message without a messenger.

A message over a socket, even to the same machine, wakes several threads on its way, and each has
to be given a core first: half a millisecond and more, for two numbers a channel. Memory that all
have mapped needs nobody woken. Each writes its numbers into its own row of the board, and then,
beside it, how many messages it has written; who wants the others' looks there again and again, and
gives its core to whoever asks for one.

A worker can be one message ahead of another, but not two, since it needs the other's to go on. So
each has two rows, used in turns, and nothing is written over that may still be read. That numbers
are seen no later than their count is what x86 processors promise of two writes, and others do not:
there, as between machines, messages go over the network. And memory tells nobody that a worker has
ended, so each keeps a handle of every other's process.
"""

from __future__ import annotations

import itertools
import mmap
import os
import platform
import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

POSSIBLE = hasattr(os, "pidfd_open") and platform.machine() == "x86_64"  # Linux
LINE = 64  # bytes that a core fetches at once; counts that are that far apart do not collide
ROW = 1 << 20  # bytes of the longest message
LOOKS = 1000  # until who waits begins to sleep between them


def blank(count: int) -> str:
    """The path of new memory for a board; it has no other name, and is gone with its last user."""
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, count * (LINE + 2 * ROW))
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def shared(
    store: Any, rank: int, count: int, tell: Callable[[str], list[str]], patience: float
) -> Board | None:
    """A board for `count` workers of one machine; None where one of them cannot open it.

    Worker 0 makes it, and tells the others through the store; `tell` gives what every worker says.
    """
    if not POSSIBLE:
        return None
    if rank == 0:
        store.set("board", blank(count))
    processes, board = [int(number) for number in tell(str(os.getpid()))], None
    with suppress(OSError):
        board = Board(store.get("board").decode(), rank, processes, patience)
    return board if all(tell("open" if board else "")) else None


class Board:
    """The board at `path`, as worker `rank` has it; `processes` are the numbers of everyone's.

    Who waits longer than `patience` seconds for another raises RuntimeError; at once where that
    one has ended. Raises OSError where the board, or a process, cannot be opened.
    """

    def __init__(self, path: str, rank: int, processes: Sequence[int], patience: float) -> None:
        self.rank, self.patience, self.written = rank, patience, 0
        self.handles = [os.pidfd_open(number) for number in processes]
        with open(path, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        count = len(processes)
        self.counts = np.frombuffer(memory, np.int64, count * LINE // 8)[:: LINE // 8]
        rows = torch.frombuffer(memory, dtype=torch.uint8, offset=count * LINE)
        self.rows = rows.view(2, count, ROW)

    def fits(self, rows: Tensor) -> bool:
        """Whether `gather` can have the rows: in this memory, and not too long."""
        return rows.device.type == "cpu" and rows.numel() * rows.element_size() <= ROW

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (K, n) of every worker, one below the other: (count · K, n)."""
        own = rows.contiguous().view(-1).view(torch.uint8)
        board = self.rows[self.written % 2, :, : len(own)]
        board[self.rank] = own
        self.written += 1
        self.counts[self.rank] = self.written
        self.wait()
        return torch.cat([row.view(rows.dtype).view_as(rows) for row in board])

    def wait(self) -> None:
        """Until all have written as much as this worker."""
        end = time.monotonic() + self.patience
        for looks in itertools.count():
            late = np.flatnonzero(self.counts < self.written).tolist()
            if not late:
                return
            if looks < LOOKS:
                os.sched_yield()
                continue
            handles = [self.handles[rank] for rank in late]
            ended = select.select(handles, [], [], 0.001)[0]  # or one millisecond
            gone = [rank for rank in late if self.handles[rank] in ended]  # having written, maybe
            if (self.counts[gone] < self.written).any() or time.monotonic() > end:
                raise RuntimeError("no message on the board")
