"""The pictures of a trained net by name: mistakes, confusion, filters, maps, augmentation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import Dataset, Split, augment, batches
from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Module
from tinytrain.plots.drawing import Tile, grid, new_figure, viewable
from tinytrain.recipes import Recipe, build
from tinytrain.train import evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 32  # of a layer
COLUMNS = 12  # of maps
Draw = Callable[[], tuple[str, "Figure"]]


@dataclass
class Pictures:
    """The pictures of a trained net; predictions are computed once for all of them.

    `recipe` is the one that the net was trained by, `digit` the number of an image, from 0: of
    the test images for `maps` (the first, where None), of the training images for `augmentation`.
    The methods raise UsageError where there is no such image, or nothing to show.
    """

    net: Module
    dataset: Dataset
    recipe: Recipe
    digit: int | None = None

    @property
    def by_name(self) -> dict[str, Draw]:
        """For each picture a function that draws it and returns its title and figure."""
        drawn = self.overview, self.mistakes, self.confusion, self.filters, self.maps
        return {draw.__name__: draw for draw in (*drawn, self.augmentation)}

    @property
    def test(self) -> Split:
        return self.dataset.test

    @property
    def tested(self) -> str:
        """The images of the predictions, in words."""
        return f"{len(self.test):,} {'held-out' if self.dataset.holdout else 'test'} images"

    @cached_property
    def outputs(self) -> Tensor:
        """Those of the net for every test image, (N, classes)."""
        mean, std = self.dataset.mean, self.dataset.std
        return evaluation.predict(self.net, self.test.images, mean, std, tta=self.recipe.tta)

    def overview(self) -> tuple[str, Figure]:
        """The first right image of each of ten classes, and below ten wrong ones."""
        most = 10
        labels, guess = self.test.labels, self.outputs.argmax(1)
        right, wrong = (guess == labels).nonzero()[:, 0], (guess != labels).nonzero()[:most, 0]
        classes = sorted({*labels[right].tolist()})[:most]
        firsts = [int(right[labels[right] == label][0]) for label in classes]
        tiles: list[Tile | None] = [self.tile(row, f"{labels[row]}") for row in firsts]
        tiles += [None] * (most - len(firsts))
        tiles += [self.tile(int(row), f"{labels[row]}: says {guess[row]}") for row in wrong]
        title = "An image of each class that it gets right, and some that it gets wrong"
        return title, grid(tiles, columns=most, inch=0.8)

    def mistakes(self) -> tuple[str, Figure]:
        """The 24 mistakes of the highest confidence: true class, predicted class, number."""
        labels, (confidence, guess) = self.test.labels, self.outputs.softmax(1).max(1)
        wrong = (guess != labels).nonzero()[:, 0]
        if not len(wrong):
            raise UsageError(f"the net makes no mistake on these {len(labels):,} images")
        tiles = [
            self.tile(
                row,
                f"{labels[row]} taken for {guess[row]}\n"
                f"{100 * confidence[row]:.0f} % sure, no. {row}",
            )
            for row in wrong[confidence[wrong].argsort(descending=True)][:24].tolist()
        ]
        title = f"The surest of its {len(wrong)} mistakes on {self.tested}"
        return title, grid(tiles, columns=6, inch=1.3)

    def tile(self, row: int, title: str) -> Tile:
        """A test image with its title."""
        return Tile(viewable(self.test.images[row]), title)

    def confusion(self) -> tuple[str, Figure]:
        """How often each class (row) is taken for each other one (column)."""
        table = evaluation.confusion(self.outputs, self.test.labels)
        classes = len(table)
        side = min(max(0.45 * classes, 2.0), 20.0)
        figure = new_figure(side, side)
        axes = figure.add_subplot()
        mistakes = table.clone().fill_diagonal_(0)
        image = axes.imshow(mistakes.numpy(), "Purples", vmax=max(int(mistakes.max()), 1) * 1.6)
        image.set_gid("light")
        axes.set(xlabel="the net says", ylabel="the class is")
        if classes <= 50:
            axes.set(xticks=range(classes), yticks=range(classes))
            for row, column in table.nonzero().tolist():
                color = "grey" if row == column else "black"
                count = str(int(table[row, column]))
                axes.text(column, row, count, ha="center", va="center", size=7, color=color)
        return f"Which of {self.tested} it takes for which", figure

    def filters(self) -> tuple[str, Figure]:
        """The kernels of the first convolution in one scale, a tile for each channel."""
        layers = [layer for layer in self.net.modules() if isinstance(layer, Conv2d)]
        if not layers:
            raise UsageError("this net has no convolution of tinytrain.nn, so no filters to draw")
        kernels = layers[0].weight.detach()
        limit, channels = float(kernels.abs().max()), kernels.shape[1]
        tiles = [
            Tile(kernel, f"filter {number}" + f", channel {channel}" * (channels > 1), limit)
            for number, kernel_of_all in enumerate(kernels)
            for channel, kernel in enumerate(kernel_of_all)
        ]
        return "What its first convolution looks for", grid(tiles, columns=8, inch=1.0)

    def maps(self) -> tuple[str, Figure]:
        """A test image, and the feature maps of each layer in rows of their own."""
        row = require_row(self.digit or 0, self.test)
        image = self.test.images[row : row + 1].float()
        normalised = batches.normalise(image, self.dataset.mean, self.dataset.std)
        tiles: list[Tile | None] = [self.tile(row, "the image")]
        for name, maps in maps_by_layer(self.net, normalised).items():
            for channel, values in enumerate(maps[:MOST_MAPS]):
                limit = float(values.abs().max()) if values.min() < 0 else None
                tiles.append(Tile(values, f"{name}, {channel}", limit))
            tiles += [None] * (-len(tiles) % COLUMNS)
        if len(tiles) == 1:
            raise UsageError(
                "no layer of tinytrain.nn in this net has feature maps, so there are none to draw"
            )
        title = f"The feature maps of its layers for image {row}, a {self.test.labels[row]}"
        return title, grid(tiles, COLUMNS, inch=1.0)

    def augmentation(self) -> tuple[str, Figure]:
        """Training images, one a row, as they are and five times augmented."""
        augmentation, train = build.new_augmentation(self.recipe), self.dataset.train
        if augmentation is None:
            raise UsageError("the recipe of this net has no augmentation to draw")
        classes = sorted({*train.labels.tolist()})
        few = sorted({classes[len(classes) * tenths // 10] for tenths in (2, 5, 8)})
        rows = [int((train.labels == label).int().argmax()) for label in few]
        if self.digit is not None:
            rows = [require_row(self.digit, train)]
        tiles = []
        for number, image in enumerate(train.images[rows].float()):
            draws = augmentation.draw(5, streams.generator(1, "gallery", number))
            copies = augment.apply(image.expand(5, -1, -1, -1), draws)
            tiles.append(Tile(viewable(image), "as it is"))
            tiles += [Tile(viewable(copy), "augmented") for copy in copies]
        title = "What the augmentation of its recipe makes of training images"
        return title, grid(tiles, columns=6, inch=1.0)


def require_row(row: int, split: Split) -> int:
    """The number of an image. Raises UsageError where there are not that many."""
    if row >= len(split):
        raise UsageError(f"--digit {row}: expected an image from 0 to {len(split) - 1}")
    return row


@torch.no_grad()
def maps_by_layer(net: Module, normalised: Tensor) -> dict[str, Tensor]:
    """The outputs (C, H, W) of a net's layers, by name, for a normalised image (1, C, H, W).

    Of successive layers with outputs of one shape only the last counts: of convolution, batch
    norm, ReLU and dropout the output that the next convolution gets.
    """
    twin = copy.deepcopy(net).eval()
    outputs: list[tuple[str, Tensor]] = []

    def recording(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def recorded(input: Tensor) -> Tensor:
            output = forward(input)
            if outputs and outputs[-1][1].shape == output[0].shape:
                outputs.pop()
            outputs.append((name, output[0].clone()))  # a later layer may work in place
            return output

        return recorded

    for name, layer in list(twin.named_modules()):
        if not list(layer.named_children()):
            vars(layer)["forward"] = recording(name, layer.forward)
    twin(normalised)
    return {name: maps for name, maps in outputs if maps.ndim == 3 and maps[0].numel() > 1}
