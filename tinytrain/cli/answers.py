"""The answers of a net for many images, in a CSV file that is written whole or not at all."""

import argparse
import csv
import io
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from tinytrain.errors import DataError, NoSingleAnswer, UsageError
from tinytrain.results.trained_run import TrainedRun
from tinytrain.store import idx, named_arrays, pictures, tables
from tinytrain.store.files import cannot_write, make_folder, open_file, require, whole_file
from tinytrain.store.on_disk import Images
from tinytrain.store.picture_folder import is_of_system

COLUMNS = ("file", "row", "class", "label", "probability", "ImageId", "Label")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")  # in folders
AT_ONCE = 500  # images in memory as the net gets them


@dataclass(frozen=True)
class Source:
    """An image: its file, its row there (None for a picture), and how its pixels are read."""

    file: Path
    row: int | None
    read: Callable[[], Tensor]

    @property
    def name(self) -> str:
        """The file, and the row in it."""
        return str(self.file) if self.row is None else f"{self.file}[{self.row}]"

    def prepared(self, pixels: Tensor, run: TrainedRun) -> Tensor:
        """The pixels as the net gets them: as they are where a row has the size of its data."""
        if self.row is not None and pixels.shape == run.settings.image_shape:
            return pixels
        return run.prepared(self.name, pixels.double())


def write_answers(run: TrainedRun, paths: Sequence[Path], options: argparse.Namespace) -> None:
    """Write `options.csv`: a line for each image in the files that can be read.

    Raises DataError at the end, after the names of those that cannot be, UsageError where the
    file is one of the images.
    """
    if options.csv.resolve() in [path.resolve() for path in paths]:
        raise UsageError(f"--csv {options.csv}: is among the images; name another file")
    sources = [source for path in paths for source in sources_in(path, run)]
    arrays = {source.file for source in sources if source.row is not None}
    place = ["file"] * (len(paths) > 1 or not arrays) + ["row"] * bool(arrays)
    columns = options.columns or [*place, "class", "probability"]
    errors: list[DataError] = []
    lines = answered(run, sources, errors)
    make_folder(options.csv.parent)
    try:
        with whole_file(options.csv) as file:
            text = io.TextIOWrapper(file, "utf-8", "surrogateescape", "", write_through=True)
            writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            written = unanswered = 0
            for line in lines:
                writer.writerow(line)
                written += 1
                unanswered += line["label"] == ""
            for error in errors:
                print(f"tinytrain: {error}", file=sys.stderr)
            if not written:
                raise DataError(f"{options.csv}: not written: no image could be read")
            text.detach()
    except OSError as error:
        raise cannot_write(options.csv.parent, error) from error
    empty = f", {unanswered:,} of them without a class: no single answer" if unanswered else ""
    net = "" if options.run_dir else " of the final net, which knows digits alone,"
    print(f"Answers{net} for {written:,} images{empty} in {options.csv}")
    if errors:
        raise DataError(f"{len(errors):,} of {len(sources):,} images could not be read")


def with_folders(paths: Sequence[Path]) -> list[Path]:
    """The paths, with the pictures below a folder in its place, sorted, none that is hidden."""
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        shown = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not any(map(is_of_system, file.relative_to(path).parts))
        ]
        found = [file for file in shown if file.suffix.lower() in SUFFIXES]
        require(bool(found), path, f"pictures ({' '.join(SUFFIXES)})", "none")
        if len(found) < len(shown):
            print(f"{path}: files left out that are no pictures: {len(shown) - len(found):,}")
        files += found
    return files


def is_array(path: Path) -> bool:
    """Whether a file is a table or an array of images, by its name or its first bytes.

    One that cannot be opened is taken for a picture.
    """
    try:
        with open_file(path) as file:
            start = file.read(2)
    except OSError:
        return False
    return path.suffix.lower() in (".csv", ".npz", ".npy") or start in (b"\0\0", idx.GZIP)


def sources_in(path: Path, run: TrainedRun) -> Iterator[Source]:
    """The images of a file: a picture, or the rows of a table or an array.

    Raises DataError for a table or an array that cannot be read.
    """
    if not is_array(path):
        yield Source(path, None, partial(pictures.rgb_pixels, path))
        return
    shape = run.settings.image_shape
    if path.suffix.lower() == ".csv":
        images: Images = torch.from_numpy(tables.read_images(path, shape))
    else:
        images = named_arrays.read_images(path, math.prod(shape))
    for row in range(len(images)):
        yield Source(path, row, partial(images.__getitem__, row))


def answered(
    run: TrainedRun, sources: Sequence[Source], errors: list[DataError]
) -> Iterator[dict[str, object]]:
    """A line for each image that can be read; the others' errors go into `errors`."""
    names = [name.partition(" ")[2] or name for name in run.class_names]
    bar = iter(tqdm(enumerate(sources, 1), total=len(sources), unit="image", disable=None))
    while chunk := [*islice(bar, AT_ONCE)]:
        lines: list[dict[str, object]] = []
        images, asked = [], []
        for number, source in chunk:
            line = dict.fromkeys(COLUMNS, "") | {"file": source.file, "ImageId": number}
            line["row"] = "" if source.row is None else source.row
            try:
                images.append(source.prepared(source.read(), run))
                asked.append(line)
            except NoSingleAnswer:
                pass
            except DataError as error:
                errors.append(error)
                continue
            lines.append(line)
        if images:
            classes, probabilities = run.answers(torch.stack(images))
            best = probabilities.amax(1).tolist()
            for line, label, share in zip(asked, classes.tolist(), best, strict=True):
                line |= {"class": names[label], "label": label, "Label": label}
                line["probability"] = f"{share:.6f}"
        yield from lines


def column_list(text: str) -> list[str]:
    """The columns named in "ImageId,Label". Raises UsageError for one that there is not."""
    names = text.split(",")
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise UsageError(f"--columns {text}: expected some of {','.join(COLUMNS)}, each once")
    return names
