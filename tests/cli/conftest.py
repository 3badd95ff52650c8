"""A finished run that all tests of the command line share."""

import contextlib
import io
from dataclasses import replace

import pytest
import torch

from tinytrain.cli.main import main
from tinytrain.store import sources

SMALL = ["--dataset=synthetic", "--epochs=2", "--batch-size=5", "--threads=1"]


@pytest.fixture(autouse=True)
def threads():
    """Commands set the number of threads; put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def run(tmp_path_factory, data_dir):
    """The folder of a run of the final recipe that nothing interrupted; log.txt is beside it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    threads, log = torch.get_num_threads(), io.StringIO()
    with contextlib.redirect_stdout(log):
        assert main(["train", *SMALL, f"--run-dir={folder}", f"--data-dir={data_dir}"]) == 0
    torch.set_num_threads(threads)
    (folder.parent / "log.txt").write_text(log.getvalue())
    return folder


@pytest.fixture
def unreachable(monkeypatch):
    """MNIST with a mirror that refuses connections."""
    source = replace(sources.SOURCES["mnist"], mirrors=("http://127.0.0.1:1/",))
    monkeypatch.setitem(sources.SOURCES, "mnist", source)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
