"""Shared fixtures: small data sets, a run's refusal, a server of files; Hypothesis."""

import contextlib
import io
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from hypothesis import settings

from tinytrain import streams
from tinytrain.cli import jobs
from tinytrain.cli.main import main
from tinytrain.data import datasets
from tinytrain.data.datasets import Dataset, Split
from tinytrain.store import synthetic

settings.register_profile("tinytrain", deadline=None, derandomize=True)
settings.load_profile("tinytrain")


@pytest.fixture(scope="session")
def global_generator_untouched():
    """`with global_generator_untouched():` fails if torch's own generator has moved at its end."""

    @contextlib.contextmanager
    def check():
        before = torch.get_rng_state()
        yield
        assert torch.equal(torch.get_rng_state(), before)

    return check


def devices():
    """Every kind of device that this machine has."""
    yield "cpu"
    if torch.cuda.is_available():
        yield "cuda"
    if torch.backends.mps.is_available():
        yield "mps"


@pytest.fixture(params=devices())
def device(request, monkeypatch):
    """Each device in turn; CUDA with kernels that repeat, in full float32."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return request.param


@pytest.fixture(scope="session")
def mnist():
    """MNIST itself, where it lies in $TINYTRAIN_DATA or beside the repository."""
    roots = [os.environ.get("TINYTRAIN_DATA", ""), Path(__file__).parents[2] / "shared"]
    root = next((Path(root) for root in roots if root and (Path(root) / "mnist").exists()), None)
    if root is None:
        pytest.skip("real data was absent: no mnist folder in $TINYTRAIN_DATA or ../shared")
    return datasets.load("mnist", root)


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory):
    """`drawn_data(train, test)`: a new data root with so many drawn digits."""

    def write(train, test):
        root = tmp_path_factory.mktemp("data")
        (root / "synthetic").mkdir()
        synthetic.write_files(root / "synthetic", train=train, test=test)
        return str(root)

    return write


@pytest.fixture(scope="session")
def data_dir(drawn_data):
    """A data root with 400 + 50 drawn digits."""
    return drawn_data(400, 50)


@pytest.fixture(scope="session")
def forked():
    """Processes forked from one that has imported everything, so that they start at once."""
    context = multiprocessing.get_context("forkserver")
    rooms = ["tinytrain.cli.training_run", "tinytrain.store.download", "tinytrain.workers.group"]
    context.set_forkserver_preload(["pytest", *rooms])
    return context


@pytest.fixture(scope="session")
def serve():
    """`with serve(folder) as url:` publishes the folder's files on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    @contextlib.contextmanager
    def serve(folder):
        handler = partial(Quiet, directory=str(folder))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()
            thread.join()

    return serve


@pytest.fixture
def in_one_process(monkeypatch):
    """The runs of `seeds` are trained here, one after another, not in processes of their own."""

    class Process:
        def __init__(self, command, stdout, env, **_):
            assert command[:3] == [sys.executable, "-m", "tinytrain"]
            with (
                contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
                mock.patch.dict(os.environ, env, clear=True),
            ):
                self.status = main(command[3:])

        def poll(self):
            return self.status

    threads = torch.get_num_threads()
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=lambda _: time.sleep(0.01)))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def printed(capsys):
    """`printed(*words)`: run a command that ends well; what it prints."""

    def printed(*words):
        capsys.readouterr()
        assert main([*map(str, words)]) == 0
        return capsys.readouterr().out

    return printed


@pytest.fixture
def fails(capsys):
    """`fails(status, *words)`: run a command that ends with that status; its one line of error."""

    def fails(status, *words):
        capsys.readouterr()
        assert main([*map(str, words)]) == status
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("tinytrain: "), lines
        return lines[0].removeprefix("tinytrain: ")

    return fails


@pytest.fixture(scope="session")
def tiny():
    """100 training and 40 test images, every class in both."""
    labels = torch.arange(140) % 10
    images = synthetic.digits(labels, streams.generator(0, "tiny"))
    train, test = Split(images[:100], labels[:100]), Split(images[100:], labels[100:])
    return Dataset("synthetic", train, test, 0.13, 0.31, (), 0, classes=10)
