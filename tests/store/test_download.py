"""Every way a server can fail ends with the right file or a clear error, and with nothing else."""

from __future__ import annotations

import gzip
import socket
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from tinytrain.errors import DataError, UsageError
from tinytrain.store.download import Patience, fetch
from tinytrain.store.files import whole_file
from tinytrain.store.sources import SOURCES

NAME = "digits.gz"
GOOD = gzip.compress(b"seven, nine, one and many more " * 2000)
QUICK = Patience(silence=5, pause=0)
HASTY = Patience(silence=0.5, pause=0)  # for servers that never go on


def check(path):
    if path.read_bytes() != GOOD:
        raise DataError(f"{path}: expected the right digest, found another")


@contextmanager
def mirror(answers):
    """A server on this machine. `answers` are given in turn, the last one for good."""
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
        Thread(target=server.serve_forever, args=(0.01,)).start()
        server.url, server.asked = f"http://127.0.0.1:{server.server_port}/", asked
        yield server
        over.set()
        server.shutdown()


@contextmanager
def mirrors(*scripts):
    """A running mirror for each tuple of answers."""
    with ExitStack() as running:
        yield [running.enter_context(mirror(answers)) for answers in scripts]


def send(body, status=200, length=True, cut=None, pieces=1, then=None, pause=None, **headers):
    """An answer: `body` or its first `cut` bytes, with headers that are right for all of it.

    With `then` it goes on: those bytes every `pause` seconds until the mirror is closed.
    """

    def answer(handler, over):
        handler.send_response(status)
        for name, value in (headers | ({"Content-Length": len(body)} if length else {})).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        part = body[:cut]
        step = max(1, len(part) // pieces)
        for start in range(0, len(part), step):
            handler.wfile.write(part[start : start + step])
        while then is not None and not over.wait(pause):
            handler.wfile.write(then)

    return answer


def silence(handler, over):
    over.wait()


ENDLESS = {"length": False, "then": bytes(1 << 14), "pause": 0}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def get(folder, urls, patience=QUICK, unreachable=None):
    return fetch(NAME, urls, folder, check, {} if unreachable is None else unreachable, patience)


@pytest.mark.parametrize(
    "asked, answers",
    [
        (1, [send(GOOD)]),
        (1, [send(GOOD, length=False)]),
        (1, [send(GOOD, pieces=len(GOOD))]),
        (2, [send(b"", 503), send(GOOD)]),
        (3, [send(b"", 429), send(b"", 500), send(GOOD)]),
        (2, [send(GOOD, cut=30), send(GOOD)]),
        (1, [send(GOOD, Content_Encoding="gzip")]),  # it only says so
    ],
)
def test_one_mirror_gives_the_file(tmp_path, asked, answers):
    with mirrors(answers) as [mirror]:
        patience = replace(QUICK, largest=len(GOOD))
        assert get(tmp_path / "new", [mirror.url], patience) == tmp_path / "new" / NAME
        assert mirror.asked == [f"/{NAME}"] * asked
    assert files(tmp_path / "new") == {NAME: GOOD}


BAD = [
    (send(b"", 503), 3, "503 Service Unavailable", QUICK),
    (send(b"", 404), 1, "404 Not Found", QUICK),
    (send(GOOD, 206), 1, "206", QUICK),
    (send(b"<!DOCTYPE html>"), 1, "200, but expected the right digest, found another", QUICK),
    (send(GOOD[:-1] + b"!"), 1, "right digest", QUICK),
    (send(GOOD, cut=30), 3, "broken off after", QUICK),
    (send(GOOD, cut=30, length=False), 1, "right digest", QUICK),
    (send(gzip.compress(GOOD), Content_Encoding="gzip"), 1, "right digest", QUICK),
    (silence, 1, "no answer .*timed out", HASTY),
    (send(GOOD, cut=1, then=b""), 1, "no byte for 0.5 s after 1", HASTY),
    (send(GOOD, cut=1, then=b"!", pause=0.05), 1, "only .* bytes in 0.", HASTY),
    (send(b"", **ENDLESS), 1, "more than 100000 bytes", replace(QUICK, largest=100_000)),
]


@pytest.mark.parametrize("answer, asked, message, patience", BAD)
def test_bad_mirror_is_named_and_sends_to_the_next(tmp_path, answer, asked, message, patience):
    with mirrors([answer], [send(GOOD)]) as [bad, good]:
        with pytest.raises(DataError, match=f"{NAME}.*{bad.url}: .*{message}") as error:
            get(tmp_path, [bad.url], patience)
        assert len(bad.asked) == asked and files(tmp_path) == {}
        get(tmp_path, [bad.url, good.url], patience)
        assert len(bad.asked) == 2 * asked and len(good.asked) == 1
    assert files(tmp_path) == {NAME: GOOD}
    for way_out in ("--data-dir", "TINYTRAIN_DATA", "--dataset synthetic", str(tmp_path)):
        assert way_out in str(error.value)
    assert "\n" not in str(error.value) and ".part" not in str(error.value)


def test_unreachable_mirror_is_not_asked_again(tmp_path):
    unreachable = {}
    with (
        mirrors([silence, send(GOOD)], [send(GOOD)]) as [dead, good],
        closing(socket.socket()) as s,
    ):
        s.bind(("127.0.0.1", 0))  # a port that is taken, but where nobody listens
        none = f"http://127.0.0.1:{s.getsockname()[1]}/"
        for _ in range(2):
            get(tmp_path, [none, dead.url, good.url], HASTY, unreachable=unreachable)
        assert len(dead.asked) == 1 and len(good.asked) == 2
        assert list(unreachable) == [none, dead.url] and "refused" in unreachable[none]
        with pytest.raises(DataError, match=f"{none}: .*refused.*{dead.url}: no answer"):
            get(tmp_path / "other", [none, dead.url], unreachable=unreachable)


def test_a_redirect_is_followed_and_its_body_left(tmp_path):
    def redirect(location):
        return [send(b"", 302, Location=location, **ENDLESS)]

    with mirrors([send(GOOD)]) as [good], mirrors(redirect(good.url + NAME)) as [first]:
        get(tmp_path, [first.url])
        assert len(first.asked) == len(good.asked) == 1
    assert files(tmp_path) == {NAME: GOOD}
    with mirrors(redirect(NAME)) as [mirror]:
        with pytest.raises(DataError, match=f"{mirror.url}: no answer .more than 5 redirects"):
            get(tmp_path, [mirror.url])
        assert len(mirror.asked) == 6


def test_what_a_killed_download_left_goes_with_the_next(tmp_path):
    (tmp_path / ".theirs.part").write_bytes(GOOD)
    with mirrors([send(GOOD)]) as [mirror]:
        with whole_file(tmp_path / "written"):
            (tmp_path / ".other.gz.0123abcd.part").write_bytes(GOOD)
            get(tmp_path, [mirror.url])
            assert len(list(tmp_path.iterdir())) == 4  # somebody writes: it may be theirs
        (tmp_path / NAME).unlink()
        get(tmp_path, [mirror.url])
    assert {path.name for path in tmp_path.iterdir()} == {NAME, ".theirs.part", "written"}


def test_a_busy_mirror_is_asked_at_once_after_a_second_and_after_two(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("tinytrain.store.download.time.sleep", pauses.append)
    with mirrors([send(b"", 503)]) as [mirror], pytest.raises(DataError, match="503"):
        fetch(NAME, [mirror.url], tmp_path, check, {})
    assert pauses == [0, 1, 2] and len(mirror.asked) == 3


def test_the_largest_file_of_a_set_may_come_unpacked():
    assert max(file.size for file in SOURCES["mnist"].files) < Patience().largest


def test_interrupt_leaves_nothing_and_what_cannot_be_written_is_not_asked_for(tmp_path):
    def interrupt(path):
        assert path.read_bytes() == GOOD
        raise KeyboardInterrupt

    with mirrors([send(GOOD)]) as [mirror]:
        with pytest.raises(KeyboardInterrupt):
            fetch(NAME, [mirror.url], tmp_path, interrupt, {})
        assert files(tmp_path) == {} and mirror.asked.pop()
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="file/mnist.*--data-dir.*TINYTRAIN_DATA"):
            get(tmp_path / "file" / "mnist", [mirror.url])
        assert mirror.asked == []
