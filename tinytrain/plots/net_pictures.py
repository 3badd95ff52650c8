"""The pictures of a trained net by name: mistakes, confusion, filters, maps, augmentation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from tinytrain.data import Dataset, batches
from tinytrain.errors import UsageError
from tinytrain.nn import Module
from tinytrain.plots import feature_maps, mistakes, samples
from tinytrain.recipes import Recipe
from tinytrain.train import build, evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def net_pictures(
    net: Module, dataset: Dataset, recipe: Recipe, digit: int | None = None
) -> dict[str, Callable[[], tuple[str, Figure]]]:
    """By name, a function that draws a picture of the net and returns its title and figure.

    `recipe` is the one that the net was trained by, `digit` the number of an image, from 0: of
    the test images for `maps` (the first, where None), of the training images for `augmentation`.
    The functions raise UsageError where there is no such image, or nothing to show.
    """
    images, labels = dataset.test.images, dataset.test.labels
    tested = f"{len(labels):,} {'held-out' if dataset.holdout else 'test'} images"

    @functools.cache  # computed once for all pictures
    def scores() -> Tensor:
        return evaluation.predict(net, images, dataset.mean, dataset.std, tta=recipe.tta)

    def overview() -> tuple[str, Figure]:
        title = "An image of each class that it gets right, and some that it gets wrong"
        return title, mistakes.right_and_wrong(images, labels, scores().argmax(1))

    def surest_mistakes() -> tuple[str, Figure]:
        count = int((scores().argmax(1) != labels).sum())
        title = f"The surest of its {count} mistakes on {tested}"
        return title, mistakes.misclassified(images, labels, scores(), most=24)

    def confusion() -> tuple[str, Figure]:
        return f"Which of {tested} it takes for which", mistakes.confusion(labels, scores())

    def filters() -> tuple[str, Figure]:
        return "What its first convolution looks for", feature_maps.filters(net)

    def maps() -> tuple[str, Figure]:
        row = require_row(digit or 0, len(images))
        image = batches.normalise(images[row : row + 1].float(), dataset.mean, dataset.std)
        title = f"The feature maps of its layers for image {row}, a {labels[row]}"
        return title, feature_maps.feature_maps(net, images[row], image)

    def augmentation() -> tuple[str, Figure]:
        augmentation, train = build.new_augmentation(recipe), dataset.train
        if augmentation is None:
            raise UsageError("the recipe of this net has no augmentation to draw")
        classes = sorted({*train.labels.tolist()})
        few = sorted({classes[len(classes) * tenths // 10] for tenths in (2, 5, 8)})
        rows = [int((train.labels == label).int().argmax()) for label in few]
        if digit is not None:
            rows = [require_row(digit, len(train))]
        title = "What the augmentation of its recipe makes of training images"
        return title, samples.augmented(train.images[rows], augmentation)

    return {
        "overview": overview,
        "mistakes": surest_mistakes,
        "confusion": confusion,
        "filters": filters,
        "maps": maps,
        "augmentation": augmentation,
    }


def require_row(row: int, count: int) -> int:
    """The number of an image. Raises UsageError where there are not that many."""
    if row >= count:
        raise UsageError(f"--digit {row}: expected an image from 0 to {count - 1}")
    return row
