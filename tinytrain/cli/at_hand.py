"""What a training needs around it: data that is whole, or a mirror that has it, and room.

Each question is answered in findings, a line each, and changes nothing: what is missing is
neither fetched nor drawn, and a folder that is not there is not made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tinytrain import data
from tinytrain.errors import DataError, TinytrainError
from tinytrain.runs.locks import holder
from tinytrain.store.sources import SOURCES, Source, in_folder, present

ENOUGH = 200 << 20  # bytes: for a set that is fetched or drawn, and for many runs
PATIENCE = 4  # seconds for a mirror; all are asked at once


@dataclass(frozen=True)
class Finding:
    """A line: `mark` is ok, warning or FAILED, and then `error` says which exit status follows."""

    mark: str
    topic: str
    text: str
    error: type[TinytrainError] = TinytrainError

    def __str__(self) -> str:
        return f"{self.mark:<8} {self.topic:<10} {self.text}"


def data_sets(root: Path) -> Iterator[Finding]:
    """The data root, each set that could be in it, and those of the user's own that are."""
    try:
        folders = sorted(root.iterdir()) if os.path.exists(root) else []
    except OSError as error:
        text = f"{root}: cannot be read ({error.strerror}); name another folder with --data-dir"
        yield Finding("FAILED", "data", text, DataError)
        return
    yield Finding("ok", "data", f"in {root}{'' if folders else ', where nothing is yet'}")
    own = [
        path for path in folders if path.name not in SOURCES and any(path.glob("train-images*"))
    ]
    for name in [*SOURCES, *map(str, own)]:
        try:
            yield data_set(name, root)
        except TinytrainError as error:
            yield Finding("FAILED", "data", str(error), DataError)


def data_set(name: str, root: Path) -> Finding:
    """Whether a set is whole. Raises DataError where it is damaged, or nothing completes it."""
    source = SOURCES.get(name) or in_folder(Path(name))
    missing = [file.name for file in source.files if not present(file, root / name)]
    if name in SOURCES and len(missing) == len(source.files):
        how = "fetched" if source.mirrors else "drawn"
        return Finding("ok", "data", f"{name}: not here; {how} when it is first used")
    if missing and source.mirrors:
        text = f"{name}: no {', '.join(missing)}; fetched when it is next used"
        return Finding("warning", "data", text)
    if missing:
        raise DataError(f"{root / name}: no {', '.join(missing)}; move the rest away")
    dataset = data.load(name, root)
    checked = "as published" if source.mirrors else "whole; nobody published a digest"
    sizes = f"{len(dataset.train):,} + {len(dataset.test):,} images"
    return Finding("ok", "data", f"{name}: {sizes}, {checked} (sha256 {dataset.digest[:16]}…)")


def mirrors(root: Path) -> Iterator[Finding]:
    """Which mirrors answer."""
    sources = [source for source in SOURCES.values() if source.mirrors]
    with ThreadPoolExecutor(16) as pool:
        asked = [[pool.submit(trouble, one, url) for url in one.mirrors] for one in sources]
    answers = [[answer.result() for answer in one] for one in asked]
    if all(said for one in answers for said in one):
        text = (
            f"none answers ({answers[0][0]}): no network here? The sets that are in {root} need "
        )
        yield Finding("warning", "mirrors", f"{text}none, nor does --dataset synthetic")
        return
    for source, said in zip(sources, answers, strict=True):
        troubles = [one for one in said if one]
        text = "; ".join([f"{source.name}: {said.count('')} of {len(said)} answer", *troubles])
        yield Finding("ok" if "" in said else "warning", "mirrors", text)


def trouble(source: Source, mirror: str) -> str:
    """Why a mirror does not give the smallest file of a set, or nothing where it does."""
    from tinytrain.store import download  # only here: it imports the network code

    host, url = urlsplit(mirror).netloc, f"{mirror}{source.files[-1].name}.gz"
    patience = download.Patience(connect=PATIENCE, silence=PATIENCE)
    try:
        with download.Session() as session:
            response = download.request(session, url, patience)
    except download.Refused as error:
        return f"{host}: {error}"
    return "" if response.status_code == 200 else f"{host}: {response.status_code}"


def space(root: Path) -> Iterator[Finding]:
    """Room for data in `root` and for runs in ./runs, and whether it may be used."""
    for use, folder, flag in (("data", root, "--data-dir"), ("runs", Path("runs"), "--run-dir")):
        place = next(at for at in (folder, *folder.absolute().parents) if os.path.exists(at))
        free = shutil.disk_usage(place).free
        text = f"{free / 2**30:.1f} GiB free for {use}, in {folder.absolute()}"
        if not os.access(place, os.W_OK):
            text += f", which cannot be written: for new {use} name another folder with {flag}"
            yield Finding("warning", "space", text)
        elif free < ENOUGH:
            text += f": make room, or name another folder with {flag}"
            yield Finding("warning", "space", text)
        else:
            yield Finding("ok", "space", text)


def locks() -> Iterator[Finding]:
    """The runs below ./runs that a process holds at present."""
    folders = sorted(path.parent for path in Path("runs").rglob("lock"))
    held = [(folder, process) for folder in folders if (process := holder(folder))]
    for folder, process in held:
        text = f"{folder} is held by process {process}, which trains in it; kill {process} ends it"
        yield Finding("ok", "runs", text)
    if not held:
        yield Finding("ok", "runs", "none in ./runs is held by a process")
