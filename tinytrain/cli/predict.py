"""The command `predict`: the classes of pictures that are in no data set.

A net knows only images like those that it was trained on, so the picture is shown as the net gets
it: where the answer is wrong, the reason can often be seen there.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from itertools import zip_longest
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_data_dir, add_path, natural
from tinytrain.errors import DataError, UsageError

if TYPE_CHECKING:
    from torch import Tensor


HELP = """\
Show images as a net gets them, with the classes and their probabilities. For nets of MNIST, or of
other grey data of 28 × 28 pixels, a digit may be of any size, light on dark or dark on light: it
is cut out, made 20 pixels high or wide and centred by its mass, as MNIST's were. For other nets
(those of fashion-mnist and kmnist among them) images are resized to the size of their data.
Files of many images are CSV (a line an image; told by the number of columns whether there is a
label, which is left out), .npz, .npy and IDX: each image has an answer, and is taken as it is
where it has the size of the net's data. With --csv all answers go into a file.
"""
COLUMNS = ("file", "row", "class", "label", "probability", "ImageId", "Label")
DRAWN = 3  # images that are shown in characters, at most
MOST_CLASSES = 10  # that are printed
SHADES = " .:-=+*#%@"


def add_flags(parser: Parser) -> None:
    """Add the flags of `predict`."""
    add_path(
        parser,
        "images",
        "a picture, such as PNG or JPEG, a folder of them, or a file of many images",
        nargs="+",
        metavar="IMAGE",
    )
    add_path(parser, "--run-dir", "the run's folder (default: the final net, which comes with it)")
    which = "only this image, from 0, of a file of many"
    parser.add_argument("--index", type=natural, metavar="N", help=which)
    add_path(parser, "--csv", "a CSV file for the answers: file (or row), class, probability")
    columns = "its columns, of file,row,class,label,probability; ImageId,Label are Kaggle's"
    parser.add_argument("--columns", type=column_list, metavar="NAME,…", help=columns)
    add_data_dir(parser)
    add_path(parser, "--output", "a picture of each image as it is and as the net gets it")


def column_list(text: str) -> list[str]:
    """The argparse type of "ImageId,Label": columns of the answers."""
    names = text.split(",")
    if not {*names} <= {*COLUMNS} or len({*names}) < len(names):
        raise ArgumentTypeError(f"expected some of {','.join(COLUMNS)}, each once, found {text!r}")
    return names


def run(options: Namespace) -> None:
    """Print each image as the net gets it, with its most probable classes, or write a CSV file.

    Raises DataError for an image that cannot be read, after the answers for the others, and at
    once for a file of many; UsageError where none of them has the image --index.
    """
    from tinytrain.cli.answers import (
        answered,
        raise_all,
        sources_in,
        with_folders,
        write_answers,
    )
    from tinytrain.cli.resolve import read_run
    from tinytrain.plots.drawing import Tile, grid, save, viewable

    if options.csv and (options.index is not None or options.output):
        raise UsageError("--csv: is for all images; leave out --index and --output")
    if options.columns and not options.csv:
        raise UsageError("--columns: names those of --csv FILE, which is missing")
    model = read_run(options.run_dir)
    paths = with_folders(options.images)
    sources = [source for path in paths for source in sources_in(path, model)]
    if options.csv:
        write_answers(model, sources, options)
        return
    if options.index is not None:
        rows = [source.row for source in sources if source.row is not None]
        if options.index not in rows:
            expected = f"0 to {max(rows)}" if rows else "a file of many images"
            raise UsageError(f"--index {options.index}: expected {expected}")
        sources = [source for source in sources if source.row in (None, options.index)]
    classes = model.class_names
    tiles: list[Tile | None] = []
    errors = []
    for source, answer in answered(model, sources):
        if isinstance(answer, DataError):
            errors.append(answer)
            continue
        row = answer.probabilities
        text = f"{classes[answer.label]} ({percent(float(row[answer.label]))})"
        print(f"{source.name}: {text}")
        if len(sources) <= DRAWN:
            print(side_by_side(as_text(answer.image), class_lines(row, classes)), end="\n\n")
        if options.output:
            picture, image = viewable(source.read()), viewable(answer.image)
            tiles += [Tile(picture, source.name[-24:]), Tile(image, f"seen as {text}")]
    if tiles:
        save(grid(tiles, columns=min(len(tiles), 8), inch=1.5), options.output)
        print(f"Drawn into {options.output}")
    raise_all(errors)


def percent(share: float) -> str:
    """A share as text."""
    return f"{100 * share:.2f} %"


def class_lines(row: Tensor, names: list[str]) -> list[str]:
    """A line for each of the most probable classes: class, probability, a bar."""
    wide = max(3, *map(len, names))
    order = row.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist()
    best = [(names[label], float(row[label])) for label in order]
    lines = [f"{name:>{wide}}  {percent(p):>8}  {'#' * round(20 * p)}" for name, p in best]
    if len(row) > MOST_CLASSES:
        lines.append(f"     and {len(row) - MOST_CLASSES} classes that are less probable")
    return [line.rstrip() for line in lines]


def as_text(image: Tensor) -> list[str]:
    """A uint8 image (C, H, W) as 16 to 32 characters a line, each twice as high as wide."""
    from tinytrain.store.mnist_form import resized

    height, width = image.shape[1:]
    columns = min(width if width >= 16 else 2 * width, 32)
    size = max(round(height * columns / width / 2), 1), columns
    grey = resized(image.double().mean(0, keepdim=True), size)[0]
    return ["".join(SHADES[value * len(SHADES) // 256] for value in row) for row in grey.tolist()]


def side_by_side(left: list[str], right: list[str]) -> str:
    """Two blocks of lines beside each other."""
    width = max(map(len, left))
    rows = zip_longest(left, right, fillvalue="")
    return "\n".join(f"  {first:<{width}}  {second}".rstrip() for first, second in rows)
