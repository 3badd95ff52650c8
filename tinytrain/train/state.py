"""The state of a training: its steps with their learning rate, its epochs, what is saved of it.

Everything that changes from step to step is in one `Training`. Saved whole and put back, it
continues bit for bit, because every random draw has a name (seed, purpose, epoch, batch) instead
of a state.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data.augment import Augment
from tinytrain.errors import Diverged, UsageError
from tinytrain.nn import Module, functional
from tinytrain.nn.functional import Loss
from tinytrain.optim import Constant, ExponentialMovingAverage, Optimizer
from tinytrain.optim.schedules import Schedule
from tinytrain.train.checks import require_found

CHECKED = 50  # steps from one look at the loss to the next


@dataclass(frozen=True)
class Batch:
    """One training step. Reading its scalar tensors makes the program wait for a GPU."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int  # of the epoch
    lr: float  # of the epoch's first step
    loss: Tensor  # the batch's mean
    correct: Tensor | int  # images of this epoch classified correctly so far
    seen: int  # images of this epoch so far


@dataclass(frozen=True)
class Epoch:
    """A line of the history: accuracies in percent; `test_*` of averaged weights, if there are."""

    epoch: int
    lr: float  # of the first step
    train_loss: float  # a mean over the epoch, on augmented images, while the net was changing
    train_accuracy: float
    test_loss: float
    test_correct: int
    test_total: int
    test_accuracy: float
    raw_test_accuracy: float  # of the weights themselves
    seconds: float  # evaluation included


@dataclass(frozen=True)
class Score:
    """The mean loss over a split, and the number of images classified correctly."""

    loss: float
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * self.correct / self.total


