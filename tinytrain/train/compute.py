"""Computing gradients and scores: the one part of training that can be done in other ways.

`fit` asks an object with two methods. `InProcess` is the plain way; `workers.Workers` shares each
batch among several processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data.datasets import Dataset
from tinytrain.nn import Module, functional
from tinytrain.train.evaluation import evaluate
from tinytrain.train.state import Score, Training

MakeBatch = Callable[
    [slice], tuple[Tensor, Tensor]
]  # rows of the batch to their images and labels
Gradients = tuple[Sequence[Tensor], Tensor, Tensor]

WHOLE = slice(None)


class Compute(Protocol):
    """How `fit` gets gradients and scores."""

    def gradients(self, training: Training, batch: MakeBatch, size: int) -> Gradients:
        """The gradients of `training.learned`, the mean loss, and how many images were right.

        `batch(rows)` makes images (n, C, H, W) and labels (n,) of some of the batch's `size` rows.
        """

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        """The score of `net`, the training's own or its average, on the test images."""


class InProcess:
    """Compute in this process, a whole batch at once."""

    def gradients(self, training: Training, batch: MakeBatch, size: int) -> Gradients:
        images, labels = batch(WHOLE)
        training.net.set_generator(training.stream("dropout", images.device))
        with streams.seeded(training.stream("torch"), training.device):
            output = training.net(images)
            loss = training.loss(output, labels)
            gradients = torch.autograd.grad(loss, training.learned, materialize_grads=True)
        return gradients, loss.detach(), functional.correct(output, labels)

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        mean, std = dataset.mean, dataset.std
        return evaluate(net, dataset.test, mean, std, tta=training.tta, loss=training.loss)
