"""Several trainings at once on one GPU, in one process.

A small net's kernel fills a fraction of a GPU. A captured step is launched and not waited for, so
the next training's can be launched meanwhile, and both are computed side by side, if each has a
CUDA stream of its own. No thread is needed: `fit` is a generator, and generators take turns. Every
draw has a name, so each training has the numbers that it has alone; but for layers of one's own
that draw from torch's generator, whose seed lies in one place on a GPU: train those one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def side_by_side(
    runs: Sequence[Callable[[], Iterator[T]]], at_once: int, device: torch.device | str
) -> Iterator[tuple[int, T]]:
    """Yield (number of the run, event) of all `runs`, `at_once` at a time, one event in turn.

    A run is a function that begins a training and returns its events, such as those of `fit`; it
    is called when its turn comes. On CUDA the tensors of a `Batch` may not be computed yet.
    """
    cuda = torch.device(device).type == "cuda"
    waiting = list(enumerate(runs))
    active: list[tuple[int, Iterator[T], torch.cuda.Stream | None]] = []
    while waiting or active:
        while waiting and len(active) < at_once:
            number, begin = waiting.pop(0)
            stream = torch.cuda.Stream(device) if cuda else None  # type: ignore[no-untyped-call]
            with torch.cuda.stream(stream):
                active.append((number, begin(), stream))
        for entry in list(active):
            number, events, stream = entry
            try:
                with torch.cuda.stream(stream):
                    event = next(events)
            except StopIteration:
                active.remove(entry)
            else:
                yield number, event
