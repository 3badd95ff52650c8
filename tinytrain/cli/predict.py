"""The command `predict`: what a net says of pictures that are in no data set.

A net knows images of one form only, that of its data; a picture that is half as large, or dark on
light, is something else to it. So what it is given is shown as it sees it: where the answer is
wrong, the reason can often be seen there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import (
    Parser,
    add_data_dir,
    add_path,
    natural,
)
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import RECIPES

if TYPE_CHECKING:
    from torch import Tensor

    from tinytrain.nn import Module
    from tinytrain.plots.tiles import Tile

HELP = """\
Show images as a net sees them, with the classes and how probable it takes them to be. For nets of
MNIST, or of other grey data of 28 × 28 pixels, a digit may be of any size, light on dark or dark
on light: it is cut out, made 20 pixels high or wide and centred by its mass, as MNIST's were. For
other nets (those of fashion-mnist and kmnist among them) images are resized to the size of their
data.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `predict`."""
    add_path(parser, "images", "a PNG, JPEG or IDX file", nargs="+", metavar="IMAGE")
    add_path(parser, "--run-dir", "the run's folder (default: the final net, which comes with it)")
    which = "which image of an IDX file, from 0"
    parser.add_argument("--index", type=natural, metavar="N", help=which)
    add_data_dir(parser)
    add_path(parser, "--output", "a picture of each image as it is and as the net sees it")


MNIST_SHAPE = (1, 28, 28)
OF_ANOTHER_FORM = ("fashion-mnist", "kmnist")  # their images are of MNIST's shape, not its making
MOST_CLASSES = 10  # that are printed
SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Predictor:
    """A net and what it wants of an image: `shape` (C, H, W), and how such images are made."""

    net: Module
    shape: tuple[int, ...]
    as_mnist: bool
    upright: bool
    mean: float
    std: float
    looks: int
    names: list[str]

    def prepared(self, name: str, picture: Tensor) -> Tensor:
        """A picture (1 or 3, H, W), values 0 to 255, as the net wants it: uint8 (C, H, W)."""
        from tinytrain.cli.mnist_form import mnist_form, resized
        from tinytrain.cli.pictures import in_channels

        colours = in_channels(name, picture, self.shape[0])
        if not self.as_mnist:
            return resized(colours, (self.shape[1], self.shape[2]))
        try:
            return mnist_form(colours[0])[None]
        except ValueError as error:
            size = "×".join(map(str, picture.shape[1:]))
            raise DataError(f"{name}: expected a digit, found {size} pixels: {error}") from error

    def probabilities(self, images: Tensor) -> Tensor:
        """Those of the classes, (N, classes), for prepared images (N, C, H, W)."""
        from tinytrain.data.deskew import deskew
        from tinytrain.train.evaluation import predict as scores_of

        if self.upright:
            images = deskew(images)
        return scores_of(self.net, images, self.mean, self.std, tta=self.looks).exp()


def run(options: argparse.Namespace) -> None:
    """Print, image by image, what the net sees and how probable it takes each class to be."""
    import torch

    from tinytrain.cli.pictures import read
    from tinytrain.plots.drawing import save
    from tinytrain.plots.tiles import Tile, grid, seen

    pictures = [read(path, options.index) for path in options.images]
    if options.index is not None and not any(name.endswith("]") for name, _ in pictures):
        raise UsageError("--index: is for IDX files, and there is none among these images")
    predictor = of_run(options)
    images = torch.stack([predictor.prepared(*picture) for picture in pictures])
    tiles: list[Tile | None] = []
    for (name, picture), image, row in zip(
        pictures, images, predictor.probabilities(images), strict=True
    ):
        said = f"{predictor.names[int(row.argmax())]} ({percent(float(row.max()))})"
        print(f"{name}: {said}\n{beside(rendered(image), classes(row, predictor.names))}\n")
        tiles += [Tile(seen(picture), name[-24:]), Tile(seen(image), f"seen as {said}")]
    if options.output:
        save(grid(tiles, columns=2 * min(len(pictures), 4), inch=1.5), options.output)
        print(f"Drawn into {options.output}")


def of_run(options: argparse.Namespace) -> Predictor:
    """The net of --run-dir, or the final one that comes with tinytrain."""
    from tinytrain.cli.look import class_names
    from tinytrain.cli.resolve import trained
    from tinytrain.nn.inspect import output_shape
    from tinytrain.results import published
    from tinytrain.store.sources import SOURCES

    if options.run_dir is None:
        mean, std = SOURCES["mnist"].mean_and_std or (0.0, 1.0)
        net, looks = published.final_net(), RECIPES["final"].tta
        names = [str(digit) for digit in range(10)]
        return Predictor(net, MNIST_SHAPE, True, RECIPES["final"].deskew, mean, std, looks, names)
    settings, net = trained(options.run_dir)
    shape, recipe = settings.image_shape, settings.recipe
    as_mnist = shape == MNIST_SHAPE and settings.dataset not in OF_ANOTHER_FORM
    (count,) = output_shape(net, shape)
    names = [str(label) for label in range(count)]
    if settings.dataset not in SOURCES:
        names = class_names(Path(settings.dataset), count)
    normal = settings.mean, settings.std
    return Predictor(net, shape, as_mnist, recipe.deskew, *normal, recipe.tta, names)


def percent(share: float) -> str:
    """A share as text."""
    return f"{100 * share:.2f} %"


def classes(row: Tensor, names: list[str]) -> list[str]:
    """A line for each of the most probable classes: class, probability, a bar."""
    wide = max(3, *map(len, names))
    order = row.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist()
    best = [(names[label], float(row[label])) for label in order]
    lines = [f"{name:>{wide}}  {percent(p):>8}  {'#' * round(20 * p)}" for name, p in best]
    if len(row) > MOST_CLASSES:
        lines.append(f"     and {len(row) - MOST_CLASSES} classes that are less probable")
    return [line.rstrip() for line in lines]


def rendered(image: Tensor) -> list[str]:
    """A uint8 image (C, H, W) in letters, 16 to 32 a line; a letter is twice as high as wide."""
    from tinytrain.cli.mnist_form import resized

    height, width = image.shape[1:]
    columns = min(width if width >= 16 else 2 * width, 32)
    size = max(round(height * columns / width / 2), 1), columns
    grey = resized(image.double().mean(0, keepdim=True), size)[0]
    return ["".join(SHADES[value * len(SHADES) // 256] for value in row) for row in grey.tolist()]


def beside(left: list[str], right: list[str]) -> str:
    """Two blocks of lines beside each other."""
    width = max(map(len, left))
    count = max(len(left), len(right))
    one, other = (lines + [""] * (count - len(lines)) for lines in (left, right))
    pairs = zip(one, other, strict=True)
    return "\n".join(f"  {first:<{width}}  {second}".rstrip() for first, second in pairs)
