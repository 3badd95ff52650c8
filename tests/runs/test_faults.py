"""Kill commands at random moments: the same command goes on, and nothing is lost or left."""

import gzip
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from run_files import history, state_of, weights

from tinytrain.cli.exit import exit_status
from tinytrain.cli.main import main
from tinytrain.errors import UsageError
from tinytrain.runs import locks, signals
from tinytrain.store import sources, synthetic

DRAWN = replace(
    sources.SOURCES["synthetic"],
    write_files=partial(synthetic.write_files, train=40, test=20),
)
TRAIN = ["train", "--dataset=synthetic", "--recipe=net9", "--net=net9_3", "--ema=0.9"]
TRAIN += ["--epochs=3", "--batch-size=10", "--device=cpu"]


def program(words, output, url):
    """Be the command line, with a small set to draw and one to download."""
    with open(output, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    files = tuple(map(sources.File, sources.NAMES))
    sources.SOURCES["synthetic"] = DRAWN
    sources.SOURCES["mnist"] = sources.Source("mnist", files, (url,), mean_and_std=(0.1, 0.3))
    sys.exit(main(words))


@pytest.fixture
def started(forked):
    """`started(words, root, url)`: that command line in a process; it prints into root.out."""

    def started(words, root, url=""):
        process = forked.Process(target=program, args=(words, root.with_suffix(".out"), url))
        process.start()
        return process

    return started


@pytest.fixture
def finish(started):
    """`finish(words, root, url)`: the command ends well, when nothing disturbs it."""

    def finish(words, root, *url):
        process = started(words, root, *url)
        process.join()
        assert process.exitcode == 0, root.with_suffix(".out").read_text()

    return finish


def training(root):
    """Begin the run in `root`, or go on with it."""
    place = [f"--run-dir={root}/run", f"--data-dir={root}"]
    begun = (root / "run" / "run.json").exists()
    return ["train", "--resume", *place] if begun else [*TRAIN, "--threads=1", *place]


COMMANDS = {
    "draw": lambda root: ["data", "--dataset=synthetic", f"--data-dir={root}"],
    "download": lambda root: ["data", "--dataset=mnist", f"--data-dir={root}"],
    "train": training,
    "export": lambda root: [
        *("export", f"--run-dir={root}/run", f"--output={root}/weights.npz", "--format=npz")
    ],
}


def contents(root):
    """What has to be the same in the files, however often their writers were killed."""

    def content(path):
        if path.name == "run.json":
            return json.loads(path.read_text()) | {"command": 0}
        if path.name == "history.jsonl":
            return history(path.parent)
        if path.name == "checkpoint.pt":
            state = state_of(path.parent)
            learned = [tensor.tolist() for tensor in weights(path.parent)]
            return state["epoch"], learned, str(state["optimizer"])
        return path.read_bytes()

    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root): content(path) for path in files}


@pytest.fixture(scope="module")
def url(tmp_path_factory, serve):
    """A mirror on this machine that has the drawn set, packed."""
    folder = tmp_path_factory.mktemp("mirror")
    DRAWN.write_files(folder)
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    with serve(folder) as url:
        yield url


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments(name, kills, tmp_path, url, monkeypatch, started, finish):
    monkeypatch.setenv("NO_PROXY", "*")
    whole, roots = tmp_path / "whole", [tmp_path / str(number) for number in range(-(-kills // 3))]
    words = COMMANDS[name]
    whole.mkdir()
    if name == "export":
        finish(training(whole), whole)
    for root in roots:
        shutil.copytree(whole, root)
    began = time.perf_counter()
    finish(words(whole), whole, url)
    duration = time.perf_counter() - began
    moments = random.Random(name)
    for root in [*roots * 3][:kills]:
        process = started(words(root), root, url)
        process.join(moments.uniform(0, duration))
        process.kill()
        process.join()
    for root in roots:
        finish(words(root), root, url)
        assert contents(root) == contents(whole)


def folder_of(root):
    """A folder for the drawn set."""
    (root / "synthetic").mkdir()
    return root / "synthetic"


def test_one_process_at_a_time_is_at_work_in_a_folder(tmp_path, capsys):
    DRAWN.write_files(folder_of(tmp_path))
    run, words = tmp_path / "run", training(tmp_path)
    seeds = ["seeds", "--dataset=synthetic", "--seeds=1", f"--run-dir={tmp_path}", words[-1]]
    refused = f"run: process {os.getpid()} is at work there"
    with locks.held(run):
        assert main(words) == 2 and refused in capsys.readouterr().err
        with pytest.raises(UsageError, match=refused), locks.held(run):
            pass
    assert list(run.iterdir()) == []
    (run / locks.NAME).write_text("1\n")  # as a killed process leaves it
    locks.require_free(run)
    assert main(words) == 0
    assert locks.NAME not in [path.name for path in run.iterdir()]
    with locks.held(run):
        assert main(training(tmp_path)) == 2 and refused in capsys.readouterr().err
    with locks.held(tmp_path / "seed-1"):
        assert main(seeds) == 2 and "seed-1: process" in capsys.readouterr().err


@pytest.fixture
def attentive():
    """Signals are not ignored here, as they may be in a job in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in signals.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


ENDS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


@pytest.mark.usefixtures("attentive")
@pytest.mark.parametrize("name, status", ENDS)
def test_a_signal_is_an_exit_status(name, status, capsys):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    assert exit_status(lambda: os.kill(os.getpid(), number)) == status
    assert capsys.readouterr().err == "tinytrain: interrupted\n"
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("attentive")
def test_a_first_signal_asks_to_stop_and_a_second_one_ends_but_an_ignored_one_does_nothing():
    with pytest.raises(KeyboardInterrupt) as error, signals.stop_requests() as stop:
        assert not stop.number
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGHUP)
    assert signals.number(error.value) == signal.SIGHUP
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` wants it
    with signals.stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.number


def test_a_set_that_another_process_has_drawn_meanwhile(tmp_path):
    folder = folder_of(tmp_path)

    def drawn_twice(temporary):
        DRAWN.write_files(temporary)
        DRAWN.write_files(folder)

    sources.fetch_missing(replace(DRAWN, write_files=drawn_twice), DRAWN.files, folder)
    assert len(list(tmp_path.rglob("*"))) == 5


LONG = [pytest.param(*end, marks=pytest.mark.long) for end in ENDS[1:]]


@pytest.mark.parametrize("how, status", [ENDS[0], *LONG])
def test_no_run_outlives_seeds_that_are_stopped(how, status, tmp_path, started, finish):
    DRAWN.write_files(folder_of(tmp_path))
    words = [*TRAIN[1:], "--epochs=12", f"--data-dir={tmp_path}"]
    run, whole = tmp_path / "stopped" / "seed-1", tmp_path / "whole" / "seed-1"
    seeds = ["seeds", *words, "--seeds=1", f"--run-dir={run.parent}"]
    process = started(seeds, tmp_path / "seeds")
    while not (run / "run.json").exists():
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, getattr(signal, how))
    process.join()
    assert process.exitcode == status
    assert "interrupted; the runs" in (tmp_path / "seeds.out").read_text()
    locks.require_free(run)
    assert len(history(run)) < 12
    finish(["train", "--threads=1", *words, f"--run-dir={whole}"], tmp_path / "train")
    finish(["train", "--resume", f"--run-dir={run}", words[-1]], tmp_path / "resume")
    assert contents(run) == contents(whole)
