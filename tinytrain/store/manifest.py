"""Read every byte of a set of one's own, and keep digests, mean and deviation in manifest.json.

Later runs use the manifest so that they need not read all of a large set: the digest of 8,100,000
images takes 135 times as long as MNIST's tenth of a second, and so do mean and deviation. Labels,
and images that are held in memory, are still read and compared with their digest. Of images that
stay in their file (`on_disk`) a run compares length and time of change only: that notices a file
that was cut, exchanged or half copied, but not a byte that the disk lost or a change that was
dated back. `verify` compares all of it. The manifest guards against accidents, not against those
who can write the folder, since they can write the manifest, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinytrain.errors import DataError
from tinytrain.store.files import require, write_file
from tinytrain.store.sources import MANIFEST, Source, in_folder, present


def verify(folder: Path, load: Callable[[Source, Path], Any]) -> Any:
    """Read every byte of the set in `folder`, compare with its manifest, and return the set.

    `load`: `data.datasets.load_source`, which gives the `data.Dataset`. A missing manifest is
    written; where only the times of the files differ, as after copying them, it is written anew.
    Raises DataError where anything else differs, UsageError where it cannot be written.
    """
    source = in_folder(folder.resolve())
    paths = [path for file in source.files for path in present(file, folder)[:1]]
    before = [path.stat() for path in paths]  # they might change while they are read
    unread = tuple(replace(file, mtime_ns=None) for file in source.files)
    path = folder / MANIFEST
    try:
        dataset = load(replace(source, files=unread, mean_and_std=None), Path())
        computed = dataset.mean, dataset.std
        known = source.mean_and_std or computed
        require(known == computed, path, f"mean and deviation {computed}", known)
    except DataError as error:
        if source.mean_and_std is None:
            raise
        advice = f"if that is intended, move {MANIFEST} away and do this again"
        raise DataError(f"{error}; {advice}") from error
    files = {
        file.name: {
            "size": None if path.suffix == ".gz" else status.st_size,
            "sha256": sha256,
            "mtime_ns": status.st_mtime_ns,
        }
        for file, path, status, sha256 in zip(
            source.files, paths, before, dataset.digests, strict=True
        )
    }
    content = {"mean": dataset.mean, "std": dataset.std, "files": files}
    text = json.dumps(content, indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        write_file(path, text)
    return dataset
