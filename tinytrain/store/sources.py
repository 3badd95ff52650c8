"""The data sets by name, with mirrors and digests; finding, fetching and reading their files.

The published digest says whether a mirror's copy is complete, and makes even a mirror without
encryption safe. So no set is listed without digests, and EMNIST, which is published as one large
archive, is not listed. Files of one's own are found by their names; their digests are those in
manifest.json beside them, where `manifest.verify` has written one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, on_disk, synthetic
from tinytrain.store.files import BY_FLAG, read_file, require, whole_folder
from tinytrain.store.on_disk import StoredImages


@dataclass(frozen=True)
class File:
    """One IDX file of a set, with what is known of it; None where it is not known.

    `size` and `sha256` are of the plain (decompressed) file, `md5` is of the .gz as published.
    `mtime_ns`: the time of change that the file had when its `sha256` was computed.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True)
class Source:
    """A data set: its files, and where they come from."""

    name: str  # of its folder, too
    files: tuple[File, ...]  # train images, train labels, test images, test labels
    mirrors: tuple[str, ...] = ()
    write_files: Callable[[Path], None] | None = None  # draws the set
    mean_and_std: tuple[float, float] | None = None  # of the training pixels, from 0 to 1


MANIFEST = "manifest.json"
SIZES = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def in_folder(folder: Path) -> Source:
    """The set in a folder of one's own: files whose names begin as MNIST's, or with `test-`.

    A missing file is listed under its usual name. Raises DataError where two files would do.
    """
    try:
        names = {path.name.removesuffix(".gz") for path in folder.iterdir()}
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    files = []
    for split in "train", "test|t10k":
        for kind in "images", "labels":
            pattern, usual = f"({split})-{kind}([-.].*)?", f"{split.partition('|')[0]}-{kind}"
            found = sorted(name for name in names if re.fullmatch(pattern, name)) or [usual]
            require(len(found) == 1, folder, f"one file {usual}", " and ".join(found))
            files.append(File(found[0]))
    return with_manifest(Source(str(folder), tuple(files)), folder)


def with_manifest(source: Source, folder: Path) -> Source:
    """The source with sizes, digests, mean and deviation from manifest.json, if there is one."""
    path = folder / MANIFEST
    try:
        content = json.loads(read_file(path))
        known = {
            name: File(name, file["size"], str(file["sha256"]), mtime_ns=int(file["mtime_ns"]))
            for name, file in content["files"].items()
        }
        files = [known[file.name] if present(file, folder) else file for file in source.files]
        mean, std = content["mean"], content["std"]
        if not (type(mean) is type(std) is float and 0 <= mean <= 1 and 0 < std <= 1):
            raise ValueError(f"mean {mean!r} and std {std!r}")
    except FileNotFoundError:
        return source
    except Exception as error:  # of many types, for a text of any form
        found = " ".join(f"{type(error).__name__}: {error}".split())
        expected = "the output of `data verify`"
        raise DataError(f"{path}: expected {expected}, found {found}; move it away") from error
    return replace(source, files=tuple(files), mean_and_std=(mean, std))


def present(file: File, folder: Path) -> list[Path]:
    """The paths of the plain file and the .gz, those of them that exist."""
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return [path for path in paths if os.path.exists(path)]


def fetch_missing(source: Source, files: tuple[File, ...], folder: Path) -> None:
    """Download, or draw, those of `files` that are not in `folder`.

    Raises DataError where they cannot be had, UsageError where `folder` cannot be written.
    """
    missing = [file for file in files if not present(file, folder)]
    if missing and source.write_files is not None:
        if any(present(file, folder) for file in source.files):
            names = ", ".join(file.name for file in missing)
            raise DataError(f"{folder}: {names} missing; move the rest away to draw all anew")
        try:
            with whole_folder(folder) as temporary:
                source.write_files(temporary)
        except UsageError as error:
            if not all(present(file, folder) for file in files):  # another run may have drawn it
                raise UsageError(f"{error} {BY_FLAG}") from error
    elif missing and not source.mirrors:
        names = ", ".join(file.name for file in missing)
        raise DataError(f"{folder}: expected four IDX files, plain or .gz, found no {names}")
    elif missing:
        from tinytrain.store import download  # here, since it imports requests

        unreachable: dict[str, str] = {}
        for file in missing:
            check = partial(read_verified, file)
            download.fetch(f"{file.name}.gz", source.mirrors, folder, check, unreachable)


def read_verified(
    file: File, path: Path, packed: bool = True
) -> tuple[idx.Array | StoredImages, str]:
    """Read the array in `path`, and the sha256 (hex) of its plain bytes. `packed`: it is a .gz.

    Raises DataError where it is not the file that `file` describes. All bytes are read, except of
    `StoredImages` that have not changed since the time in `file`. A plain file is compared with
    `size` and `sha256` only: `md5` is of the .gz.
    """
    hasher = hashlib.sha256()
    images = None if packed else on_disk.opened(path, file.size)
    if images is None:
        array = idx.read(path, file.size, hasher)
    elif file.sha256 and file.mtime_ns is not None:
        same = images.stamp[1] == file.mtime_ns
        require(same, path, f"no change since {MANIFEST} was written", "one")
        return images, file.sha256
    else:
        images.update(hasher)
    sha256 = hasher.hexdigest()
    require(file.sha256 in (None, sha256), path, f"content of sha256 {file.sha256}", sha256)
    if packed:
        content = read_file(path)
        require(content.startswith(idx.GZIP), path, "a gzip file", "a plain one")
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        require(file.md5 in (None, md5), path, f"a file of md5 {file.md5}", md5)
    return array if images is None else images, sha256


def published(kind: str, *digests: str) -> tuple[File, ...]:
    """MNIST's four files with their published digests of one `kind`, "sha256" or "md5"."""
    sha256, md5 = (digests if kind == name else [None] * 4 for name in ("sha256", "md5"))
    return tuple(map(File, SIZES, SIZES.values(), sha256, md5))


SOURCES = {
    source.name: source
    for source in (
        Source(
            "mnist",
            # Mirrors have compressed the files anew, so the content has the digest.
            published(
                "sha256",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://raw.githubusercontent.com/fgnt/mnist/master/",
            ),
            mean_and_std=(0.1307, 0.3081),
        ),
        Source(
            "fashion-mnist",
            published(
                "md5",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
            (
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
        ),
        Source(
            "kmnist",
            published(
                "md5",
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
            ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ),
        # Without sizes, so that a test or a lesson can write few digits.
        Source("synthetic", tuple(map(File, SIZES)), write_files=synthetic.write_files),
    )
}
