"""Computing steps and scores: the one part of training that can be done in other ways.

`fit` asks an `InProcess` for every step and every score. `workers.Workers`, which shares each
batch among several processes, and `graph.Graph`, which replays steps on a GPU, are subclasses.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import batches
from tinytrain.data.datasets import Dataset
from tinytrain.nn import Module, functional
from tinytrain.train.evaluation import evaluate
from tinytrain.train.state import Batch, Score, Training

Gradients = tuple[Sequence[Tensor], Tensor, Tensor]


class InProcess:
    """Compute in this process, a whole batch at once."""

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        """Take one of the epoch's `steps`, on the training images in `rows`, int64 (n,)."""
        images, labels = make_batch(training, dataset, rows)
        gradients, loss, correct = self.gradients(training, images, labels)
        return training.step(gradients, loss, correct, len(rows), steps)

    def gradients(self, training: Training, images: Tensor, labels: Tensor) -> Gradients:
        """The gradients of `training.learned`, the mean loss, and how many images were right."""
        training.net.set_generator(training.stream("dropout", images.device))
        with streams.seeded(training.stream("torch"), training.device):
            output = training.net(images)
            loss = self.loss(training, images, output, labels)
            gradients = torch.autograd.grad(loss, training.learned, materialize_grads=True)
        return gradients, loss.detach(), functional.correct(output, labels)

    def loss(self, training: Training, images: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """The loss of the batch, a scalar."""
        return training.loss(output, labels)

    def score(self, training: Training, net: Module, dataset: Dataset) -> Score:
        """The score of `net`, the training's own or its average, on the test images."""
        mean, std = dataset.mean, dataset.std
        with streams.seeded(training.stream("torch"), training.device):
            return evaluate(net, dataset.test, mean, std, tta=training.tta, loss=training.loss)


def make_batch(training: Training, dataset: Dataset, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Images (n, C, H, W), augmented and normalised, and labels (n,) of the `rows`, int64 (n,)."""
    images = dataset.train.images[rows].float()
    if training.augmentation is not None:
        images = training.augmentation(images, training.stream("augment"))
    return batches.normalise(images, dataset.mean, dataset.std), dataset.train.labels[rows]
