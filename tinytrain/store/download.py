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
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, BinaryIO

import requests
from tqdm import tqdm

from tinytrain.errors import DataError, Unavailable, UsageError
from tinytrain.store.files import BY_FLAG, cannot_write, whole_file


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
    redirects: int = 5


class Refused(Exception):
    """The mirror doesn't have the file, or not the published one: ask the next."""


class Busy(Refused):
    """The mirror has a trouble that often passes: ask it again."""


class Unreachable(Refused):
    """The mirror gives no answer: don't ask it again, not for another file either."""


def fetch(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    check: Callable[[Path], object],
    unreachable: dict[str, str],
    patience: Patience = Patience(),
) -> Path:
    """Download the file `name` from the first of `mirrors` that has it right: folder / name.

    `mirrors`: base URLs that end in a slash. `check` raises DataError if the file at the path that
    it is given isn't the published one. `unreachable`: mirror -> why it gives no answer; one in it
    isn't asked, and others are added: pass the same dict for all files of a set.
    Raises UsageError if `folder` can't be written, Unavailable if no mirror gives the file. Then,
    and after Ctrl-C, nothing is left in `folder`.
    """
    answers: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            for attempt in range(patience.attempts):
                if mirror in unreachable:
                    break
                time.sleep(attempt * patience.pause)
                try:
                    with whole_file(folder / name) as file:
                        receive(mirror + name, file, check, patience)
                    return folder / name
                except Refused as error:
                    known = unreachable if isinstance(error, Unreachable) else answers
                    known[mirror] = str(error)
                    if not isinstance(error, Busy):
                        break
    except OSError as error:
        raise UsageError(f"{cannot_write(folder, error)} {BY_FLAG}") from error
    answers |= unreachable
    found = "; ".join(f"{mirror}: {answers[mirror]}" for mirror in mirrors)
    raise Unavailable(
        f"{name}: expected the published file from a mirror, found {found}. Put the file into "
        f"{folder} by hand, choose another folder {BY_FLAG}, or use --dataset synthetic (digits "
        "drawn by tinytrain)"
    )


def receive(url: str, file: BinaryIO, check: Callable[[Path], object], patience: Patience) -> None:
    """Write what `url` sends into the open `file`, and check it."""
    with closing(stream(url, patience)) as pieces:
        response = next(pieces)
        if response.status_code != 200:
            busy = response.status_code == 429 or response.status_code >= 500
            raise (Busy if busy else Refused)(f"{response.status_code} {response.reason}")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        name = url.rpartition("/")[2]
        # disable=None: a bar in a terminal, nothing in a file.
        with tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None) as bar:
            for piece in pieces:
                bar.update(file.write(piece))
    try:
        require_published(file, check)
    except Refused:
        # Content-Encoding says that the file was packed for the journey. Some servers say so of
        # every .gz they have, which is why the bytes were tried as they came.
        if "gzip" not in response.headers.get("Content-Encoding", ""):
            raise
        unpack(file, patience.largest)
        require_published(file, check)


def require_published(file: BinaryIO, check: Callable[[Path], object]) -> None:
    """Raise Refused if the open `file` isn't the published one."""
    file.flush()
    try:
        check(Path(file.name))
    except DataError as error:
        raise Refused(f"200, but {error}".replace(f"{file.name}: ", "")) from error


def unpack(file: BinaryIO, largest: int) -> None:
    """Replace the content of the open `file`, a gzip, by what's in it."""
    file.seek(0)
    try:
        content = gzip.GzipFile(fileobj=file, mode="rb").read(largest)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(f"200, but not the gzip that Content-Encoding promises: {error}") from error
    file.seek(0)
    file.truncate()
    file.write(content)


def stream(url: str, patience: Patience) -> Generator[Any, None, None]:
    """The Response to a GET of `url`, then the bytes of its body, undecoded, as they come.

    Once there is a Response, its thread and its connection end with the generator. A thread that
    waits for an answer can't be ended: it ends by its own time-outs, and reads nothing any more.
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    left = Event()
    thread = Thread(target=request, args=(url, patience, queue, left), daemon=True)
    thread.start()
    response = None
    try:
        try:
            response = take(queue, time.monotonic() + patience.answer)
            yield response
        except Empty:
            raise Unreachable(f"no answer in {patience.answer:.3g} s") from None
        except OSError as error:  # as all errors of requests are
            raise Unreachable(f"no answer ({cause(error)})") from error
        started, received, limit = time.monotonic(), 0, patience.silence
        while (piece := take(queue, started + limit)) is not None:
            yield piece
            received += len(piece)
            limit = patience.silence + received / patience.pace
            if received > patience.largest:
                raise Refused(f"more than {patience.largest} bytes")
    except Empty:
        raise Refused(f"only {received} bytes in {limit:.3g} s") from None
    except OSError as error:
        raise Busy(f"broken off after {received} bytes ({cause(error)})") from error
    finally:
        left.set()
        if response is not None:
            # Wakes a thread that reads; an older urllib3 can't, or it has ended already.
            with suppress(AttributeError, OSError, RuntimeError, ValueError):
                response.raw.shutdown()
            thread.join()


def take(queue: SimpleQueue[Any], deadline: float) -> Any:
    """What comes next. Raises Empty after the `deadline`, and what the thread had raised."""
    item = queue.get(timeout=max(0, deadline - time.monotonic()))
    if isinstance(item, BaseException):
        raise item
    return item


class Session(requests.Session):
    """One that takes a redirect for an answer.

    It would follow it by itself, but read its body before, however long that is.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Where to go on: nowhere."""


def request(url: str, patience: Patience, queue: SimpleQueue[Any], left: Event) -> None:
    """The thread's part: put the Response, the pieces of its body and None, or an exception."""
    try:
        with Session() as session:
            for _ in range(patience.redirects + 1):
                # The time-outs end a thread that was left.
                with session.get(
                    url,
                    headers={"Accept-Encoding": "identity"},
                    stream=True,
                    timeout=(patience.connect, 2 * patience.silence),
                ) as response:
                    if response.is_redirect and not left.is_set():
                        url = requests.compat.urljoin(url, response.headers["Location"])
                        continue
                    send(response, queue, left)
                    return
            raise requests.TooManyRedirects(f"more than {patience.redirects} redirects")
    except BaseException as error:
        queue.put(error)


def send(response: requests.Response, queue: SimpleQueue[Any], left: Event) -> None:
    """Put the Response, the pieces of its body and None, until nobody wants them any more."""
    queue.put(response)
    # Decoding is up to `receive`; without this header requests leaves the bytes alone.
    response.raw.headers.pop("Content-Encoding", None)
    for piece in response.iter_content(1 << 14):
        if left.is_set():
            return
        queue.put(piece)
    queue.put(None)


def cause(error: BaseException) -> str:
    """One line on what began it: "Connection refused" rather than a pool and its retries."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{error}".split()) or type(error).__name__
