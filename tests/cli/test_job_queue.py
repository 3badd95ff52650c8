"""Many runs, many workers: each run is had by one of them, and by another if that one is lost."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
import torch

from tinytrain.cli import job_queue
from tinytrain.cli.job_queue import JobQueue, environment, shared_queue
from tinytrain.cli.jobs import Job
from tinytrain.cli.main import main
from tinytrain.errors import DataError, Interrupted, ReportedByAnotherWorker
from tinytrain.store import synthetic

SEEDS = ["seeds", "--dataset=synthetic", "--net=net9_3", "--epochs=1", "--batch-size=20"]
SEEDS += ["--device=cpu"]


@pytest.fixture
def store():
    return torch.distributed.HashStore()


@pytest.fixture
def worker(monkeypatch, request):
    """This process is the worker that torchrun would start; gives the store that it meets at."""
    server = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = {"RANK": 0, "LOCAL_RANK": 0, "GROUP_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": server.port}
    told |= {"TORCHELASTIC_RUN_ID": "one", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    return server


def test_together_the_workers_get_each_turn_once(store):
    three = [JobQueue(store).take(10) for _ in range(3)]
    gotten = [next(three[number % 3]) for number in range(9)]
    assert gotten == list(range(9)) and list(three[1]) == [9]
    assert list(three[0]) == list(three[2]) == []
    assert list(JobQueue().take(3)) == [0, 1, 2]


class Ended:
    """A store that has ended."""

    def add(self, *_):
        raise RuntimeError("Broken pipe")

    check = set = add


def test_without_its_store_a_worker_goes_on():
    alone = JobQueue(Ended(), machine=0, rank=1)
    assert list(alone.take(3)) == []  # so it looks for what is left
    assert alone.is_first("anything") and alone.after_first(lambda: 7) == 7


def test_what_all_would_say_is_said_once_a_machine(store):
    said = [JobQueue(store, machine, rank).is_first("so") for machine in (0, 1) for rank in (0, 1)]
    assert said == [True, False, True, False]
    assert (
        JobQueue(store).is_first("something else")
        and JobQueue().is_first("so")
        and JobQueue().is_first("so")
    )


def test_the_first_worker_of_a_machine_makes_it(store):
    order = []
    others = [
        threading.Thread(
            target=JobQueue(store, 0, rank).after_first, args=(lambda: order.append(0),)
        )
        for rank in (1, 2)
    ]
    for other in others:
        other.start()
    JobQueue(store, 1, 0).after_first(lambda: order.append("on another machine"))
    JobQueue(store, 0, 0).after_first(lambda: order.append("first"))
    for other in others:
        other.join()
    assert order == ["on another machine", "first", 0, 0]


def test_an_error_of_all_is_said_by_one_and_has_its_status(worker):
    with pytest.raises(DataError, match="nothing there"), shared_queue():
        raise DataError("nothing there")
    with pytest.raises(ReportedByAnotherWorker) as error, shared_queue():
        raise DataError("nothing there")
    assert error.value.status == DataError.status
    with pytest.raises(ReportedByAnotherWorker) as error, shared_queue():
        raise KeyboardInterrupt(signal.SIGTERM)
    assert error.value.status == 143


def test_who_is_stopped_says_so_unless_an_error_was_said(worker):
    for kind in (Interrupted, ReportedByAnotherWorker):
        with pytest.raises(kind) as error, shared_queue():
            raise KeyboardInterrupt(signal.SIGTERM)
        assert error.value.status == 143


def test_workers_whose_store_is_gone(worker, monkeypatch):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))
    monkeypatch.setattr(job_queue, "PATIENCE", timedelta(milliseconds=10))
    with shared_queue() as own:
        assert own.store is None and own.is_first("anything")


def test_a_run_of_a_worker_is_no_worker(worker, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "1")
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
    process = job.start()
    assert process is not None and job.start() is None
    os.write(writing, b"1")
    assert process.wait() == 0
    other = job.start()
    assert other is not None
    os.write(writing, b"1")
    other.wait()
    os.close(reading)
    os.close(writing)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_left_is_taken_by_who_is_free(worker, data_dir, tmp_path, in_one_process):
    """The first three turns were others'; of them two are lost, and the third a while later."""
    worker.add("turns", 3)
    (tmp_path / "seed-3.log").touch()

    def third():
        with open(tmp_path / "seed-3.log", "ab") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            holds.set()
            while finished(tmp_path) < 3:
                time.sleep(0.01)
            begun.extend(path.name for path in tmp_path.glob("seed-3/*"))

    holds, begun = threading.Event(), []
    other = threading.Thread(target=third)
    other.start()
    holds.wait()
    assert main([*SEEDS, f"--data-dir={data_dir}", f"--run-dir={tmp_path}", "--seeds=1-4"]) == 0
    other.join()
    _, *lines = lines_of(tmp_path / "record.jsonl")
    assert [line["seed"] for line in lines] == [1, 2, 3, 4] and begun == []
    began = [(tmp_path / f"seed-{seed}" / "run.json").stat().st_mtime_ns for seed in (4, 1, 2, 3)]
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


def workers_of(agent):
    """The processes that this one has started."""
    with open(f"/proc/{agent.pid}/task/{agent.pid}/children") as file:
        return list(map(int, file.read().split()))


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
        os.kill(workers_of(agents[0])[0], signal.SIGKILL)
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
