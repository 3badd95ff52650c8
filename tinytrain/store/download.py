"""Download a file from the first mirror that has the published bytes.

The bytes arrive under a temporary name and get their own name after the digest has been compared.
Whatever goes wrong with one mirror, the next is asked. Time is limited by requests' time-outs (for
a connection, and for each wait for bytes) and by a deadline that is checked after each piece.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, TimeoutError

from tinytrain.errors import DataError, Unavailable, UsageError
from tinytrain.store.files import BY_FLAG, cannot_write, cut, whole_file


@dataclass(frozen=True)
class Patience:
    """How long and how often a mirror is asked. Times in seconds, sizes in bytes."""

    connect: float = 5  # for each address of the mirror
    silence: float = 8  # without a byte
    pace: float = 8192  # least bytes per second, on average, after one `silence`
    attempts: int = 3  # where the mirror is busy (429, 5xx) or the connection breaks
    pause: float = 1  # before the second attempt; twice that before the third
    largest: int = 64 << 20  # the longest file of a set has 47 MB unpacked
    redirects: int = 5


class Refused(Exception):
    """The mirror does not have the published file: ask the next one."""


class Busy(Refused):
    """The mirror has a problem that often passes: ask it again."""


class Unreachable(Refused):
    """The mirror does not answer: do not ask it again, for another file either."""


class Session(requests.Session):
    """A session that does not follow redirects: requests would read their bodies, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: there is nowhere to go on."""


def fetch(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    check: Callable[[Path], object],
    unreachable: dict[str, str],
    patience: Patience = Patience(),
) -> Path:
    """Download the file `name` into `folder` from the first of `mirrors` that has it right.

    `mirrors`: base URLs that end in a slash. `check` raises DataError where the file at the path
    that it is given is not the published one. `unreachable`: mirror -> why it does not answer;
    those in it are skipped, and others are added: pass the same dict for all files of a set.
    Raises UsageError where `folder` cannot be written, Unavailable where no mirror has the file.
    Then, and after Ctrl-C, nothing is left in `folder`.
    """
    refusals: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            for attempt in range(patience.attempts):
                if mirror in unreachable:
                    break
                time.sleep(attempt * patience.pause)
                try:
                    with whole_file(folder / name) as file:
                        for piece in pieces(mirror + name, patience):
                            file.write(piece)
                        file.flush()
                        checked(Path(file.name), check)
                    return folder / name
                except Refused as error:
                    reasons = unreachable if isinstance(error, Unreachable) else refusals
                    reasons[mirror] = str(error)
                    if not isinstance(error, Busy):
                        break
    except OSError as error:
        raise UsageError(f"{cannot_write(folder, error)} {BY_FLAG}") from error
    refusals |= unreachable
    found = "; ".join(f"{mirror}: {refusals[mirror]}" for mirror in mirrors)
    raise Unavailable(
        f"{name}: expected the published file from a mirror, found {found}. Put the file into "
        f"{folder} by hand, choose another folder {BY_FLAG}, or use --dataset synthetic (digits "
        "drawn by tinytrain)"
    )


def checked(path: Path, check: Callable[[Path], object]) -> None:
    """Raise Refused where `check` raises DataError."""
    try:
        check(path)
    except DataError as error:
        raise Refused(f"200, but {error}".replace(f"{path}: ", "")) from error


def pieces(url: str, patience: Patience) -> Iterator[bytes]:
    """The file at `url` as it arrives, not decoded: many servers call a .gz an encoding."""
    with Session() as session, answer(session, url, patience) as response:
        if response.status_code != 200:
            busy = response.status_code == 429 or response.status_code >= 500
            raise (Busy if busy else Refused)(f"{response.status_code} {response.reason}")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        name, start, received = url.rpartition("/")[2], time.monotonic(), 0
        # disable=None: a bar in a terminal, nothing in a file.
        with tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None) as bar:
            try:
                # read1 returns what is there; other ways to read would wait for a whole piece.
                while piece := response.raw.read1(1 << 14, decode_content=False):
                    yield piece
                    received += len(piece)
                    bar.update(len(piece))
                    seconds = time.monotonic() - start
                    if received > patience.largest:
                        raise Refused(f"more than {patience.largest} bytes")
                    if seconds > patience.silence + received / patience.pace:
                        raise Refused(f"only {received} bytes in {seconds:.3g} s")
            except TimeoutError as error:
                found = f"no byte for {patience.silence:.3g} s after {received}"
                raise Refused(found) from error
            except (OSError, HTTPError) as error:
                raise Busy(f"broken off after {received} bytes ({cause(error)})") from error


def answer(session: Session, url: str, patience: Patience) -> requests.Response:
    """The answer to a GET of `url`, after redirects; its body is not read yet."""
    headers, waits = {"Accept-Encoding": "identity"}, (patience.connect, patience.silence)
    for _ in range(patience.redirects + 1):
        try:
            response = session.get(url, headers=headers, stream=True, timeout=waits)
        except OSError as error:  # as all errors of requests are
            raise Unreachable(f"no answer ({cause(error)})") from error
        if not response.is_redirect:
            return response
        response.close()
        url = requests.compat.urljoin(url, response.headers["Location"])
    raise Unreachable(f"no answer (more than {patience.redirects} redirects)")


def cause(error: BaseException) -> str:
    """The first cause in one line: "Connection refused" rather than a pool and its retries."""
    while error.__context__ is not None:
        error = error.__context__
    return cut(str(error)) or type(error).__name__
