"""Print the log of a run, with a progress bar in a terminal."""

import sys
import time
from typing import Any

from tqdm import tqdm

from tinytrain.nn import Module
from tinytrain.report.table import summary
from tinytrain.train.state import Batch, Epoch, Score


def print_net(net: Module, input_shape: tuple[int, ...] = (1, 28, 28)) -> None:
    """The summary table for an image (C, H, W) of that shape, then a line a parameter."""
    print(summary(net, input_shape))
    for name, parameter in net.named_parameters():
        print(f"{name}\t\t {parameter.shape}")


def score_line(score: Score, name: str = "Test set") -> str:
    """The line after an epoch. `name` is "Holdout set" where the test set was not opened."""
    right = f"{score.correct}/{score.total} ({score.accuracy:.2f}%)"
    return f"{name}: Average loss: {score.loss:.4f}, Accuracy: {right}"


class Log:
    """Print the events of `fit`: an epoch's learning rate, its progress, its score.

    The progress is a bar in a terminal, one plain line at the end of the epoch in a file.
    """

    def __init__(self, test_name: str = "Test set") -> None:
        self.test_name = test_name
        self.bar: Any = None  # tqdm's, in a terminal
        self.epoch = 0
        self.started = 0.0

    def show(self, event: Batch | Epoch) -> None:
        """Print a step or an epoch."""
        if event.epoch != self.epoch:
            self.epoch, self.started = event.epoch, time.perf_counter()
            print(f"Adjusting learning rate of group 0 to {event.lr:.4e}.")
            print(f"Epoch {event.epoch}", flush=True)
        if isinstance(event, Epoch):
            score = Score(event.test_loss, event.test_correct, event.test_total)
            print(score_line(score, self.test_name), end="\n\n", flush=True)
            return
        last = event.batch == event.batches
        if sys.stdout.isatty():
            if self.bar is None:
                self.bar = tqdm(total=event.batches, initial=event.batch - 1, file=sys.stdout)
            if self.bar.update() or last:
                self.bar.set_description(describe(event))
        elif last:
            seconds = time.perf_counter() - self.started
            print(tqdm.format_meter(event.batch, event.batches, seconds, prefix=describe(event)))
        if last:
            self.close()

    def close(self) -> None:
        """Leave the bar, if there is one, as it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def describe(event: Batch) -> str:
    """The last batch's loss, its number from 0, and the running accuracy."""
    accuracy = 100 * int(event.correct) / event.seen
    loss = float(event.loss)
    return f"Train: Loss={loss:.4f} Batch_id={event.batch - 1} Accuracy={accuracy:.2f}"
