"""Many workers, one run: what crosses the wire.

Each of W processes has the whole net and takes its part of every batch. All that is drawn is drawn
for the whole batch, from streams with names, so nobody has to be told an order or an augmentation.
What they cannot know of one another is sums over images, and few of those: in every batch norm two
numbers a channel forward and two backward (`nn.parts`), and at the end of a step one vector: the
gradient, the loss, how many were right, and who wishes to stop. Each then takes the same step, so
the weights, which are the larger part of what a run is, never travel.

For net9_3 that is eleven messages a step, and 32 kB in the largest. The sums are of floating-point
numbers: whether two workers add halves or one adds all makes a difference in the last bits, unless
a recipe fixes the parts (`shards`), and with them the order of every sum.

Worker 0 alone downloads, prints and writes. A worker that is lost is noticed by the next message.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from tinytrain.errors import Lost, SaidElsewhere, TinytrainError, UsageError
from tinytrain.nn import Module
from tinytrain.nn.flat import flatten
from tinytrain.runs import signals
from tinytrain.workers import lockstep
from tinytrain.workers.parts import Part

PATIENCE = timedelta(seconds=40)  # for a message; from a worker that ended none comes, at once
T = TypeVar("T")


class Workers:
    """This worker, number `rank` of the `count` that have a run together; by default it is alone.

    A batch is cut into as many parts, or into `shards` where that is not 0: then each worker has
    shards / count of them, and every sum is made of them in order. `stop` is the wish of this
    worker to stop. `store` is where they meet.
    """

    def __init__(self, rank: int = 0, count: int = 1, store: Any = None) -> None:
        self.rank, self.count, self.store = rank, count, store
        self.shards = self.wished = self.told = 0
        self.stop = signals.Stop()

    def cut(self, shards: int) -> None:
        """Cut batches into `shards`. Raises UsageError where they cannot be dealt out evenly."""
        if shards % self.count:
            raise UsageError(
                f"--shards {shards}: expected a multiple of the workers, {self.count}"
            )
        self.shards = shards

    @property
    def stopping(self) -> int:
        """The number of the signal that all workers stop for after this step, or 0."""
        if self.count > 1:
            return self.wished
        return self.stop.number if self.stop.requested else 0

    def parts(self, total: int) -> list[Part]:
        """Which parts of `total` rows are this worker's."""
        here = max(self.shards // self.count, 1)
        numbers = range(self.rank * here, (self.rank + 1) * here)
        return [Part(number, here * self.count, total, self.gather) for number in numbers]

    def replicas(self, net: Module) -> list[Module]:
        """The net, and as many more on the same weights as this worker has other parts."""
        return [net, *(lockstep.replica(net) for _ in self.parts(0)[1:])]

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (K, n) of every worker, one below the other: (count · K, n)."""
        if self.count == 1:
            return rows
        everywhere = [torch.empty_like(rows) for _ in range(self.count)]
        self.exchange(lambda: torch.distributed.all_gather(everywhere, rows.contiguous()))
        return torch.cat(everywhere)

    def sum(self, rows: Tensor) -> Tensor:
        """The sum (n,) of the rows (K, n) of every worker; of shards, in their order."""
        if self.shards or self.count == 1:
            return self.gather(rows).sum(0)
        total = rows.sum(0)
        self.exchange(lambda: torch.distributed.all_reduce(total))
        return total

    def forward(
        self, nets: Sequence[Module], inputs: Sequence[Tensor], parts: Sequence[Part]
    ) -> list[Tensor]:
        """What the net, and its `replicas`, give for this worker's parts of a batch."""
        alone = parts[0].count == 1
        return [nets[0](inputs[0])] if alone else lockstep.forward(nets, inputs, parts)

    def backward(
        self,
        losses: Sequence[Tensor],
        correct: Sequence[Tensor],
        weights: Sequence[Sequence[Tensor]],
        parts: Sequence[Part],
    ) -> tuple[Sequence[Tensor], Tensor, Tensor]:
        """The whole batch's gradients, its mean loss, and how many of it were right.

        Given are those of this worker's parts, and the weights that each part's net learns. Sent
        is a vector a part, with the wish to stop at its end.
        """
        shares = list(losses[0].new_tensor([part.size / part.total for part in parts]))
        every = [weight for held in weights for weight in held]
        slopes = torch.autograd.grad(losses, every, shares, materialize_grads=True)
        if parts[0].count == 1:
            return slopes, losses[0].detach(), correct[0]
        stop = self.stop.number if self.stop.requested else 0
        ends = losses[0].new_tensor([float(stop == number) for number in signals.SIGNALS])
        rows = []
        for index, (part, loss, share) in enumerate(zip(parts, losses, shares, strict=True)):
            own = slopes[index * len(weights[0]) : (index + 1) * len(weights[0])]
            row = flatten([*own, loss.detach() * share, correct[index].to(loss)])
            rows.append(torch.cat((row if part.size else torch.zeros_like(row), ends)))
        sizes = [weight.numel() for weight in weights[0]]
        *sums, loss, right, wishes = torch.split(
            self.sum(torch.stack(rows)), [*sizes, 1, 1, len(ends)]
        )
        wished = zip(signals.SIGNALS, wishes.tolist(), strict=True)
        self.wished = next((int(number) for number, asked in wished if asked), 0)
        gradients = [total.view_as(weight) for total, weight in zip(sums, weights[0], strict=True)]
        return gradients, loss[0], right[0].long()

    def exchange(self, message: Callable[[], T]) -> T:
        """Send and receive; what `message` gives. Raises Lost where another worker does not."""
        try:
            return message()
        except RuntimeError as error:
            raise Lost(f"{self.missing()} of {self.count} is lost: killed, or cut off") from error

    def missing(self) -> str:
        """The workers that do not answer, those of them that are left having a second to."""
        missing = list(range(self.count))
        with suppress(RuntimeError):
            self.store.set(f"left/{self.rank}", "")
            end = time.monotonic() + 1
            while missing and time.monotonic() < end:
                missing = [rank for rank in missing if not self.store.check([f"left/{rank}"])]
                time.sleep(0.05)
        missing = [rank for rank in missing if rank != self.rank]
        return f"worker {', '.join(map(str, missing))}"

    def tell(self, text: str = "") -> list[str]:
        """What every worker says at this place, by its number, however long it takes them."""
        if self.count == 1:
            return [text]
        self.told += 1
        keys = [f"told/{self.told}/{rank}" for rank in range(self.count)]

        def message() -> None:
            self.store.set(keys[self.rank], text)
            while not self.store.check(keys):  # and not `wait`, in which no signal is heard
                if self.store.check(["said"]):
                    raise SaidElsewhere
                time.sleep(0.02)

        self.exchange(message)
        return [self.store.get(key).decode() for key in keys]

    def first(self, make: Callable[[], T]) -> T:
        """What `make` gives: worker 0 makes it first, and the others once it has."""
        if self.rank:
            self.tell()
        made = make()
        if not self.rank:
            self.tell()
        return made

    def speaks(self) -> bool:
        """Whether this worker is the first to end with an error, and so the one that says why."""
        try:
            self.store.set(f"left/{self.rank}", "")
            return bool(self.store.add("said", 1) == 1)
        except RuntimeError:  # the store has ended
            return self.rank == 0


def started() -> int:
    """How many workers torchrun started, this one among them; 0 if it started none."""
    return int(os.environ.get("WORLD_SIZE", 0))


def own_device(device: str) -> str:
    """For "cuda" this worker's GPU, where torchrun started several workers on this machine."""
    if device != "cuda" or started() < 2:
        return device
    return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"


@contextmanager
def joined() -> Iterator[Workers]:
    """This worker, joined with those that torchrun started with it, if it did.

    Within this context what is printed by another worker than 0 goes nowhere, and of the errors
    that end them the first is raised; the others leave quietly.
    """
    if started() < 2:
        yield Workers()
        return
    try:
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        if here == count:  # the store outlives a restart, and what was said in it before
            again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = PrefixStore(f"start {again}", store)
        backend = "cpu:gloo,cuda:nccl" if here <= torch.cuda.device_count() else "gloo"
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=count, timeout=PATIENCE
        )
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise TinytrainError(f"the workers do not find one another ({reason})") from error
    workers = Workers(rank, count, store)
    try:
        with (
            signals.handled(),
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere if rank else sys.stdout),
        ):
            yield workers
    except (Exception, KeyboardInterrupt) as error:
        if workers.speaks():
            raise
        quiet = SaidElsewhere()
        quiet.status = int(here < count)  # another machine's torchrun must hear of it
        raise quiet from error
    finally:
        torch.distributed.destroy_process_group()
