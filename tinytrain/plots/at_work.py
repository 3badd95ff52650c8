"""A trained net at work, in pictures: what it gets wrong, what it looks for, what it is shown."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import augment, batches
from tinytrain.data.augment import Augmentation
from tinytrain.data.datasets import Dataset
from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Module
from tinytrain.plots.drawing import new_figure
from tinytrain.plots.tiles import Tile, grid, seen
from tinytrain.recipes import Recipe
from tinytrain.store.on_disk import Images
from tinytrain.train import build
from tinytrain.train.evaluation import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 32  # of a layer


def drawings(
    net: Module, dataset: Dataset, recipe: Recipe, digit: int | None = None
) -> dict[str, Callable[[], tuple[str, Figure]]]:
    """A trained net on the images that `dataset` tests on: by name, what draws a titled picture.

    `recipe` is the one that the net was trained by, `digit` the number of an image, from 0: of
    the test images for `maps` (the first, where None), of the training images for `augmentation`.
    To draw raises UsageError where there is no such image, or nothing such to show.
    """
    images, labels = dataset.test.images, dataset.test.labels
    tested = f"{len(labels):,} {'held-out' if dataset.holdout else 'test'} images"

    @functools.cache
    def scores() -> Tensor:
        return predict(net, images, dataset.mean, dataset.std, tta=recipe.tta)

    def maps() -> tuple[str, Figure]:
        row = require_row(digit or 0, len(images))
        one = batches.normalise(images[row : row + 1].float(), dataset.mean, dataset.std)
        title = f"What the channels of its layers answer to image {row}, a {labels[row]}"
        return title, feature_maps(net, images[row], one)

    def augmentation() -> tuple[str, Figure]:
        moved, train = build.new_augmentation(recipe), dataset.train
        if moved is None:
            raise UsageError("the recipe of this net has no augmentation to draw")
        classes = sorted({*train.labels.tolist()})
        few = sorted({classes[len(classes) * tenths // 10] for tenths in (2, 5, 8)})
        rows = [int((train.labels == one).int().argmax()) for one in few]
        if digit is not None:
            rows = [require_row(digit, len(train))]
        title = "What the augmentation of its recipe makes of training images"
        return title, augmented(train.images[rows], moved)

    return {
        "overview": lambda: (
            "An image of each class that it gets right, and some that it gets wrong",
            right_and_wrong(images, labels, scores().argmax(1)),
        ),
        "mistakes": lambda: (
            f"The surest of its {int((scores().argmax(1) != labels).sum())} mistakes on {tested}",
            misclassified(images, labels, scores(), most=24),
        ),
        "confusion": lambda: (
            f"Which of {tested} it takes for which",
            confusion(labels, scores()),
        ),
        "filters": lambda: ("What its first convolution looks for", filters(net)),
        "maps": maps,
        "augmentation": augmentation,
    }


def require_row(row: int, count: int) -> int:
    """The number of an image, where there are `count`; raises UsageError for one too high."""
    if row >= count:
        raise UsageError(f"--digit {row}: expected an image from 0 to {count - 1}")
    return row


def right_and_wrong(images: Images, labels: Tensor, guess: Tensor, most: int = 10) -> Figure:
    """Above the first image of each of `most` classes that is right, below the first wrong ones.

    Images (N, C, H, W), labels and what the net said of the same images (N,).
    """
    right, wrong = (guess == labels).nonzero()[:, 0], (guess != labels).nonzero()[:most, 0]
    classes = sorted({*labels[right].tolist()})[:most]
    above = [int(right[labels[right] == one][0]) for one in classes]
    tiles: list[Tile | None] = [Tile(seen(images[row]), str(int(labels[row]))) for row in above]
    tiles += [None] * (most - len(above))
    tiles += [Tile(seen(images[row]), f"{labels[row]}: says {guess[row]}") for row in wrong]
    return grid(tiles, columns=most, inch=0.8)


def misclassified(images: Images, labels: Tensor, log_probabilities: Tensor, most: int) -> Figure:
    """The mistakes that the net was surest of: true class, the one it said, confidence, number.

    Images (N, C, H, W), labels (N,), log-probabilities (N, classes) of the same images.
    """
    confidence, guess = log_probabilities.exp().max(1)
    wrong = (guess != labels).nonzero()[:, 0]
    if not len(wrong):
        raise UsageError(f"the net makes no mistake on these {len(labels):,} images")
    wrong = wrong[confidence[wrong].argsort(descending=True)][:most]
    tiles = [
        Tile(
            seen(images[row]),
            f"{labels[row]} taken for {guess[row]}\n{100 * confidence[row]:.0f} % sure, no. {row}",
        )
        for row in wrong
    ]
    return grid(tiles, columns=6, inch=1.3)


def confusion(labels: Tensor, log_probabilities: Tensor) -> Figure:
    """How often each class (row) is taken for each other one (column)."""
    guess, classes = log_probabilities.argmax(1), log_probabilities.shape[1]
    table = torch.bincount(labels * classes + guess, minlength=classes**2).view(classes, classes)
    side = min(max(0.45 * classes, 2.0), 20.0)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    mistakes = table.clone().fill_diagonal_(0)
    drawn = axes.imshow(mistakes.numpy(), "Blues", vmax=max(int(mistakes.max()), 1) * 1.6)
    drawn.set_gid("light")
    for row, column in table.nonzero().tolist() if classes <= 50 else ():
        color = "grey" if row == column else "black"
        count = str(int(table[row, column]))
        axes.text(column, row, count, ha="center", va="center", size=7, color=color)
    axes.set(xlabel="the net says", ylabel="the class is")
    if classes <= 50:
        axes.set(xticks=range(classes), yticks=range(classes))
    return figure


def filters(net: Module) -> Figure:
    """The kernels of the net's first convolution; UsageError where there is none.

    All have one scale, red for positive and blue for negative weights; where an image has several
    channels, a kernel has a tile for each.
    """
    convolutions = [layer for layer in net.modules() if isinstance(layer, Conv2d)]
    if not convolutions:
        raise UsageError("this net has no convolution, so no filters to draw")
    kernels = convolutions[0].weight.detach()
    limit, channels = float(kernels.abs().max()), kernels.shape[1]
    tiles = [
        Tile(kernel, f"filter {number}" + f", channel {channel}" * (channels > 1), limit)
        for number, kernel_of_all in enumerate(kernels)
        for channel, kernel in enumerate(kernel_of_all)
    ]
    return grid(tiles, columns=8, inch=1.0)


def feature_maps(net: Module, image: Tensor, normalised: Tensor) -> Figure:
    """An image (C, H, W), and a row for what each layer's channels answer to it.

    `normalised`, (1, C, H, W), is the image as the net takes it. Raises UsageError where no layer
    answers with maps.
    """
    tiles: list[Tile | None] = [Tile(seen(image), "the image")]
    columns = 12
    for name, maps in answers(net, normalised).items():
        for channel, one in enumerate(maps[:MOST_MAPS]):
            limit = float(one.abs().max()) if one.min() < 0 else None
            tiles.append(Tile(one, f"{name}, {channel}", limit))
        tiles += [None] * (-len(tiles) % columns)
    if len(tiles) == 1:
        raise UsageError("no layer of this net answers with maps, so there are none to draw")
    return grid(tiles, columns, inch=1.0)


@torch.no_grad()
def answers(net: Module, normalised: Tensor) -> dict[str, Tensor]:
    """What the layers of a net answer to a normalised image (1, C, H, W): maps (C, H, W) by name.

    Of layers in succession that give one shape only the last counts: after batch norm, ReLU and
    dropout the maps of a convolution are what the next one sees.
    """
    twin = copy.deepcopy(net).eval()
    found: list[tuple[str, Tensor]] = []

    def keeping(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def kept(input: Tensor) -> Tensor:
            output = forward(input)
            if found and found[-1][1].shape == output[0].shape:
                found.pop()
            found.append((name, output[0].clone()))  # a later layer may work in place
            return output

        return kept

    for name, layer in list(twin.named_modules()):
        if not list(layer.named_children()):
            vars(layer)["forward"] = keeping(name, layer.forward)
    twin(normalised)
    return {name: maps for name, maps in found if maps.ndim == 3 and maps[0].numel() > 1}


def augmented(images: Tensor, augmentation: Augmentation, seed: int = 1) -> Figure:
    """Images (N, C, H, W) as they are, one a row, and five times augmented."""
    tiles = []
    for number, image in enumerate(images.float()):
        draw = streams.generator(seed, "gallery", number)
        copies = image.expand(5, -1, -1, -1)
        moved = augment.apply(copies, augmentation.draw(5, draw))
        tiles += [Tile(seen(image), "as it is"), *(Tile(seen(one), "augmented") for one in moved)]
    return grid(tiles, columns=6, inch=1.0)
