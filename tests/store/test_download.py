"""Every way a server can fail ends with the right file or a clear error, and with nothing else."""

import gzip
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from tinytrain.errors import DataError, UsageError
from tinytrain.store import download
from tinytrain.store.sources import SOURCES

NAME = "digits.gz"
GOOD = gzip.compress(b"seven, nine, one and many more " * 2000)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Half a second without a byte, and no pause before a busy mirror is asked again."""
    monkeypatch.setattr(download, "TIMEOUT", (5, 0.5))
    monkeypatch.setattr(download, "RETRY", download.RETRY.new(backoff_factor=0))
    monkeypatch.setenv("NO_PROXY", "*")


def check(path):
    if path.read_bytes() != GOOD:
        raise DataError(f"{path}: expected the right digest, found another")


@contextmanager
def mirrors(*scripts):
    """A server for each script: answers that are given in turn, the last one for good."""
    with ExitStack() as running:
        yield [running.enter_context(mirror(answers)) for answers in scripts]


@contextmanager
def mirror(answers):
    asked, over = [], Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.headers["Accept-Encoding"] == "identity"
            asked.append(self.path)
            with suppress(ConnectionError):  # who asked has gone away
                answers[min(len(asked), len(answers)) - 1](self, over)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.block_on_close = False
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/", asked=asked)
        over.set()
        server.shutdown()


def send(body, status=200, length=True, cut=None, endless=False, **headers):
    """An answer: `body` or its first `cut` bytes, with headers that are right for all of it."""

    def answer(handler, over):
        handler.send_response(status)
        for name, value in (headers | ({"Content-Length": len(body)} if length else {})).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body[:cut])
        while endless and not over.is_set():
            handler.wfile.write(bytes(1 << 14))

    return answer


def silent(handler, over):
    over.wait()


def silent_after_a_byte(handler, over):
    send(GOOD, cut=1)(handler, over)
    over.wait()


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def get(folder, *servers):
    return download.fetch(NAME, [server.url for server in servers], folder, check)


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        (1, [send(GOOD)]),
        (1, [send(GOOD, length=False)]),
        (2, [send(b"", 503, Retry_After=600), send(GOOD)]),
        (3, [send(b"", 429), send(b"", 500), send(GOOD)]),
        (2, [send(GOOD, cut=30), send(GOOD)]),
        (2, [silent, send(GOOD)]),
        (1, [send(GOOD, Content_Encoding="gzip")]),  # it only says so
        (2, [send(b"", 302, Location="elsewhere"), send(GOOD)]),
    ],
)
def test_one_mirror_gives_the_file(tmp_path, asked, answers):
    with mirrors(answers) as [mirror]:
        assert get(tmp_path / "new", mirror) == tmp_path / "new" / NAME
        assert len(mirror.asked) == asked
    assert files(tmp_path / "new") == {NAME: GOOD}


BAD = [
    (send(b"", 503), 3, "503 Service Unavailable"),
    (send(b"", 404), 1, "404 Not Found"),
    (send(GOOD, 206), 1, "206"),
    (send(b"<!DOCTYPE html>"), 1, "expected the right digest, found another"),
    (send(GOOD[:-1] + b"!"), 1, "right digest"),
    (send(GOOD, cut=30), 1, "30 bytes read"),
    (send(GOOD, cut=30, length=False), 1, "right digest"),
    (send(gzip.compress(GOOD), Content_Encoding="gzip"), 1, "right digest"),
    (silent, 1, "timed out"),
    (silent_after_a_byte, 1, "timed out"),
    (send(b"", length=False, endless=True), 1, "more than 100000 bytes"),
]


@pytest.mark.parametrize(("answer", "asked", "message"), BAD)
def test_bad_mirror_is_named_and_sends_to_the_next(tmp_path, monkeypatch, answer, asked, message):
    monkeypatch.setattr(download, "LARGEST", 100_000)
    with mirrors([answer], [send(GOOD)]) as [bad, good]:
        with pytest.raises(DataError, match=f"{NAME}.*{bad.url}: .*{message}") as error:
            get(tmp_path, bad)
        assert len(bad.asked) == 2 * asked and files(tmp_path) == {}
        get(tmp_path, bad, good)
        assert len(bad.asked) == 3 * asked and len(good.asked) == 1
    assert files(tmp_path) == {NAME: GOOD}
    for way_out in ("--data-dir", "TINYTRAIN_DATA", "--dataset synthetic", str(tmp_path)):
        assert way_out in str(error.value)
    assert "\n" not in str(error.value) and ".part" not in str(error.value)


def test_the_largest_file_of_a_set_may_come_unpacked():
    assert max(file.size for file in SOURCES["mnist"].files) < download.LARGEST


def test_interrupt_leaves_nothing_and_what_cannot_be_written_is_not_asked_for(tmp_path):
    def interrupt(path):
        assert path.read_bytes() == GOOD
        raise KeyboardInterrupt

    with mirrors([send(GOOD)]) as [mirror]:
        with pytest.raises(KeyboardInterrupt):
            download.fetch(NAME, [mirror.url], tmp_path, interrupt)
        assert files(tmp_path) == {} and mirror.asked.pop()
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="file/mnist.*--data-dir.*TINYTRAIN_DATA"):
            get(tmp_path / "file" / "mnist", mirror)
        assert mirror.asked == []
