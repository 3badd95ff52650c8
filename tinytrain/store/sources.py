"""The data sets by name, with mirrors and digests; finding, fetching and reading their files.

The published digest says whether a mirror's copy is complete, and makes even a mirror without
encryption safe. So no set is in published.json without digests (of MNIST's files, which mirrors
have compressed anew, of their content); EMNIST, one large archive, is not there. Files of one's
own are found by their names.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, on_disk, synthetic
from tinytrain.store.files import BY_FLAG, AnyPath, read_file, reading, require, whole_folder

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


@dataclass(frozen=True)
class File:
    """One IDX file of a set, with what is known of it; None where it is not known.

    `size` and `sha256` are of the plain (decompressed) file, `md5` is of the .gz as published.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Source:
    """A data set: its files, and where they come from."""

    name: str  # of its folder, too
    files: tuple[File, ...]  # train images, train labels, test images, test labels
    mirrors: tuple[str, ...] = ()
    write_files: Callable[[Path], None] | None = None  # draws the set
    mean_and_std: tuple[float, float] | None = None  # of the training pixels, from 0 to 1


def published() -> dict[str, Source]:
    """The sets in published.json, and the drawn one, by name."""
    sources = {}
    for name, facts in json.loads(Path(__file__).with_name("published.json").read_text()).items():
        files = tuple(File(file, **known) for file, known in facts["files"].items())
        normal = tuple(facts["mean_and_std"]) if "mean_and_std" in facts else None
        sources[name] = Source(name, files, tuple(facts["mirrors"]), mean_and_std=normal)
    # Without sizes, so that a test or a lesson can write few digits.
    drawn = Source("synthetic", tuple(map(File, NAMES)), write_files=synthetic.write_files)
    return sources | {"synthetic": drawn}


SOURCES = published()


def data_root(data_dir: AnyPath | None = None) -> Path:
    """The folder of all sets: `data_dir` (the flag --data-dir), else $TINYTRAIN_DATA, else
    $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain.
    """
    named = data_dir or os.environ.get("TINYTRAIN_DATA")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return Path(named or cache / "tinytrain").expanduser()
    except RuntimeError as error:
        raise UsageError(f"{named or cache}: {error}; name a folder with --data-dir") from error


def find_source(name: AnyPath) -> Source:
    """The source called `name`: a key of SOURCES, or a folder with four IDX files.

    Raises UsageError where there is none.
    """
    folder = Path(os.path.expanduser(name))
    if source := SOURCES.get(os.fspath(name)):
        return source
    if folder.is_dir():
        return in_folder(folder.resolve())
    sets = f"expected one of {', '.join(SOURCES)}, or a folder with four IDX files"
    raise UsageError(f"--dataset {name}: {sets}; there is no such folder")


def folder_of(source: Source, root: Path) -> Path:
    """The folder of the source below `root`: its own, or torchvision's where only that has it."""
    folders = root / source.name, root / TORCHVISION.get(source.name, source.name) / "raw"
    return next((folder for folder in folders if present(source.files[0], folder)), folders[0])


def in_folder(folder: Path) -> Source:
    """The set in a folder of one's own: files whose names begin as MNIST's, or with `test-`.

    A missing file is listed under its usual name. Raises DataError where two files would do.
    """
    with reading(folder, "a folder"):
        names = {path.name.removesuffix(".gz") for path in folder.iterdir()}
    files = []
    for split in "train", "test|t10k":
        for kind in "images", "labels":
            pattern, usual = f"({split})-{kind}([-.].*)?", f"{split.partition('|')[0]}-{kind}"
            found = sorted(name for name in names if re.fullmatch(pattern, name)) or [usual]
            require(len(found) == 1, folder, f"one file {usual}", " and ".join(found))
            files.append(File(found[0]))
    return Source(str(folder), tuple(files))


def class_names(folder: Path, classes: int) -> list[str]:
    """Label and name of each class, such as "3 dog"; labels alone where there is no classes.txt.

    The names are the lines of that file, in order of the labels. Raises DataError where it does
    not have as many lines as there are classes.
    """
    path = folder / "classes.txt"
    if not path.exists():
        return [str(label) for label in range(classes)]
    with reading(path, "names of classes"):
        names = read_file(path).decode(errors="replace").splitlines()
    require(len(names) == classes, path, f"a line for each of {classes} classes", len(names))
    return [f"{label} {name}" for label, name in enumerate(names)]


def present(file: File, folder: Path) -> list[Path]:
    """The paths of the plain file and the .gz, those of them that exist."""
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return [path for path in paths if os.path.exists(path)]


def read_pair(
    source: Source, files: tuple[File, ...], folder: Path
) -> tuple[tuple[Any, Any], tuple[str, ...], tuple[Path, Path]]:
    """Images and labels, verified, with the sha256 (hex) and the path of each of the two files.

    They are arrays, and images larger than memory `StoredImages`. Files that are missing are
    downloaded or drawn first. Raises DataError and UsageError.
    """
    fetch_missing(source, files, folder)
    paths = present(files[0], folder)[0], present(files[1], folder)[0]
    try:
        (images, digest), (labels, labels_digest) = map(read_verified, files, paths)
    except DataError as error:
        if source.mirrors:
            raise DataError(f"{error}; move the file away, and it is fetched again") from error
        raise
    return (images, labels), (digest, labels_digest), paths


def fetch_missing(source: Source, files: tuple[File, ...], folder: Path) -> None:
    """Download, or draw, those of `files` that are not in `folder`.

    Raises DataError where they cannot be had, UsageError where `folder` cannot be written.
    """
    missing = [file for file in files if not present(file, folder)]
    names = ", ".join(file.name for file in missing)
    if missing and source.mirrors:
        from tinytrain.store import download  # here, since it imports requests

        for file in missing:
            download.fetch(f"{file.name}.gz", source.mirrors, folder, partial(read_verified, file))
    elif missing and source.write_files:
        if any(present(file, folder) for file in source.files):
            raise DataError(f"{folder}: {names} missing; move the rest away to draw all anew")
        try:
            with whole_folder(folder) as temporary:
                source.write_files(temporary)
        except UsageError as error:
            if not all(present(file, folder) for file in files):  # another run may have drawn it
                raise UsageError(f"{error} {BY_FLAG}") from error
    elif missing:
        raise DataError(
            f"{folder}: expected four IDX files, plain or .gz, found no {names}; "
            "`data convert` makes them of images in other forms"
        )


def read_verified(file: File, path: Path) -> tuple[on_disk.Stored, str]:
    """Read the array in `path`, and the sha256 (hex) of its plain bytes.

    Raises DataError where it is not the file that `file` describes. A plain file is compared with
    `size` and `sha256` only: `md5` is of the .gz.
    """
    hasher = hashlib.sha256()
    array = on_disk.read(path, file.size, hasher)
    sha256 = hasher.hexdigest()
    require(file.sha256 in (None, sha256), path, f"content of sha256 {file.sha256}", sha256)
    if ".gz" in path.suffixes:  # also in the temporary name of a download
        content = read_file(path)
        require(content.startswith(idx.GZIP), path, "a gzip file", "a plain one")
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        require(file.md5 in (None, md5), path, f"a file of md5 {file.md5}", md5)
    return array, sha256
