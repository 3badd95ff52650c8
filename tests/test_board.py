"""The board that workers share: every message arrives, in order, and none waits for the dead."""

import multiprocessing
import os
import time

import pytest
import torch

from tinytrain.train import board

pytestmark = pytest.mark.skipif(not board.POSSIBLE, reason="no board on this system")
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tinytrain.train.board"])


def message(rank, number):
    """What a worker writes: rows of another length each time, of numbers that name it."""
    return torch.arange(2.0 * (1 + number % 7)).view(2, -1) + 1000 * rank + number


def right(own, rank, count, last):
    """How many messages, up to the last, come as everyone wrote them."""
    several = range(count)
    return sum(
        torch.equal(
            own.gather(message(rank, number)), torch.cat([message(one, number) for one in several])
        )
        for number in range(last)
    )


def worker(path, rank, count, last, stays, told):
    """Open the board with those that are told; write and read, and tell how many were right."""
    told.send(os.getpid())
    own = board.Board(path, rank, told.recv(), patience=30)
    told.send(right(own, rank, count, last))
    if stays:
        told.recv()


def opened(count, last, stays=False, patience=30):
    """A board, and the other workers' processes, each with what hears of it."""
    path, processes, several = board.blank(count), [os.getpid()], []
    for rank in range(1, count):
        hears, told = FORKED.Pipe()
        process = FORKED.Process(target=worker, args=(path, rank, count, last, stays, told))
        process.start()
        processes.append(hears.recv())
        several.append((process, hears))
    for _, hears in several:
        hears.send(processes)
    return board.Board(path, 0, processes, patience), several


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_message_arrives(count):
    own, several = opened(count, 200)
    assert right(own, 0, count, 200) == 200
    for process, hears in several:
        assert hears.recv() == 200
        process.join()


@pytest.mark.parametrize(("stays", "patience"), [(False, 60), (True, 0.1)])
def test_nobody_waits_for_one_that_has_ended_or_says_nothing(stays, patience):
    own, ((process, hears),) = opened(2, 3, stays, patience)
    assert right(own, 0, 2, 3) == 3 and hears.recv() == 3
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="no message"):
        own.gather(message(0, 3))
    assert time.monotonic() - begin < 30
    if stays:
        hears.send("end")
    process.join()


def test_what_is_too_long_does_not_fit():
    own = opened(1, 0)[0]
    assert own.fits(torch.zeros(board.ROW // 8, dtype=torch.float64))
    assert not own.fits(torch.zeros(board.ROW // 8 + 1, dtype=torch.float64))
