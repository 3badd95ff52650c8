"""Many runs, many workers: each run is had by one of them, and by another if that one is lost."""

import fcntl
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from run_files import children, history, lines_of, state_of

from tinytrain.cli import series
from tinytrain.cli.jobs import (
    Job,
    RunFailed,
    environment,
    reported_once,
    train_all,
    train_side_by_side,
)
from tinytrain.cli.main import main
from tinytrain.errors import DataError, Interrupted, ReportedByAnotherWorker
from tinytrain.store import synthetic
from tinytrain.train import loop

SEEDS = ["seeds", "--dataset=synthetic", "--recipe=net1", "--epochs=1", "--batch-size=20"]
SEEDS += ["--device=cpu"]


@pytest.fixture
def worker(monkeypatch):
    """`worker(rank)`: this process is the worker of that number that torchrun would start."""

    def become(rank):
        for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", 2)):
            monkeypatch.setenv(name, str(value))

    return become


ENDS = [
    (DataError("nothing there"), 0, DataError, 3),
    (DataError("nothing there"), 1, ReportedByAnotherWorker, 0),  # or torchrun stops worker 0
    (RunFailed("seed-1"), 1, RunFailed, 1),
    (KeyboardInterrupt(signal.SIGTERM), 0, Interrupted, 143),
    (KeyboardInterrupt(signal.SIGTERM), 1, ReportedByAnotherWorker, 143),
]


@pytest.mark.parametrize(("raised", "rank", "kind", "status"), ENDS)
def test_the_first_worker_reports_what_ends_all(worker, raised, rank, kind, status):
    worker(rank)
    with pytest.raises(kind) as error, reported_once():
        raise raised
    assert error.value.status == status


def test_a_run_of_a_worker_is_no_worker(worker, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    worker(1)
    assert environment()["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,4,6")
    assert environment()["CUDA_VISIBLE_DEVICES"] == "2"
    assert not {"RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"} & environment().keys()
    monkeypatch.delenv("WORLD_SIZE")
    assert environment()["CUDA_VISIBLE_DEVICES"] == "0,2,4,6"


def test_a_run_is_had_by_one_until_its_process_ends(tmp_path, monkeypatch):
    job = Job(tmp_path / "seed-1", 1, ())
    reading, writing = os.pipe()
    waiting = [sys.executable, "-Ic", f"import os; os.read({reading}, 1)"]
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **more: popen(waiting, pass_fds=[reading], **more)
    )
    for _ in range(2):
        process = job.start()
        assert process is not None and job.start() is None
        os.write(writing, b"1")
        assert process.wait() == 0
    os.close(reading)
    os.close(writing)


