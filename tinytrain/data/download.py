"""A download is a claim that is checked before it's believed, and a mirror is asked with patience.

A server can be gone, slow, busy, cut the file off, or send a web page that says "sorry" with
status 200. So bytes arrive under a temporary name, are compared with the published digest, and
only then get their name: a file that's there is a file that's right. Whatever goes wrong with one
mirror, the next is asked.

Looking up a name, connecting to each of its addresses, a byte every few seconds: each of these can
take minutes, and no time-out of requests covers them as a whole. So a thread does the waiting, and
whoever wants the bytes waits on a queue, where one clock covers everything.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, BinaryIO

import requests
from tqdm import tqdm

from tinytrain.data.files import whole_file
from tinytrain.errors import DataError, Unavailable, UsageError

ANOTHER_FOLDER = "name another folder with --data-dir or TINYTRAIN_DATA"


@dataclass(frozen=True)
class Patience:
    """How long and how often a mirror is asked. Times in seconds, sizes in bytes."""

    connect: float = 5  # for one address of the mirror
    answer: float = 8  # from the name look-up to the status line; three dead mirrors take < 30 s
    silence: float = 20  # between two pieces of a file
    pace: float = 8192  # per second, on average, after one `silence`: no endless drip
    attempts: int = 3  # where the mirror is busy (429, 5xx) or the stream breaks
    pause: float = 1  # before the second attempt; twice that before the third
    largest: int = 64 << 20  # no file of a data set comes near this


class _Unreachable(Exception):
    """The mirror gives no answer: don't ask it again, not for another file either."""


class _Again(Exception):
    """The mirror has a trouble that often passes: ask it again."""


class _Next(Exception):
    """The mirror doesn't have the file, or not the published one: ask the next."""


def fetch(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    check: Callable[[Path], None],
    unreachable: dict[str, str] | None = None,
    patience: Patience = Patience(),
) -> Path:
    """Download the file `name` from the first of `mirrors` that has it right: folder / name.

    `mirrors`: base URLs that end in a slash.
    `check`: is given the path of what came, and raises DataError if that isn't the published file.
    `unreachable`: mirror -> why it can't be reached. One in it isn't asked, and one that gives
        no answer is added: pass the same dict for all files of a set.
    Raises UsageError if `folder` can't be written, Unavailable if no mirror gives the file. Then,
    and after Ctrl-C, nothing is left in `folder`.
    """
    unreachable = {} if unreachable is None else unreachable
    answers = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            for attempt in range(patience.attempts):
                if mirror in unreachable:
                    break
                time.sleep(attempt * patience.pause)
                try:
                    with whole_file(folder / name) as file:
                        _receive(mirror + name, file, check, patience)
                    return folder / name
                except _Unreachable as error:
                    unreachable[mirror] = str(error)
                except _Again as error:
                    answers[mirror] = str(error)
                except _Next as error:
                    answers[mirror] = str(error)
                    break
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror or error}); {ANOTHER_FOLDER}"
        ) from error
    raise Unavailable(
        f"{name}: expected the published file from a mirror, found "
        + "; ".join(f"{mirror}: {(answers | unreachable)[mirror]}" for mirror in mirrors)
        + f". Put the file into {folder} by hand, {ANOTHER_FOLDER}, or use "
        "--dataset synthetic (digits drawn by tinytrain)"
    )


def _receive(url: str, file: BinaryIO, check: Callable[[Path], None], patience: Patience) -> None:
    """Write what `url` sends into the open `file`, and check it."""
    with closing(_pieces(url, patience)) as pieces:
        response = next(pieces)
        if response.status_code != 200:
            busy = response.status_code == 429 or response.status_code >= 500
            raise (_Again if busy else _Next)(f"{response.status_code} {response.reason}")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        # disable=None: a bar in a terminal, nothing in a file.
        name = url.rpartition("/")[2]
        with tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None) as bar:
            for piece in pieces:
                file.write(piece)
                bar.update(len(piece))
    try:
        _check(file, check)
    except _Next:
        # Content-Encoding says that the file was packed for the journey. Some servers say so of
        # every .gz they have, which is why the bytes were tried as they came.
        if "gzip" not in response.headers.get("Content-Encoding", ""):
            raise
        _unpack(file, patience.largest)
        _check(file, check)


def _check(file: BinaryIO, check: Callable[[Path], None]) -> None:
    file.flush()
    try:
        check(Path(file.name))
    except DataError as error:
        raise _Next(f"200, but {error}".replace(f"{file.name}: ", "")) from error


def _unpack(file: BinaryIO, largest: int) -> None:
    """Replace the content of the open `file`, a gzip, by what's in it."""
    file.seek(0)
    try:
        content = gzip.GzipFile(fileobj=file, mode="rb").read(largest)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _Next(f"200, but not the gzip that Content-Encoding promises: {error}") from error
    file.seek(0)
    file.truncate()
    file.write(content)


def _pieces(url: str, patience: Patience) -> Iterator[Any]:
    """The Response to a GET of `url`, then the bytes of its body, undecoded, as they come."""
    queue: SimpleQueue = SimpleQueue()
    left = Event()
    Thread(target=_ask, args=(url, patience, queue, left), daemon=True).start()
    started, received, answered = time.monotonic(), 0, False
    try:
        while True:
            limit = patience.silence + received / patience.pace if answered else patience.answer
            try:
                piece = queue.get(timeout=max(0, started + limit - time.monotonic()))
            except Empty:
                if not answered:
                    raise _Unreachable(f"no answer in {limit:.3g} s") from None
                raise _Next(f"only {received} bytes in {limit:.3g} s") from None
            if isinstance(piece, OSError):  # as all errors of requests are
                if not answered:
                    raise _Unreachable(f"no answer ({_cause(piece)})") from piece
                raise _Again(f"broken off after {received} bytes ({_cause(piece)})") from piece
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            yield piece
            if answered:
                received += len(piece)
            else:
                started, answered = time.monotonic(), True
            if received > patience.largest:
                raise _Next(f"more than {patience.largest} bytes")
    finally:
        left.set()


def _ask(url: str, patience: Patience, queue: SimpleQueue, left: Event) -> None:
    """The thread's part: put the Response, the pieces of its body and None, or an exception."""
    try:
        with requests.get(
            url,
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=(patience.connect, 2 * patience.silence),  # ends a thread that was left
        ) as response:
            queue.put(response)
            # Decoding is _receive's decision; without this header requests leaves the bytes alone.
            response.raw.headers.pop("Content-Encoding", None)
            for piece in response.iter_content(1 << 14):
                if left.is_set():
                    return
                queue.put(piece)
        queue.put(None)
    except BaseException as error:
        queue.put(error)


def _cause(error: BaseException) -> str:
    """One line on what began it: "Connection refused" rather than a pool and its retries."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{error}".split()) or type(error).__name__
