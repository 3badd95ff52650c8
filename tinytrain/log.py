"""What a run prints: the reference's log, line for line, and the verdict at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from tinytrain.nn import Module
from tinytrain.nn.inspect import summary
from tinytrain.training import Batch, Score

TARGET_ACCURACY = 99.40  # percent
TARGET_EPOCHS = 15
TARGET_PARAMETERS = 8000
LAST_EPOCHS = 5


def print_net(net: Module) -> None:
    """The summary table, then a line a parameter."""
    print(summary(net))
    for name, parameter in net.named_parameters():
        print(f"{name}\t\t {parameter.shape}")


def print_epoch_start(epoch: int, lr: float) -> None:
    """The two lines before an epoch; `lr` is the rate of its first step."""
    print(f"Adjusting learning rate of group 0 to {lr:.4e}.")
    print(f"Epoch {epoch}", flush=True)


def score_line(score: Score, name: str = "Test set") -> str:
    """The line after an epoch. `name` is "Holdout set" where the test set was not opened."""
    return (
        f"{name}: Average loss: {score.loss:.4f}, Accuracy: "
        f"{score.correct}/{score.total} ({score.accuracy:.2f}%)"
    )


class TrainBar:
    """The progress of an epoch: a bar in a terminal, one plain line at the end in a file."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.started = time.perf_counter()

    def update(self, event: Batch) -> None:
        """Show a step that was taken."""
        last = event.batch == event.batches
        if not sys.stdout.isatty():
            if last:
                seconds = time.perf_counter() - self.started
                print(
                    tqdm.format_meter(event.batch, event.batches, seconds, prefix=describe(event))
                )
            return
        if self.bar is None:
            self.bar = tqdm(total=event.batches, initial=event.batch - 1, file=sys.stdout)
        if self.bar.update() or last:
            self.bar.set_description(describe(event))
        if last:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


def describe(event: Batch) -> str:
    """The last batch's loss, its number from 0, and the running accuracy."""
    accuracy = 100 * int(event.correct) / event.seen
    loss = float(event.loss)
    return f"Train: Loss={loss:.4f} Batch_id={event.batch - 1} Accuracy={accuracy:.2f}"


def verdict(
    accuracies: Sequence[float], parameters: int, reason_not_judged: str | None = None
) -> tuple[bool, str]:
    """Whether a run holds the target, and the lines that say so, condition by condition.

    `accuracies` are the test accuracies, in percent, of all epochs. The target: every one of the
    last five at 99.40 or more, at most 15 epochs, fewer than 8,000 parameters. `reason_not_judged`
    says why the run cannot be held against it; so does a run of fewer than five epochs.
    """
    epochs = len(accuracies)
    if reason_not_judged is None and epochs < LAST_EPOCHS:
        plural = "" if epochs == 1 else "s"
        reason_not_judged = f"{epochs} epoch{plural}; the target needs at least {LAST_EPOCHS}"
    if reason_not_judged is not None:
        return False, f"Verdict: not judged ({reason_not_judged})."
    last = accuracies[-LAST_EPOCHS:]
    shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
    conditions = [
        (
            min(last) >= TARGET_ACCURACY,
            f"last {LAST_EPOCHS} epochs: {shown} (each at least {TARGET_ACCURACY:.2f}; "
            f"the lowest is {min(last) - TARGET_ACCURACY:+.2f} from it)",
        ),
        (epochs <= TARGET_EPOCHS, f"{epochs} epochs (at most {TARGET_EPOCHS})"),
        (
            parameters < TARGET_PARAMETERS,
            f"{parameters:,} parameters (fewer than {TARGET_PARAMETERS:,})",
        ),
    ]
    met = all(condition for condition, _ in conditions)
    lines = [f"{'met    ' if condition else 'NOT met'}  {text}" for condition, text in conditions]
    return met, "\n".join([f"Verdict: the target is {'met' if met else 'NOT met'}.", *lines])


def print_verdict(
    accuracies: Sequence[float], parameters: int, reason_not_judged: str | None = None
) -> bool:
    """Print the `verdict`; returns whether the target is met."""
    met, text = verdict(accuracies, parameters, reason_not_judged)
    print(text)
    return met
