"""A short training on drawn digits, which shows a function of the engine at work."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain import nets, nn, streams
from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.data import datasets
from tinytrain.data.datasets import Dataset
from tinytrain.nn import functional
from tinytrain.recipes import RECIPES, build
from tinytrain.store import synthetic
from tinytrain.store.sources import SOURCES
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


def train_on_digits(**changes: Any) -> Rows:
    """Train the final recipe with `changes` for two epochs; losses and accuracies on the way."""
    recipe = replace(RECIPE, **changes)
    training = build.start(recipe, seed=1, build_net=build_net)
    training.loss = functional.nll_loss  # by its name here, which may be the learner's now
    losses: list[float] = []
    rows: dict[str, list[float]] = {"loss": [], "test loss": [], "test accuracy, %": []}
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


def train_by_hand() -> Rows:
    """Losses of a convolution and a linear layer that learn small digits without autograd."""
    train, draw = digits(deskew=False).train, streams.generator(1, "weights")
    images, labels = train.images[torch.arange(60)].double() / 255, train.labels[:60]
    images = images[..., ::2, ::2]
    kernels = torch.randn(4, 1, 3, 3, generator=draw, dtype=torch.float64) / 3
    weight = torch.randn(10, 4 * 14 * 14, generator=draw, dtype=torch.float64) / 28
    losses = []
    for _ in range(41):
        maps = functional.conv2d(images, kernels, padding=1)
        hidden = maps.clamp(min=0).flatten(1)
        loss, above = by_hand.softmax_loss(hidden @ weight.T, labels)
        above, weight_gradient, _ = by_hand.linear_backward(above, hidden, weight)
        above = above.view_as(maps) * (maps > 0)
        _, kernels_gradient = by_hand.conv2d_backward(above, images, kernels, padding=1)
        weight -= 0.1 * weight_gradient
        kernels -= 0.1 * kernels_gradient
        losses.append(float(loss))
    return {"loss": losses[::10]}
