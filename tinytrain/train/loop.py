"""The training loop: for every batch compute gradients and take a step; after every epoch, test.

`fit` is a generator: the caller prints, saves, or stops asking.
"""

import time
from collections.abc import Iterator

from tinytrain import streams
from tinytrain.data import batches
from tinytrain.data.datasets import Dataset
from tinytrain.train.checks import require_suited
from tinytrain.train.compute import InProcess
from tinytrain.train.state import Batch, Epoch, Training


def fit(
    training: Training, dataset: Dataset, compute: InProcess | None = None
) -> Iterator[Batch | Epoch]:
    """Train from where `training` stands to its last epoch: a `Batch` a step, an `Epoch` an epoch.

    `compute` says how steps and scores are computed, by default in this process. Raises
    UsageError before the first step where net, data and batch size do not suit each other, and
    Diverged where the loss is no longer finite.
    """
    compute = compute or InProcess()
    require_suited(training.net, dataset, training.batch_size, training.loss)
    dataset = dataset.to(training.device)
    while training.epoch <= training.epochs:
        shuffle = streams.generator(training.seed, "shuffle", training.epoch)
        steps = batches.shuffled(len(dataset.train), training.batch_size, shuffle)
        training.net.train()
        for rows in steps[training.batch :]:  # a resumed epoch goes on where it was left
            started = time.perf_counter()
            event = compute.step(training, dataset, rows, len(steps))
            training.seconds += time.perf_counter() - started
            yield event
        yield finish_epoch(training, dataset, compute)


def finish_epoch(training: Training, dataset: Dataset, compute: InProcess) -> Epoch:
    """Test the net, and its average where there is one; add the epoch to the history."""
    started = time.perf_counter()
    raw = score = compute.score(training, training.net, dataset)
    if training.ema is not None:
        score = compute.score(training, training.ema.net, dataset)
    training.seconds += time.perf_counter() - started
    return training.close_epoch(raw, score, len(dataset.train))
