"""Images of any file, the answers of a net for them, and a CSV file of the answers."""

import argparse
import csv
import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from tinytrain.errors import DataError, NoSingleAnswer, UsageError
from tinytrain.results.trained_run import TrainedRun
from tinytrain.store import idx, named_arrays, pictures, tables
from tinytrain.store.files import make_folder, open_file, require, write_file
from tinytrain.store.on_disk import Images
from tinytrain.store.picture_folder import is_of_system

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


class Answer(NamedTuple):
    """The image as the net gets it, its label, and all probabilities (N,)."""

    image: Tensor
    label: int
    probabilities: Tensor


def sources_in(path: Path, run: TrainedRun) -> Iterator[Source]:
    """The images of a file: a picture, or the rows of a table or an array.

    Raises DataError for a table or an array that cannot be read.
    """
    suffix, start, shape = path.suffix.lower(), b"", run.settings.image_shape
    with suppress(OSError), open_file(path) as file:  # a picture is missed when it is read
        start = file.read(2)
    if suffix == ".csv":
        images: Images = torch.from_numpy(tables.read_images(path, shape))
    elif suffix in (".npz", ".npy") or start in (b"\0\0", idx.GZIP):
        images = named_arrays.read_images(path, math.prod(shape))
    else:
        yield Source(path, None, partial(pictures.rgb_pixels, path))
        return
    for row in range(len(images)):
        yield Source(path, row, partial(images.__getitem__, row))


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


def answered(
    run: TrainedRun, sources: Iterable[Source]
) -> Iterator[tuple[Source, Answer | DataError]]:
    """Each image with its answer, or with the error of one that cannot be read or answered."""
    rest = iter(sources)
    while chunk := [*islice(rest, AT_ONCE)]:
        found = [prepared(run, source) for source in chunk]
        images = [image for image in found if isinstance(image, Tensor)]
        rows = zip(*run.answers(torch.stack(images)), strict=True) if images else iter(())
        for source, image in zip(chunk, found, strict=True):
            if isinstance(image, Tensor):
                label, probabilities = next(rows)
                yield source, Answer(image, int(label), probabilities)
            else:
                yield source, image


def prepared(run: TrainedRun, source: Source) -> Tensor | DataError:
    """The image as the net gets it: a row of the size of its data as it is."""
    try:
        pixels = source.read()
        if source.row is not None and pixels.shape == run.settings.image_shape:
            return pixels
        return run.prepared(source.name, pixels.double())
    except DataError as error:
        return error


def write_answers(run: TrainedRun, sources: Sequence[Source], options: argparse.Namespace) -> None:
    """Write `options.csv`: a line for each image that can be read, without a class for no digit.

    Raises DataError at the end where some cannot be read, UsageError where the file is an image.
    """
    path: Path = options.csv
    if path.resolve() in [source.file.resolve() for source in sources]:
        raise UsageError(f"--csv {path}: is among the images; name another file")
    make_folder(path.parent)
    several = len({source.file for source in sources}) > 1
    rows = any(source.row is not None for source in sources)
    columns = ["file"] * (several or not rows) + ["row"] * rows + ["class", "probability"]
    names = [name.partition(" ")[2] or name for name in run.class_names]
    lines: list[dict[str, object]] = []
    unanswered, errors = 0, []
    bar = tqdm(sources, unit="image", disable=None)
    for number, (source, answer) in enumerate(answered(run, bar), 1):
        line: dict[str, object] = {"file": source.file, "row": source.row, "ImageId": number}
        if isinstance(answer, Answer):
            label, share = answer.label, float(answer.probabilities[answer.label])
            line |= {"class": names[label], "label": label, "Label": label}
            line |= {"probability": f"{share:.6f}"}
        elif isinstance(answer, NoSingleAnswer):
            unanswered += 1
        else:
            errors.append(answer)
            continue
        lines.append(line)
    if lines:
        text = io.StringIO()
        chosen = options.columns or columns
        writer = csv.DictWriter(text, chosen, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))
        empty = f", {unanswered:,} of them without a class: no single answer" if unanswered else ""
        net = "" if options.run_dir else " of the final net, which knows digits alone,"
        images = f"{len(lines):,} image{'s' * (len(lines) > 1)}"
        print(f"Answers{net} for {images}{empty} in {path}")
    raise_all(errors)


def raise_all(errors: Sequence[DataError]) -> None:
    """Raise the last of the errors, if any, with the others' lines before it."""
    for earlier in errors[:-1]:
        print(f"tinytrain: {earlier}", file=sys.stderr)
    if errors:
        raise errors[-1]
