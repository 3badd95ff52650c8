"""A run's trained net, with what its images need: `load_run(folder).predict(images)`."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tinytrain import nets
from tinytrain.data.deskew import deskew
from tinytrain.errors import DataError, NoSingleAnswer
from tinytrain.nn import Module, functional
from tinytrain.nn.inspect import output_of
from tinytrain.recipes import RECIPES
from tinytrain.results.records import FOLDER
from tinytrain.runs import run_folder
from tinytrain.runs.settings import Settings
from tinytrain.store.files import AnyPath, require
from tinytrain.store.labelled import as_bytes, as_images
from tinytrain.store.mnist_form import mnist_form, resized
from tinytrain.store.pictures import grey
from tinytrain.store.sources import SOURCES, class_names
from tinytrain.train import evaluation

FINAL = FOLDER / "final.pt"  # a state dict, as `export` writes it, of one finished run
MNIST_SHAPE = (1, 28, 28)
NOT_DIGITS = ("fashion-mnist", "kmnist")  # of MNIST's shape, but not made like its digits


class Answers(NamedTuple):
    """The most probable class of each image, int64 (N,), and all probabilities (N, classes)."""

    classes: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class TrainedRun:
    """The settings of a run, its net, with averaged weights where it averages, and its loss.

    `epochs_left`: how many of the recipe's epochs are still to be trained.
    """

    settings: Settings
    net: Module
    loss: functional.Loss = functional.nll_loss
    epochs_left: int = 0

    @property
    def unfinished(self) -> str:
        """Such as "unfinished, 3 of 15 epochs", or "" where the run has all its epochs."""
        epochs = self.settings.recipe.epochs
        done = f"unfinished, {epochs - self.epochs_left} of {epochs} epochs"
        return done if self.epochs_left else ""

    @cached_property
    def class_names(self) -> list[str]:
        """The classes in the order of their labels, such as "3 dog", or "3" without a name."""
        count = output_of(self.net, self.settings.image_shape).shape[-1]
        if self.settings.dataset in SOURCES:
            return [str(label) for label in range(count)]
        return class_names(Path(self.settings.dataset), count)

    def prepared(self, name: str, picture: Tensor) -> Tensor:
        """A picture, float64 (channels, H, W), 0 to 255, as the net gets it: uint8 (C, H, W).

        Raises DataError, which names it, for other channels; NoSingleAnswer where no digit is.
        """
        channels, *size = self.settings.image_shape
        if len(picture) == 3 and channels == 1:
            picture = grey(picture)
        elif len(picture) == 1 and channels == 3:
            picture = picture.expand(3, -1, -1)
        expected = f"{channels} channels, as the net's data have"
        require(len(picture) == channels, name, expected, len(picture))
        if self.settings.image_shape != MNIST_SHAPE or self.settings.dataset in NOT_DIGITS:
            return resized(picture, (size[0], size[1]))
        try:
            return mnist_form(picture[0])[None]
        except ValueError as error:
            pixels = "×".join(map(str, picture.shape[1:]))
            found = f"expected a digit, found {pixels} pixels: {error}"
            raise NoSingleAnswer(f"{name}: {found}") from error

    def predict(self, images: Any) -> Answers:
        """The answers for images (N, H, W), (N, C, H, W) or (N, H, W, C), numbers 0 to 255.

        Images of the size of the net's data are taken as they are, others are `prepared`.
        Raises DataError for what are no such images.
        """
        pixels = as_images(as_bytes(np.asarray(images), "images"), "images")[:]
        if pixels.shape[1:] != self.settings.image_shape:
            named = enumerate(pixels.double())
            pixels = torch.stack([self.prepared(f"images[{i}]", image) for i, image in named])
        return self.answers(pixels)

    def answers(self, images: Tensor) -> Answers:
        """The answers for prepared images, uint8 (N, C, H, W)."""
        settings = self.settings
        images = deskew(images) if settings.recipe.deskew else images
        images = images.to(next((p.device for p in self.net.parameters()), "cpu"))
        tta = settings.recipe.tta
        outputs = evaluation.predict(self.net, images, settings.mean, settings.std, tta=tta)
        return Answers(outputs.argmax(1), outputs.softmax(1))  # also of a net that gives scores


def load_run(folder: AnyPath | None = None, device: str = "cpu") -> TrainedRun:
    """The run in a folder; without one, the final net that comes with tinytrain.

    Raises DataError where it is missing or damaged.
    """
    if folder is None:
        recipe = RECIPES["final"]
        net = nets.build(recipe.net)
        try:
            net.load_state_dict(torch.load(FINAL, weights_only=True, map_location="cpu"))
        except Exception as error:  # of many types, for bytes that torch cannot read
            found = type(error).__name__
            raise DataError(f"{FINAL}: no weights of the final net ({found})") from error
        settings = Settings(recipe, "mnist", "", 0.1307, 0.3081, 0, 1, device, 1)
        return TrainedRun(settings, net.eval().to(device))
    folder = Path(folder)
    settings = run_folder.read_settings(folder)
    training = run_folder.rebuilt(folder, settings, device)
    run_folder.restore(folder, settings, training)
    left = training.epochs - len(training.history)
    return TrainedRun(settings, training.tested_net.eval(), training.loss, left)
