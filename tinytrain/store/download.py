"""Download a file from the first mirror that has the published bytes.

The bytes arrive under a temporary name and get their own name after the digest has been compared.
Whatever goes wrong with one mirror, the next is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from tinytrain.errors import DataError, Unavailable
from tinytrain.store.files import BY_FLAG, cut, whole_file, writing

TIMEOUT = 5, 8  # seconds: for a connection to each address of the mirror, and without a byte
LARGEST = 64 << 20  # bytes: the longest file of a set has 47 MB unpacked
# A busy mirror is asked again at once and after 2 seconds, however long it asks us to wait.
RETRY = Retry(
    connect=0,
    read=0,
    status=2,
    status_forcelist=(429, 500, 502, 503, 504),
    backoff_factor=1,
    raise_on_status=False,
    respect_retry_after_header=False,
)


def fetch(
    name: str, mirrors: Sequence[str], folder: Path, check: Callable[[Path], object]
) -> Path:
    """Download the file `name` into `folder` from the first of `mirrors` that has it right.

    `mirrors`: base URLs that end in a slash; where none has it, all are asked once more. `check`
    raises DataError where the file at the path that it is given is not the published one.
    Raises UsageError where `folder` cannot be written, Unavailable where no mirror has the file.
    Then, and after Ctrl-C, nothing is left, no new folder either.
    """
    refusals: dict[str, str] = {}
    with writing(folder, f" {BY_FLAG}"), new_folder(folder):
        for mirror in [*mirrors, *mirrors]:
            try:
                with whole_file(folder / name) as file:
                    download(mirror + name, file)
                    file.flush()
                    check(Path(file.name))
                return folder / name
            except DataError as error:
                refusals[mirror] = str(error).rpartition(".part: ")[2]
            except (requests.RequestException, HTTPError) as error:
                refusals[mirror] = cause(error)
    found = "; ".join(f"{mirror}: {refusal}" for mirror, refusal in refusals.items())
    raise Unavailable(
        f"{name}: expected the published file from a mirror, found {found}. Put the file into "
        f"{folder} by hand, choose another folder {BY_FLAG}, or use --dataset synthetic (digits "
        "drawn by tinytrain)"
    )


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make `folder` unless it exists; of those that are made, none stays that is still empty."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


def download(url: str, file: BinaryIO) -> None:
    """Write what is at `url` into `file`, not decoded: many servers call a .gz an encoding.

    Raises DataError, RequestException and HTTPError.
    """
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        for scheme in "http://", "https://":
            session.mount(scheme, HTTPAdapter(max_retries=RETRY))
        with session.get(url, stream=True, timeout=TIMEOUT) as response:
            if response.status_code != 200:
                raise DataError(f"{response.status_code} {response.reason}")
            name, total = url.rpartition("/")[2], response.raw.length_remaining
            # disable=None: a bar in a terminal, nothing in a file.
            with tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None) as bar:
                for piece in response.raw.stream(1 << 14, decode_content=False):
                    bar.update(file.write(piece))
                    if file.tell() > LARGEST:
                        raise DataError(f"more than {LARGEST} bytes")


def cause(error: BaseException) -> str:
    """The first cause in one line: "Connection refused" rather than a pool and its retries."""
    while error.__context__ is not None:
        error = error.__context__
    return cut(str(error)) or type(error).__name__
