"""Computing steps and scores: the one part of training that can be done in other ways.

`fit` asks an object with two methods, `step` and `score`. `InProcess` is the plain way;
`workers.Workers` shares the gradients of each batch among several processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import augment, batches
from tinytrain.data.datasets import Dataset
from tinytrain.nn import Module, functional
from tinytrain.train.evaluation import evaluate
from tinytrain.train.state import Batch, Score, Training

WHOLE = slice(None)
MakeBatch = Callable[[slice], tuple[Tensor, Tensor]]  # some of a batch: its images and labels
Gradients = tuple[Sequence[Tensor], Tensor, Tensor]


class Compute(Protocol):
    """How `fit` gets steps and scores."""

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        """Take one of the epoch's `steps` on the training images in `rows`, int64 (n,)."""

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        """The score of `net`, the training's own or its average, on the test images."""


class InProcess:
    """Compute in this process, a whole batch at once."""

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        batch = partial(make_batch, training, dataset, rows)
        gradients, loss, correct = self.gradients(training, batch, len(rows))
        return training.step(gradients, loss, correct, len(rows), steps)

    def gradients(self, training: Training, batch: MakeBatch, size: int) -> Gradients:
        """The gradients of `training.learned`, the mean loss, and how many images were right.

        `batch(some)` makes images (n, C, H, W) and labels (n,) of some of the batch's `size` rows.
        """
        images, labels = batch(WHOLE)
        training.net.set_generator(training.stream("dropout", images.device))
        with streams.seeded(training.stream("torch"), training.device):
            output = training.net(images)
            loss = training.loss(output, labels)
            gradients = torch.autograd.grad(loss, training.learned, materialize_grads=True)
        return gradients, loss.detach(), functional.correct(output, labels)

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        mean, std = dataset.mean, dataset.std
        with streams.seeded(training.stream("torch"), training.device):
            return evaluate(net, dataset.test, mean, std, tta=training.tta, loss=training.loss)


def make_batch(
    training: Training, dataset: Dataset, rows: Tensor, some: slice = WHOLE
) -> tuple[Tensor, Tensor]:
    """Images (n, C, H, W), augmented and normalised, and labels (n,) of `some` of a batch's rows.

    Augmentation is drawn for the whole batch, so that `some` decides nothing about it.
    """
    images = dataset.train.images[rows].float()
    if training.augmentation is None:
        images = images[some]
    else:
        images = augment.of_rows(training.augmentation, images, training.stream("augment"), some)
    images = batches.normalise(images, dataset.mean, dataset.std)
    return images, dataset.train.labels[rows[some]]
