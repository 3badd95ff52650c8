"""What a run prints: the reference's log, line for line, and the verdict at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from tinytrain.nn import Module
from tinytrain.nn.inspect import summary
from tinytrain.train.state import Batch, Score
from tinytrain.train.target import verdict


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


def print_verdict(
    accuracies: Sequence[float], parameters: int, reason_not_judged: str | None = None
) -> bool:
    """Print the `verdict`; returns whether the target is met."""
    met, text = verdict(accuracies, parameters, reason_not_judged)
    print(text)
    return met
