"""Find a data set by name and read the verified arrays of its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinytrain.errors import DataError, UsageError
from tinytrain.store.files import AnyPath
from tinytrain.store.sources import (
    SOURCES,
    File,
    Source,
    fetch_missing,
    in_folder,
    present,
    read_verified,
)


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
    raise UsageError(f"--dataset {name}: {sets}")


def read_pair(
    source: Source, files: tuple[File, ...], folder: Path
) -> tuple[tuple[Any, Any], tuple[str, str], tuple[Path, Path]]:
    """Images and labels, verified, with the sha256 (hex) and the path of each of the two files.

    They are arrays, and images larger than memory `StoredImages`.

    Files that are missing are downloaded or drawn first. Raises DataError and UsageError.
    """
    fetch_missing(source, files, folder)
    paths = present(files[0], folder)[0], present(files[1], folder)[0]
    try:
        (images, digest), (labels, labels_digest) = (
            read_verified(file, path, path.suffix == ".gz")
            for file, path in zip(files, paths, strict=True)
        )
    except DataError as error:
        if source.mirrors:
            raise DataError(f"{error}; move the file away, and it is fetched again") from error
        if files[0].mtime_ns is not None:
            verify = f"python -m tinytrain data verify {folder}"
            raise DataError(f"{error}; {verify} compares every byte") from error
        raise
    return (images, labels), (digest, labels_digest), paths
