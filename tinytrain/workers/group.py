"""Several processes that train one net together: `Workers` computes for `fit`.

Each of W workers has the whole net and takes its part of every batch. Random draws are made for
the whole batch, from named streams, so no worker has to be told an order or an augmentation. What
has to be exchanged are sums over images: in every batch norm two numbers a channel forward and two
backward (`parts`), and at the end of a step one vector: gradients, loss, correct count, and which
workers were asked to stop. Every worker then takes the same step, so weights are never sent.

For net9_3 that is eleven messages a step, the largest of 32 kB. Floating-point sums depend on
their order, so two workers get other last bits than one, unless the batch is always cut into the
same number of parts (`shards`).

Worker 0 alone downloads, prints and writes. A worker that is lost is noticed by the next message.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from tinytrain import streams
from tinytrain.data import Dataset
from tinytrain.errors import Lost, ReportedByAnotherWorker, TinytrainError, UsageError
from tinytrain.nn import Module, functional
from tinytrain.runs import signals
from tinytrain.train import Batch, Score, Training
from tinytrain.train.compute import Gradients, InProcess, make_batch
from tinytrain.workers import lockstep
from tinytrain.workers.parts import Part, part_of_batch

PATIENCE = timedelta(seconds=40)  # for a message; from a worker that ended none comes, at once
T = TypeVar("T")


class Workers(InProcess):
    """Compute with several processes; this one is worker `rank` of `count`, alone by default.

    A batch is cut into `count` parts, or into `shards` where that is not 0: then each worker has
    shards / count of them, and every sum is made of them in order. `stop` says whether this worker
    was asked to stop. `store` is torch's key-value store through which the workers meet.
    """

    def __init__(self, rank: int = 0, count: int = 1, store: Any = None) -> None:
        self.rank, self.count, self.store = rank, count, store
        self.shards = self.stop_requested = self.shared = 0
        self.nets: list[Module] = []
        self.separable: Module | None = None
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
        """The number of the signal for which all workers stop after this step, or 0."""
        if self.count > 1:
            return self.stop_requested
        return self.stop.number

    def parts(self, total: int) -> list[Part]:
        """This worker's parts of `total` rows."""
        here = max(self.shards // self.count, 1)
        numbers = range(self.rank * here, (self.rank + 1) * here)
        return [Part(number, here * self.count, total, self.gather) for number in numbers]

    def replicas(self, training: Training) -> list[Module]:
        """The net, and as many more on the same weights as this worker has other parts."""
        if training.batch == 0 or self.nets[:1] != [training.net]:
            others = self.parts(0)[1:]
            self.nets = [training.net, *(lockstep.replica(training.net) for _ in others)]
        return self.nets

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

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        self.require_separable(training, dataset)
        parts = self.parts(len(rows))
        if parts[0].count == 1:
            return super().step(training, dataset, rows, steps)
        made = [part_of_batch(training, dataset, rows, part.rows) for part in parts]
        gradients, loss, correct = self.gradients_of_parts(training, made, parts)
        return training.step(gradients, loss, correct, len(rows), steps)

    def require_separable(self, training: Training, dataset: Dataset) -> None:
        """Raise UsageError where a batch in parts would train the net otherwise than a whole one.

        The first batch of the training images is looked at, once for each net.
        """
        parts = self.parts(0)
        if parts[0].count == 1 or self.separable is training.net:
            return
        device, rows = training.device, torch.arange(min(training.batch_size, len(dataset.train)))
        images, _ = make_batch(training, dataset, rows)
        with streams.seeded(training.stream("torch"), device), as_usage_error():
            dropout = training.stream("dropout", device)
            separate = parts[0].count, len(parts), dropout
            lockstep.require_separable(training.net, images.to(device), *separate)
        self.separable = training.net

    def gradients_of_parts(
        self, training: Training, made: list[tuple[Tensor, Tensor]], parts: list[Part]
    ) -> Gradients:
        """The whole batch's gradients, mean loss and correct count: sums over all workers' parts.

        Sent is a vector a part: gradients, loss, count, and the wish to stop at its end.
        """
        nets = self.replicas(training)
        learned = [[weight for weight in net.parameters() if weight.requires_grad] for net in nets]
        for net in nets:
            net.set_generator(training.stream("dropout", made[0][0].device))
        with streams.seeded(training.stream("torch"), training.device), as_usage_error():
            outputs = lockstep.forward(nets, [images for images, _ in made], parts)
        pairs = [(output, labels) for output, (_, labels) in zip(outputs, made, strict=True)]
        losses = [training.loss(*pair) for pair in pairs]
        correct = [functional.correct(*pair) for pair in pairs]

        shares = list(losses[0].new_tensor([part.size / part.total for part in parts]))
        every = [weight for weights in learned for weight in weights]
        slopes = torch.autograd.grad(losses, every, shares, materialize_grads=True)
        asked = [float(self.stop.number == number) for number in signals.SIGNALS]
        ends = losses[0].new_tensor(asked)
        rows, each = [], len(learned[0])
        for index, (part, loss, share) in enumerate(zip(parts, losses, shares, strict=True)):
            own = slopes[index * each : (index + 1) * each]
            values = [*own, loss.detach() * share, correct[index].to(loss)]
            row = torch.cat([value.reshape(-1) for value in values])
            rows.append(torch.cat((row if part.size else torch.zeros_like(row), ends)))
        sizes = [weight.numel() for weight in learned[0]]
        *sums, mean, right, stops = torch.split(
            self.sum(torch.stack(rows)), [*sizes, 1, 1, len(ends)]
        )
        requests = zip(signals.SIGNALS, stops.tolist(), strict=True)
        self.stop_requested = next((int(number) for number, asked in requests if asked), 0)
        gradients = [total.view_as(weight) for total, weight in zip(sums, learned[0], strict=True)]
        return gradients, mean[0], right[0].long()

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        """The score of `net` on the test images, of which every worker evaluates its parts."""
        test, sums = dataset.test, []
        for part in self.parts(len(test)):
            loss_sum = correct = 0.0
            if part.size:
                own = replace(dataset, test=test.rows(part.rows))
                score = super().score(training, net, own)
                loss_sum, correct = score.loss * part.size, score.correct
            sums.append([loss_sum, correct])
        loss_sum, correct = self.sum(torch.tensor(sums, dtype=torch.float64)).tolist()
        return Score(loss_sum / len(test), int(correct), len(test))

    def exchange(self, message: Callable[[], T]) -> T:
        """Call `message`, which sends and receives. Raises Lost where another worker is gone."""
        try:
            return message()
        except RuntimeError as error:
            raise Lost(f"{self.missing()} of {self.count} is lost: killed, or cut off") from error

    def missing(self) -> str:
        """Name the workers that do not answer within a second."""
        missing = list(range(self.count))
        with suppress(RuntimeError):
            self.store.set(f"left/{self.rank}", "")
            end = time.monotonic() + 1
            while missing and time.monotonic() < end:
                missing = [rank for rank in missing if not self.store.check([f"left/{rank}"])]
                time.sleep(0.05)
        missing = [rank for rank in missing if rank != self.rank]
        return f"worker {', '.join(map(str, missing))}"

    def share(self, text: str = "") -> list[str]:
        """The texts that all workers share at this point, in order; waits for all of them."""
        if self.count == 1:
            return [text]
        self.shared += 1
        keys = [f"shared/{self.shared}/{rank}" for rank in range(self.count)]

        def message() -> None:
            self.store.set(keys[self.rank], text)
            while not self.store.check(keys):  # and not `wait`, in which no signal is heard
                if self.store.check(["said"]):
                    raise ReportedByAnotherWorker
                time.sleep(0.02)

        self.exchange(message)
        return [self.store.get(key).decode() for key in keys]

    def first(self, make: Callable[[], T]) -> T:
        """Call `make`: worker 0 first, then the others."""
        if self.rank:
            self.share()
        made = make()
        if not self.rank:
            self.share()
        return made

    def reports(self) -> bool:
        """Whether this worker is the first to end with an error, and so the one to report it."""
        try:
            self.store.set(f"left/{self.rank}", "")
            return bool(self.store.add("said", 1) == 1)
        except RuntimeError:  # the store has ended
            return self.rank == 0


@contextmanager
def as_usage_error() -> Iterator[None]:
    """Raise UsageError for a ValueError of the net."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"the net: {error}") from error


def started() -> int:
    """The number of workers that torchrun started, this one included; 0 if none."""
    return int(os.environ.get("WORLD_SIZE", 0))


def own_device(device: str) -> str:
    """The device; for "cuda" this worker's own GPU where torchrun started several workers."""
    if device != "cuda" or started() < 2:
        return device
    return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"


@contextmanager
def joined() -> Iterator[Workers]:
    """Join the workers that torchrun started with this one, if it did.

    Within this context only worker 0 prints, and of the errors that end the workers only the first
    is raised as it is; the others end quietly.
    """
    if started() < 2:
        yield Workers()
        return
    try:
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        if here == count:  # the store outlives a restart, with its keys
            again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = PrefixStore(f"start {again}", store)
        backend = "cpu:gloo,cuda:nccl" if here <= torch.cuda.device_count() else "gloo"
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=count, timeout=PATIENCE
        )
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise TinytrainError(f"the workers cannot connect to each other ({reason})") from error
    workers = Workers(rank, count, store)
    try:
        with (
            signals.handled(),
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere if rank else sys.stdout),
        ):
            workers.share()  # who ends at once must not cut off one who is still connecting
            yield workers
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if workers.reports():
            raise
        # another machine's torchrun must hear of it
        raise ReportedByAnotherWorker(int(here < count)) from error
    finally:
        torch.distributed.destroy_process_group()