def test_an_interrupt_ends_what_is_running(tmp_path, monkeypatch):
    process = Mock(poll=Mock(return_value=None))
    monkeypatch.setattr(Job, "start", lambda job: process)
    monkeypatch.setattr(time, "sleep", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_all([Job(tmp_path / "seed-1", 1, ())], 1)
    process.send_signal.assert_called_once_with(signal.SIGINT)
    process.wait.assert_called_once()


@pytest.fixture
def some(tmp_path, data_dir):
    """`some(folder)`: the jobs of three seeds there, of two epochs."""

    def jobs(folder):
        words = [*SEEDS[1:], f"--data-dir={data_dir}", "--epochs=2"]
        seeds = range(1, 4)
        return [
            Job(tmp_path / folder / f"seed-{seed}", 2, (*words, f"--seed={seed}"))
            for seed in seeds
        ]

    return jobs


def histories(jobs):
    return [history(job.folder) for job in jobs]


def test_side_by_side_runs_are_as_alone_also_interrupted(some, in_one_process, monkeypatch):
    train_all(alone := some("alone"), 1)
    together = some("together")
    fit, steps = loop.fit, itertools.count()

    def interrupting(*arguments):
        for event in fit(*arguments):
            if next(steps) == 30:  # in the first epoch of three
                os.kill(os.getpid(), signal.SIGTERM)
            yield event

    monkeypatch.setattr(loop, "fit", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train_side_by_side(together, "cpu")
    assert all((job.folder / "checkpoint.pt").exists() for job in together)
    assert [job.done() for job in together] == [0, 0, 0] and next(steps) < 35
    train_side_by_side(together, "cpu")
    assert histories(together) == histories(alone)
    for job, other in zip(together, alone, strict=True):
        assert "Verdict" in job.log.read_text()
        states = [state_of(run.folder)["net"] for run in (job, other)]
        torch.testing.assert_close(*states, rtol=0, atol=0)


def test_one_of_several_that_fails_has_the_others_saved(some, threads):
    jobs = some("runs")
    jobs[1] = replace(jobs[1], arguments=(*jobs[1].arguments, "--lr=1e30"))
    with pytest.raises(RunFailed, match="seed-2.*--lr") as error:
        train_side_by_side(jobs, "cpu")
    assert error.value.status == 4
    assert [(job.folder / "checkpoint.pt").exists() for job in jobs] == [True] * 3
    assert "interrupted; the run is saved" in jobs[0].log.read_text()


@pytest.mark.parametrize(
    ("device", "net", "way"),
    [("cuda", "net1", "side"), ("cpu", "net1", os.cpu_count()), ("cuda", "own", os.cpu_count())],
)
def test_auto_is_one_process_on_a_gpu(device, net, way, data_dir, tmp_path, monkeypatch):
    """Each run is told how to take its steps."""
    chosen = []
    monkeypatch.setattr(series, "choose_device", lambda name: device)
    monkeypatch.setattr(
        series, "train_side_by_side", lambda jobs, _: chosen.extend([jobs, "side"])
    )
    monkeypatch.setattr(series, "train_all", lambda *given: chosen.extend(given))
    monkeypatch.setattr(series.records, "collect", Mock(side_effect=KeyboardInterrupt))
    (tmp_path / "own.py").write_text("from tinytrain import nets\nown = nets.net1\n")
    net = f"{tmp_path}/own.py:own" if net == "own" else net
    flags = ["--compute=compiled", *["--tf32=True"] * (device == "cuda")]
    words = [*SEEDS, *flags, f"--net={net}", "--jobs=auto", f"--data-dir={data_dir}"]
    main([*words, f"--run-dir={tmp_path}/runs"])
    jobs, found = chosen
    assert found == way and {*flags} < {*jobs[0].arguments}


def test_what_another_has_is_left_to_it(worker, data_dir, tmp_path, in_one_process):
    """It is taken once that one is lost, as the last; then all runs are in the record."""
    worker(0)
    begun = []

    def other():
        with open(tmp_path / "seed-2.log", "ab") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            holds.set()
            while finished(tmp_path) < 2:
                time.sleep(0.01)
            begun.extend(path.name for path in tmp_path.glob("seed-2/*"))

    holds, thread = threading.Event(), threading.Thread(target=other)
    thread.start()
    holds.wait()
    assert main([*SEEDS, f"--data-dir={data_dir}", f"--run-dir={tmp_path}", "--seeds=1-3"]) == 0
    thread.join()
    _, *lines = lines_of(tmp_path / "record.jsonl")
    assert [line["seed"] for line in lines] == [1, 2, 3] and begun == []
    began = [(tmp_path / f"seed-{seed}" / "run.json").stat().st_mtime_ns for seed in (1, 3, 2)]
    assert began == sorted(began)


def started(agent, how, words, folder):
    """One of two torchruns that have `words` together; what they print is in the folder."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1"]
    command += ["--max-restarts=3", *how, "-m", "tinytrain", *words]
    # A store of every round's own: to one that they share no agent comes back (torch 2.13).
    environment = os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with open(folder / f"agent{agent}", "ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment)


def finished(folder):
    """How many runs are."""
    return sum(1 for path in folder.glob("seed-*/history.jsonl") if path.read_text())


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="kills by /proc")
@pytest.mark.parametrize("how", ["each by itself", "together"])
def test_forty_seeds_over_two_agents_of_which_one_is_killed_twice(how, tmp_path):
    """And a worker of the other once: 40 runs, each once in the record, as from one machine."""
    (tmp_path / "synthetic").mkdir()
    synthetic.write_files(tmp_path / "synthetic", train=60, test=20)
    words = [*SEEDS, f"--data-dir={tmp_path}", "--seeds=1-40"]
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        meeting = [f"--rdzv-endpoint=localhost:{free.getsockname()[1]}", "--rdzv-backend=c10d"]
    meeting += ["--nnodes=2", "--local-addr=localhost"]
    meeting = meeting if how == "together" else ["--standalone"]
    shared = [*words, f"--run-dir={tmp_path}/shared"]
    agents = [started(0, meeting, shared, tmp_path)]
    time.sleep(2)  # where they meet is with the first
    agents.append(started(1, meeting, shared, tmp_path))
    try:
        for enough in (6, 14):
            wait_for(enough, tmp_path / "shared", agents)
            agents[1].kill()
            agents[1].wait()
            agents[1] = started(1, meeting, shared, tmp_path)
        wait_for(22, tmp_path / "shared", agents)
        os.kill(children(agents[0].pid)[0], signal.SIGKILL)
        assert [agent.wait(600) for agent in agents] == [0, 0]
    finally:
        for agent in agents:
            agent.terminate()
            agent.wait()
    assert main([*words, f"--run-dir={tmp_path}/alone", "--jobs=1"]) == 0
    record, alone = (lines_of(tmp_path / name / "record.jsonl") for name in ("shared", "alone"))
    assert [line["seed"] for line in record[1:]] == [*range(1, 41)]
    for line, other in zip(record, alone, strict=True):
        assert line | {"seconds": 0} == other | {"seconds": 0}
    for agent in (0, 1):
        assert "mean of the last 1: " in (tmp_path / f"agent{agent}").read_text()


def wait_for(runs, folder, agents):
    """Until so many are finished, the agents being alive."""
    end = time.monotonic() + 300
    while finished(folder) < runs:
        assert time.monotonic() < end and all(agent.poll() is None for agent in agents)
        time.sleep(0.1)
