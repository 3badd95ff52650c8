"""A training step as a fixed function of buffers, captured on a GPU and replayed.

A GPU computes the kernels of a small net faster than Python can launch them one by one. A CUDA
graph launches all of them at once, but it repeats exactly what was captured: the same kernels on
the same memory. So everything that changes from step to step lies in buffers: the rows of the
batch, the numbers of the augmentation, the seed of dropout, the numbers of the optimizer. They are
drawn by name on the CPU, as ever, so the same seed sees the same numbers on every device. The rows
and the augmentation of an epoch are brought over at once.

On a CPU the same function runs without being captured, bit for bit as the plain loop.
"""

import copy
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import augment, batches
from tinytrain.data.augment import Augmentation
from tinytrain.data.datasets import Dataset
from tinytrain.errors import UsageError
from tinytrain.graph.updates import Updates
from tinytrain.nn import Module, functional
from tinytrain.train.compute import InProcess
from tinytrain.train.state import Batch, Training


class Graph(InProcess):
    """Compute steps from buffers: captured as CUDA graphs on a GPU, plainly called on a CPU.

    There is one graph for each size of batch. The first step of a size is not captured, which
    warms up its kernels; the second is. With `compiled`, torch.compile fuses those of batch,
    forward and backward before, on a CPU, too, and sums round differently; the optimizer's would
    take minutes to compile. Make a new one for each training. Raises UsageError for what cannot be
    captured: see `Step`.
    """

    def __init__(self, compiled: bool = False) -> None:
        self.compiled = compiled
        self.steps: dict[int, Step] = {}
        self.epoch = 0
        self.order: tuple[Tensor, ...] = ()  # of the epoch's batches: their rows, on the CPU
        self.drawn: list[tuple[Tensor, Tensor]] = []  # rows (n,) and transform (5, n) of each

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        """Raises UsageError, too, for rows that are not those of the batch in `fit`."""
        if len(rows) not in self.steps:
            step = self.steps[len(rows)] = Step(training, dataset, len(rows))
            if self.compiled:
                forward = torch.compile(step.forward, dynamic=False)
                step.forward = forward  # type: ignore[method-assign]
        if self.epoch != training.epoch:
            self.draw(training, len(dataset.train), training.epoch)
        if not torch.equal(rows, self.order[training.batch]):
            raise UsageError("compute graph: expected batches in the order that the seed gives")
        batch = self.steps[len(rows)].take(*self.drawn[training.batch], steps)
        if batch.batch == steps:  # a GPU is still at the last steps
            self.draw(training, len(dataset.train), training.epoch + 1)
        return batch

    def draw(self, training: Training, count: int, epoch: int) -> None:
        """Draw the rows and transforms of an epoch over `count` images, by their names."""
        seed, size, device = training.seed, training.batch_size, training.device
        augmentation = training.augmentation or Augmentation()  # which draws zeros
        assert isinstance(augmentation, Augmentation)
        self.order = batches.shuffled(count, size, streams.generator(seed, "shuffle", epoch))
        transforms = [
            augmentation.draw(len(rows), streams.generator(seed, "augment", epoch, index))
            for index, rows in enumerate(self.order)
        ]
        rows, transform = torch.cat(self.order).to(device), torch.cat(transforms, 1).to(device)
        self.drawn = [*zip(torch.split(rows, size), torch.split(transform, size, 1), strict=True)]
        self.epoch = epoch