@dataclass
class Training:
    """The full state of a training: net, optimizer, schedule, average of the weights, position.

    The learning rate of a step is `lr`, the optimizer's at the start, times `schedule` of the
    epochs done, taken in the middle of the step; setting `optimizer.lr` between steps gives a new
    start. The schedule's method `see`, if it has one, is given the history after each epoch and on
    resuming. Raises UsageError for objects that do not belong together.
    """

    net: Module
    optimizer: Optimizer  # has the parameters of `net`; those with `requires_grad` are learned
    epochs: int = 15
    batch_size: int = 128
    schedule: Schedule = field(default_factory=Constant)
    augmentation: Augment | None = None
    ema: ExponentialMovingAverage | None = None  # of this net; where there is one, it is tested
    loss: Loss = functional.nll_loss
    seed: int = 1  # of every random draw
    tta: int = 1  # views of test-time augmentation, 1 to 9: see `evaluation`
    clip: float = 0.0  # the largest norm of all gradients together, 0 for any
    lr: float = field(init=False)
    epoch: int = 1  # the present one
    batch: int = 0  # the next one in it, from 0
    loss_sum: Tensor | float = 0.0  # over the epoch so far, as the next two
    correct: Tensor | int = 0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, kind in (("net", Module), ("optimizer", Optimizer)):
            if not isinstance(found := getattr(self, name), kind):
                raise UsageError(
                    f"{name}: expected one of tinytrain's {kind.__name__}s, found {type(found)}; "
                    "from_torch makes one of torch's"
                )
        require_found(self.net)
        self.parameters = list(self.net.parameters())
        params = getattr(self.optimizer, "params", [None])  # set by the __init__ of Optimizer
        if not {*map(id, params)} <= {*map(id, self.parameters)}:
            raise UsageError("optimizer: expected one whose `params` are parameters of this net")
        self.lr = self.last_lr = self.optimizer.lr
        if self.ema and not self.ema.follows(self.net):
            raise UsageError("ema: expected an average made with this net")

    @property
    def device(self) -> torch.device:
        """The device of the net."""
        return self.parameters[0].device

    @property
    def learned(self) -> list[Tensor]:
        """The parameters that are learned, in the order of the net's."""
        return [parameter for parameter in self.parameters if parameter.requires_grad]

    @property
    def tested_net(self) -> Module:
        """The net that is tested: the averaged one, where weights are averaged."""
        return self.ema.net if self.ema else self.net

    def stream(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """The generator of this step for one `purpose`: "augment", "dropout" or "torch"."""
        return streams.generator(self.seed, purpose, self.epoch, self.batch, device=device)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate in the middle of `step` (from 0) of the `steps` of this epoch."""
        return float(self.lr * self.schedule(self.epoch - 1 + (step + 0.5) / steps))

    def step(
        self, gradients: Sequence[Tensor], loss: Tensor, correct: Tensor, rows: int, steps: int
    ) -> Batch:
        """Take a step with the `gradients` of the parameters that are learned.

        `loss` is the mean over the batch's `rows` images, of which `correct` were classified
        correctly; the epoch has `steps`. Every 50th raises Diverged where the loss is not finite.
        """
        self.set_gradients(gradients)
        self.set_lr(steps)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()
        return self.count(loss, correct, rows, steps)

    def set_gradients(self, gradients: Sequence[Tensor]) -> None:
        """Give the parameters that are learned their `gradients`, clipped as in torch's."""
        if self.clip:
            norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
            factor = (self.clip / (torch.linalg.vector_norm(norms) + 1e-6)).clamp(max=1)
            gradients = [gradient * factor for gradient in gradients]
        for parameter, gradient in zip(self.learned, gradients, strict=True):
            parameter.grad = gradient

    def set_lr(self, steps: int) -> None:
        """Give the optimizer the learning rate of this step, of the epoch's `steps`."""
        self.take_over_lr()
        self.optimizer.lr = self.last_lr = self.lr_at(self.batch, steps)

    def take_over_lr(self) -> None:
        """Let the optimizer's rate be the start, where the caller has set another one."""
        if self.optimizer.lr != self.last_lr:
            self.lr = self.optimizer.lr

    def count(self, loss: Tensor, correct: Tensor, rows: int, steps: int) -> Batch:
        """Add a step that was taken to the sums of this epoch: see `step`."""
        seen = self.batch * self.batch_size + rows
        self.batch += 1
        self.loss_sum = self.loss_sum + loss * rows  # stays a tensor
        self.correct = self.correct + correct
        if self.batch % CHECKED == 0:
            self.require_finite(self.loss_sum)
        return Batch(self.epoch, self.batch, steps, self.lr_at(0, steps), loss, self.correct, seen)

    def close_epoch(self, raw: Score, score: Score, count: int) -> Epoch:
        """Add the epoch over `count` training images to the history, and go on to the next.

        `raw` is the score of the net, `score` that of what is tested. Raises Diverged.
        """
        loss_sum = float(self.loss_sum)
        self.require_finite(loss_sum, raw.loss, score.loss)
        record = Epoch(
            epoch=self.epoch,
            lr=self.lr_at(0, math.ceil(count / self.batch_size)),
            train_loss=loss_sum / count,
            train_accuracy=100 * int(self.correct) / count,
            test_loss=score.loss,
            test_correct=score.correct,
            test_total=score.total,
            test_accuracy=score.accuracy,
            raw_test_accuracy=raw.accuracy,
            seconds=self.seconds,
        )
        self.history.append(record)
        if see := getattr(self.schedule, "see", None):
            see(self.history)
        self.epoch += 1
        self.batch, self.loss_sum, self.correct, self.seconds = 0, 0.0, 0, 0.0
        return record

    def require_finite(self, *numbers: Tensor | float) -> None:
        """Raise Diverged where one of `numbers`, or one in a tensor of them, is not finite."""
        if not all(bool(torch.as_tensor(number).isfinite().all()) for number in numbers):
            raise Diverged(
                f"epoch {self.epoch}, step {self.batch}: the loss is not finite; "
                f"try a smaller rate (--lr, now {self.lr:g})"
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, besides its settings."""
        self.take_over_lr()
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "lr": self.lr,
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
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        for name in ("lr", "epoch", "batch", "loss_sum", "correct", "seconds"):
            setattr(self, name, state[name])
        self.optimizer.lr = self.last_lr = self.lr
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        if see := getattr(self.schedule, "see", None):
            see(self.history)
