"""A short training on drawn digits, which shows a function of the engine at work."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain import nets, nn
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.data import datasets
from tinytrain.data.datasets import Dataset
from tinytrain.nn import functional
from tinytrain.results.variations import RECIPES
from tinytrain.store import synthetic
from tinytrain.store.sources import SOURCES
from tinytrain.train import build
from tinytrain.train.loop import fit
from tinytrain.train.state import Batch

TRAIN_IMAGES, TEST_IMAGES = 502, 200
PARTS = 4  # of an epoch, each with a mean loss
RECIPE = replace(RECIPES["final"], epochs=2, batch_size=32)


class ToFloat64(nn.Module):
    """Convert the input to float64."""

    def forward(self, input: Tensor) -> Tensor:
        return input.double()


def build_net(name: str, dropout: float, generator: torch.Generator) -> nn.Module:
    """The net of that name in float64.

    Two ways to compute the same thing differ in the last of 16 digits, and a hundred steps later
    still in none that is shown. In float32 they would part, as two seeds do.
    """
    net = nn.Sequential(ToFloat64(), nets.build(name, dropout, generator))
    return net.to(torch.float64)


def digits(deskew: bool) -> Dataset:
    """Drawn digits, written into files and read again, as every data set is."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "synthetic"
        place.mkdir()
        synthetic.write_files(place, train=TRAIN_IMAGES, test=TEST_IMAGES)
        return datasets.load_source(SOURCES["synthetic"], Path(folder), deskew=deskew)


def pixels() -> tuple[Tensor, Tensor]:
    """The drawn training digits, float64 (N, 1, 28, 28) from 0 to 1, and their labels."""
    train = digits(deskew=False).train
    return train.images[torch.arange(len(train))].double() / 255, train.labels


def train_on_digits(**changes: Any) -> Rows:
    """Train the final recipe with `changes` for two epochs; losses and accuracies on the way."""
    recipe = replace(RECIPE, **changes)
    training = build.start(recipe, seed=1, build_net=build_net)
    training.loss = functional.nll_loss  # by its name here, which may be the learner's now
    losses: list[float] = []
    rows: Rows = {"loss": [], "test loss": [], "test accuracy, %": []}
    for event in fit(training, digits(recipe.deskew)):
        if isinstance(event, Batch):
            losses.append(float(event.loss))
            continue
        size = max(1, -(-len(losses) // PARTS))
        parts = [losses[start : start + size] for start in range(0, len(losses), size)]
        rows["loss"] += [sum(part) / len(part) for part in parts]
        rows["test loss"].append(event.test_loss)
        rows["test accuracy, %"].append(event.test_accuracy)
        losses = []
    return rows
