"""What a training is while it goes on, and what it tells.

All that changes from step to step is in one `Training`: saved whole and put back, it continues bit
for bit, because every random draw has a name (seed, purpose, epoch, batch), not a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from tinytrain.data.augment import Augment
from tinytrain.errors import Diverged, UsageError
from tinytrain.nn import Module, functional
from tinytrain.nn.flat import flatten
from tinytrain.optim import Constant, ExponentialAverage, Optimizer


@dataclass(frozen=True)
class Batch:
    """A step that was taken: step `batch` (from 1) of the `batches` in epoch `epoch` (from 1).

    `lr` is the rate of the epoch's first step and `loss` the batch's mean loss; `correct` of
    `seen` images of this epoch were classified correctly, on their way through training. Both are
    scalar tensors: to read them is to wait for a GPU.
    """

    epoch: int
    batch: int
    batches: int
    lr: float
    loss: Tensor
    correct: Tensor | int
    seen: int


@dataclass(frozen=True)
class Epoch:
    """A line of the history. Accuracies in percent; `lr` is the rate of the epoch's first step.

    `train_loss` and `train_accuracy` are means over the epoch, on augmented images, while the net
    was changing. `test_*` belong to the averaged weights where weights are averaged, and
    `raw_test_accuracy` to the raw ones. `seconds` include the evaluation.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_correct: int
    test_total: int
    test_accuracy: float
    raw_test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Score:
    """The mean loss over a split, and how many of its images were classified correctly."""

    loss: float
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * self.correct / self.total


def require_found(net: Module) -> None:
    """Raise UsageError where weights of `net` are held in a way that is not looked into, or none.

    They would stay as they are, without a word: those in a list, and those of other libraries.
    """
    for prefix, module in net.named_modules():
        for name, held in vars(module).items():
            values = held.values() if isinstance(held, dict) else held
            several = isinstance(held, (list, tuple, dict))
            foreign = hasattr(held, "named_parameters") and not isinstance(held, Module)
            if foreign or (several and any(isinstance(value, Module) for value in values)):
                place, kind = f"{prefix}.{name}".strip("."), type(held).__name__
                raise UsageError(
                    f"{place}: weights in a {kind} are not found; hold layers of tinytrain.nn, "
                    "each in an attribute or in an nn.Sequential"
                )
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise UsageError("net: expected one with weights to learn, found none")


def tensors_in(state: Any) -> Iterator[Tensor]:
    """The tensors in a state dict, however deep in dicts and lists they are."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (dict, list, tuple)):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors_in(part)


@dataclass
class Training:
    """A net on its way: what trains it, and how far it has come.

    `optimizer` has the parameters of `net`, or `weights`, the vector that they are views of. The
    rate of a step is the optimizer's at the start times `schedule`, a function of the epochs done,
    taken in the middle of the step. `loss` is a function of what the net gives, (N, classes), and
    the labels, int64 (N,). `augmentation` is a function of images and a generator. `average` is an
    average of this net; what is tested is then its net. In evaluation an image is looked at
    `looks` times. Sums over a batch are made of those over `shards` parts of it, in order, unless
    that is 0: see `workers`. All that is drawn at random follows from `seed`.

    The place is the present `epoch` (from 1), the `batch` that comes next in it (from 0), and the
    epoch's sums so far. Raises UsageError for objects that do not belong together.
    """

    net: Module
    optimizer: Optimizer
    epochs: int = 15
    batch_size: int = 128
    schedule: Callable[[float], float] = field(default_factory=Constant)
    augmentation: Augment | None = None
    average: ExponentialAverage | None = None
    loss: Callable[[Tensor, Tensor], Tensor] = functional.nll_loss
    seed: int = 1
    looks: int = 1
    shards: int = 0
    weights: Tensor | None = None
    lr: float = field(init=False)
    epoch: int = 1
    batch: int = 0
    loss_sum: Tensor | float = 0.0
    correct: Tensor | int = 0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lr = self.optimizer.lr
        if not isinstance(self.net, Module):
            raise UsageError(f"net: expected a Module, found {type(self.net).__name__}")
        require_found(self.net)
        own = list(self.net.parameters()) if self.weights is None else [self.weights]
        if not {*map(id, getattr(self.optimizer, "params", own))} <= {*map(id, own)}:
            raise UsageError("optimizer: expected one made with the parameters of this net")
        if self.average and not self.average.follows(self.net):
            raise UsageError("average: expected one made with this net")

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(self.net.parameters()).device

    @property
    def tested_net(self) -> Module:
        """The net that counts: the averaged one, where weights are averaged."""
        return self.average.net if self.average else self.net

    def rate(self, step: int, steps: int) -> float:
        """The learning rate in the middle of `step` (from 0) of the `steps` of this epoch."""
        return self.lr * self.schedule(self.epoch - 1 + (step + 0.5) / steps)

    def set_gradients(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Give the net's `parameters` their gradients, or the vector of all of them its own."""
        if self.weights is not None:
            self.weights.grad = flatten(gradients)
            return
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient

    def require_finite(self, *numbers: Tensor | float) -> None:
        """Raise Diverged where one of `numbers`, or one in a tensor of them, is not finite.

        They are read, so a GPU is waited for.
        """
        if not all(bool(torch.as_tensor(number).isfinite().all()) for number in numbers):
            raise Diverged(
                f"epoch {self.epoch}, step {self.batch}: the loss or a weight is not finite; "
                f"try a smaller rate (--lr, now {self.lr:g})"
            )

    def require_finite_state(self) -> None:
        """Raise Diverged where something that `state_dict` gives is not finite."""
        self.require_finite(self.loss_sum, *tensors_in(self.state_dict()))

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on and that the settings do not say."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "epoch": self.epoch,
            "batch": self.batch,
            "loss_sum": float(self.loss_sum),
            "correct": int(self.correct),
            "seconds": self.seconds,
            "history": [asdict(epoch) for epoch in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state that `state_dict` gave."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name in ("epoch", "batch", "loss_sum", "correct", "seconds"):
            setattr(self, name, state[name])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
