"""The loop: for every batch, ask how wrong the net is, and step against the gradient.

`fit` is a generator. It yields a `Batch` after every step and an `Epoch` after every evaluation,
and goes on when it is asked for the next one; who calls it draws a progress bar, prints, saves, or
simply stops.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from torch import Tensor

from tinytrain import streams
from tinytrain.data import augment, batches
from tinytrain.data.datasets import Dataset
from tinytrain.errors import UsageError
from tinytrain.nn import functional
from tinytrain.nn.inspect import output_shape
from tinytrain.train.evaluation import evaluate
from tinytrain.train.state import Batch, Epoch, Training
from tinytrain.workers.group import Workers

CHECKED = 50  # steps from one look at the loss to the next


def fit(
    training: Training, dataset: Dataset, workers: Workers | None = None
) -> Iterator[Batch | Epoch]:
    """Train from where `training` stands to its last epoch, yielding every step and every epoch.

    Of several `workers` each does this with the same arguments, takes its parts of every batch,
    and yields the events of the whole.

    Raises UsageError before the first step where net, data and batch size do not suit each other,
    and Diverged where the loss is no longer finite. It is looked at every fiftieth step, since a
    GPU is waited for when a number is read (for a CPU that is 0.02 ms), and after every epoch.
    """
    workers = workers or Workers()
    workers.cut(training.shards)
    require_batches(training, dataset)
    device = training.device
    dataset = replace(dataset, train=dataset.train.to(device), test=dataset.test.to(device))
    while training.epoch <= training.epochs:
        yield from train_epoch(training, dataset, workers)
        yield finish_epoch(training, dataset, workers)


def train_epoch(training: Training, dataset: Dataset, workers: Workers) -> Iterator[Batch]:
    """The steps that are left of the present epoch."""
    net, seed, epoch, split = training.net, training.seed, training.epoch, dataset.train
    device = split.images.device
    shuffle = streams.generator(seed, "shuffle", epoch)
    steps = batches.shuffled(len(split), training.batch_size, shuffle)
    lr = training.rate(0, len(steps))
    net.train()
    nets = workers.replicas(net)  # as many as this worker has parts of a batch: mostly one
    weights = [[held for held in one.parameters() if held.requires_grad] for one in nets]
    for index in range(training.batch, len(steps)):
        started = time.perf_counter()
        rows = steps[index]
        parts = workers.parts(len(rows))
        batch = [drawn(training, dataset, index, rows, part.rows) for part in parts]
        for one in nets:
            one.set_generator(streams.generator(seed, "dropout", epoch, index, device=device))
        outputs = workers.forward(nets, [images for images, _ in batch], parts)
        if index == training.batch == 0:
            require_outputs(training, dataset, outputs[0])
        pairs = [(output, target) for output, (_, target) in zip(outputs, batch, strict=True)]
        losses = [training.loss(*pair) for pair in pairs]
        right = [functional.correct(*pair) for pair in pairs]
        gradients, loss, correct = workers.backward(losses, right, weights, parts)
        training.set_gradients(weights[0], gradients)
        training.optimizer.lr = training.rate(index, len(steps))
        training.optimizer.step()
        if training.average is not None:
            training.average.update()

        # Sums stay tensors: reading a number would make the Python program wait for a GPU.
        training.batch = index + 1
        training.loss_sum = training.loss_sum + loss * len(rows)
        training.correct = training.correct + correct
        if training.batch % CHECKED == 0:
            training.require_finite(training.loss_sum)
        training.seconds += time.perf_counter() - started
        seen = min((index + 1) * training.batch_size, len(split))
        yield Batch(epoch, index + 1, len(steps), lr, loss, training.correct, seen)


def drawn(
    training: Training, dataset: Dataset, index: int, rows: Tensor, part: slice
) -> tuple[Tensor, Tensor]:
    """Images and labels of a part of the batch `rows`, with what is drawn for the whole batch."""
    images = dataset.train.images[rows].float()
    if training.augmentation is None:
        images = images[part]
    else:
        draw = streams.generator(training.seed, "augment", training.epoch, index)
        images = augment.of_rows(training.augmentation, images, draw, part)
    return batches.normalise(images, dataset.mean, dataset.std), dataset.train.labels[rows[part]]


def require_batches(training: Training, dataset: Dataset) -> None:
    """Raise UsageError where one image would make a batch of its own that the net cannot take.

    Batch norm cannot: where its map is 1 × 1, a single value a channel has no deviation.
    """
    count, size = len(dataset.train), training.batch_size
    if size > 1 and count % size != 1:
        return
    try:
        output_shape(training.net, tuple(dataset.train.images.shape[1:]), training=True)
    except ValueError as error:
        works = [other for other in range(2, count + 1) if count % other != 1]
        nearest = sorted(works, key=lambda other: abs(other - size))[:2]
        advice = " or ".join(f"--batch-size {other}" for other in nearest) or "more images"
        raise UsageError(
            f"--batch-size {size}: of {count} training images one would be a batch of its own, "
            f"and the net does not train on one ({error}); take {advice}"
        ) from error


def require_outputs(training: Training, dataset: Dataset, output: Tensor) -> None:
    """Raise UsageError where what the net gives for a batch does not suit labels or loss."""
    found, width = tuple(output.shape), dataset.classes
    if len(found) != 2 or found[1] != width:
        raise UsageError(
            f"the net: expected outputs (N, {width}), a number a class, found {found}"
        )
    total = float(output.detach()[0].exp().sum())
    if training.loss is functional.nll_loss and not abs(total - 1) < 0.01:
        raise UsageError(
            f"the net: expected log-probabilities, of probabilities that add up to 1, found "
            f"{total:g}; end it with nn.LogSoftmax(), or give Training another loss"
        )


def finish_epoch(training: Training, dataset: Dataset, workers: Workers) -> Epoch:
    """Evaluate, add a line to the history, and move the place to the next epoch."""
    started = time.perf_counter()
    loss_sum, correct = float(training.loss_sum), int(training.correct)
    test = partial(evaluate, split=dataset.test, mean=dataset.mean, std=dataset.std)
    test = partial(test, looks=training.looks, loss=training.loss, workers=workers)
    raw = score = test(training.net)
    if training.average is not None:
        score = test(training.average.net)
    training.require_finite(loss_sum, raw.loss, score.loss)
    steps = math.ceil(len(dataset.train) / training.batch_size)
    record = Epoch(
        epoch=training.epoch,
        lr=training.rate(0, steps),
        train_loss=loss_sum / len(dataset.train),
        train_accuracy=100 * correct / len(dataset.train),
        test_loss=score.loss,
        test_correct=score.correct,
        test_total=score.total,
        test_accuracy=score.accuracy,
        raw_test_accuracy=raw.accuracy,
        seconds=training.seconds + time.perf_counter() - started,
    )
    training.history.append(record)
    training.epoch += 1
    training.batch, training.loss_sum, training.correct, training.seconds = 0, 0.0, 0, 0.0
    return record