class Step:
    """A step on `size` images, and the buffers that it reads and writes.

    Raises UsageError for what cannot be captured: an optimizer that is not of this package, an
    augmentation other than `Augmentation`, images that are not in memory, and a layer that reads a
    number on its way, whose shapes depend on the images, or that counts in a plain number or in
    ever new tensors.
    """

    def __init__(self, training: Training, dataset: Dataset, size: int) -> None:
        device = training.device
        if not isinstance(dataset.train.images, Tensor):
            raise UsageError("compute graph: expected images in memory, found a file of them")
        if not isinstance(training.augmentation, Augmentation | None):
            raise UsageError(
                "compute graph: expected an Augmentation, found a function, whose draws cannot be "
                "captured; train without a graph"
            )
        self.training, self.dataset, self.size = training, dataset, size
        self.images, self.labels = dataset.train.images, dataset.train.labels
        self.rows = torch.zeros(size, dtype=torch.int64, device=device)
        self.transform = torch.zeros(5, size, device=device)
        self.dropout = torch.Generator(device)
        self.updates = Updates([training.optimizer] + [training.ema] * bool(training.ema), device)
        for parameter in training.learned:  # as after a step, for `Updates.prepare`
            parameter.grad = torch.zeros_like(parameter)
        self.loss = self.correct = torch.empty(0)
        self.warm = False
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream: torch.cuda.Stream | None = None
        if device.type == "cuda":  # the stream of this training, where it has one of its own
            self.stream = torch.cuda.current_stream(device)
            if self.stream == torch.cuda.default_stream(device):  # which cannot be captured
                self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.rehearse()

    def rehearse(self) -> None:
        """Compute the gradients of a copy of the net. Raises UsageError as `Step`."""
        training, device = self.training, self.training.device
        net = copy.deepcopy(training.net.train())
        net.set_generator(self.dropout)
        before = held_by(net)
        with streams.seeded(training.stream("torch"), device), capturable(net, device):
            self.gradients(net)
        for name, value in held_by(net).items():
            if before.get(name) != value:
                raise UsageError(
                    f"compute graph: a step gives {name} another value, which a graph would not: "
                    "change a tensor in place, or train without a graph"
                )

    def take(self, rows: Tensor, transform: Tensor, steps: int) -> Batch:
        """Take a step on the images in `rows`, transformed; it is one of the epoch's `steps`."""
        training = self.training
        self.rows.copy_(rows)
        self.transform.copy_(transform)
        self.dropout.manual_seed(training.stream("dropout").initial_seed())
        training.set_lr(steps)
        self.updates.prepare()
        with streams.seeded(training.stream("torch"), training.device):
            if self.stream is None:
                self.run()
            elif self.warm:
                self.graph = self.graph or self.captured(self.stream)
                self.graph.replay()
            else:
                self.warm_up(self.stream)
        return training.count(self.loss.clone(), self.correct.clone(), self.size, steps)

    def run(self) -> None:
        """The step: gather, augment, normalise, forward, loss, backward, optimizer, average."""
        self.training.net.set_generator(self.dropout)
        self.training.set_gradients(self.gradients(self.training.net))
        self.updates.update()

    def gradients(self, net: Module) -> Sequence[Tensor]:
        """The gradients of what `net` learns; its loss and how many are right go to buffers."""
        loss, self.correct = self.forward(net)
        self.loss = loss.detach()
        learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
        return torch.autograd.grad(loss, learned, materialize_grads=True)

    def forward(self, net: Module) -> tuple[Tensor, Tensor]:
        """The mean loss of `net`, and how many images are right."""
        training, dataset = self.training, self.dataset
        images = self.images[self.rows].float()
        if training.augmentation is not None:
            images = augment.apply(images, self.transform)
        images = batches.normalise(images, dataset.mean, dataset.std)
        labels = self.labels[self.rows]
        output = net(images)
        return training.loss(output, labels), functional.correct(output, labels)

    def warm_up(self, stream: torch.cuda.Stream) -> None:
        """`run` on the stream that is then captured, by which autograd and cuBLAS keep things."""
        current = torch.cuda.current_stream(stream.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            self.run()
        current.wait_stream(stream)
        self.warm = True

    def captured(self, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
        """Capture `run`, which is not executed by that."""
        graph, device = torch.cuda.CUDAGraph(), stream.device
        graph.register_generator_state(self.dropout)
        captured = torch.cuda.graph(graph, stream=stream)
        with torch.cuda.device(device), capturable(self.training.net, device), captured:
            self.run()
        return graph


def require_capturable(training: Training, dataset: Dataset) -> None:
    """Raise UsageError where the steps of `training` cannot be captured: see `Step`."""
    Step(training, dataset.to(training.device), training.batch_size)


def require_compiler(device: torch.device) -> None:
    """Raise UsageError where torch.compile cannot compile for the device."""
    try:
        torch.compile(torch.sin)(torch.ones(1, device=device))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"--compile: torch.compile fails ({reason}): it needs a C++ compiler, such as g++, "
            "and for a GPU Triton; leave it out"
        ) from error


@contextmanager
def capturable(net: Module, device: torch.device) -> Iterator[None]:
    """Make whatever waits for a GPU an error, and name the layer of `net` at fault: UsageError."""
    cuda = device.type == "cuda"
    mode = torch.cuda.get_sync_debug_mode() if cuda else 0
    try:
        if cuda:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is a prototype, at the first call
                torch.cuda.set_sync_debug_mode("error")
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # Where a capture fails, its end fails, too, and that is what is raised.
        layer = layer_at_fault(net, error.__context__ or error)
        raise UsageError(
            f"compute graph: {layer} cannot be captured; it reads a number on its way, or its "
            "shapes depend on the images: train without a graph"
        ) from error
    finally:
        if cuda:
            torch.cuda.set_sync_debug_mode(mode)


def held_by(net: Module) -> dict[str, float]:
    """The plain numbers of the modules of `net`, and where their tensors lie, by dotted name."""
    return {
        f"{name}.{attribute}".lstrip("."): value.data_ptr() if isinstance(value, Tensor) else value
        for name, module in net.named_modules()
        for attribute, value in vars(module).items()
        if isinstance(value, int | float | Tensor)
    }


def layer_at_fault(net: Module, error: BaseException) -> str:
    """The innermost layer of `net` in which the error was raised, by name and type."""
    names = {id(module): name for name, module in net.named_modules()}
    found = "the net"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_locals.get("self")
        if id(module) in names and isinstance(module, Module):
            found = f"{names[id(module)] or 'the net'} ({type(module).__name__})"
    return found
