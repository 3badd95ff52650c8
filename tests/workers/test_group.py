"""Several workers, one run: the same sums, bits and files as one has, and one end for all.

The workers are forked; what torchrun would tell them, their numbers and where to meet, they are
told here.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest
import torch
from run_files import children, history, weights

from tinytrain import nn, streams
from tinytrain.cli.main import main
from tinytrain.data.augment import Augmentation
from tinytrain.data.datasets import Dataset, Split
from tinytrain.errors import UsageError
from tinytrain.optim import Adam, ExponentialMovingAverage
from tinytrain.store import synthetic
from tinytrain.train import Batch, Training, fit
from tinytrain.workers.group import Workers, joined


def one_of(rank, count, apart, port, work, folder, arguments):
    """Be worker `rank`, with the others or on a machine of its own; keep what the work gives."""
    torch.set_num_threads(1)
    here = 1 if apart else count
    numbers = {"RANK": rank, "LOCAL_RANK": rank % here, "WORLD_SIZE": count}
    numbers |= {"LOCAL_WORLD_SIZE": here}
    os.environ |= {name: str(number) for name, number in numbers.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with open(folder / f"out{rank}", "wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.save(work(*arguments), folder / f"found{rank}")


def free_port():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def started(forked):
    """`started(count, work, folder, *arguments)`: processes that do the work together."""

    def started(count, work, folder, *arguments, apart=False):
        folder.mkdir()
        port = free_port()
        several = [
            forked.Process(target=one_of, args=(rank, count, apart, port, work, folder, arguments))
            for rank in range(count)
        ]
        for process in several:
            process.start()
        return several

    return started


def ended(processes, folder):
    """What each gave, once all have ended."""
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, (folder / "out0").read_text()
    return [torch.load(folder / f"found{rank}") for rank in range(len(processes))]


class Double(nn.Module):
    """From here on in float64: what is left of a difference is no rounding."""

    def forward(self, input):
        return input.double()


def small_net():
    draw = streams.generator(1, "weights")
    first = nn.Conv2d(1, 4, 3, stride=3, generator=draw), nn.BatchNorm2d(4), nn.ReLU()
    second = nn.Conv2d(4, 6, 3, generator=draw), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10, generator=draw)
    return nn.Sequential(*first, nn.Dropout2d(0.1), *second, *head, nn.LogSoftmax())


def digits(train, test):
    labels = torch.arange(train + test) % 10
    images = synthetic.digits(labels, streams.generator(0, "tiny"))
    parts = Split(images[:train], labels[:train]), Split(images[train:], labels[train:])
    return Dataset("synthetic", *parts, 0.13, 0.31, "tiny", 0, classes=10)


def trained(workers, dataset, batch_size, shards=0, exact=False, epochs=1):
    """Losses, history and state of a training that has all that a recipe can have."""
    net = nn.Sequential(Double(), small_net().to(torch.float64)) if exact else small_net()
    training = Training(
        net,
        Adam(net.parameters(), 0.01),
        epochs=epochs,
        batch_size=batch_size,
        augmentation=Augmentation(8, 1.5, 0.08, 0.15),
        ema=ExponentialMovingAverage(net, 0.9),
    )
    workers.cut(shards)
    events = list(fit(training, dataset, workers))
    losses = [float(event.loss) for event in events if isinstance(event, Batch)]
    scores = [(line.train_accuracy, line.test_correct) for line in training.history]
    return losses, scores, training.history[-1].test_loss, training.net.state_dict()


ALONE = {
    "steps": lambda workers: trained(workers, digits(40, 20), 8, exact=True, epochs=2),
    "bits": lambda workers: trained(workers, digits(50, 30), 15, shards=4),
    "fewer than workers": lambda workers: trained(workers, digits(10, 2), 2, exact=True),
    "one left over": lambda workers: trained(workers, digits(31, 10), 10, exact=True),
}
STEPS, BITS, *ODD = ALONE
DONE_BY = {"3": [STEPS, *ODD], "4": [BITS]}
DONE_BY |= {"2 apart": [STEPS, BITS]}  # not on one machine: what they say goes over a network


def facts(names):
    """What comes out of several trainings, one after the other."""
    with joined() as workers:
        return {name: ALONE[name](workers) for name in names}


@pytest.fixture(scope="module")
def found(tmp_path_factory, started):
    """By workers, and worker, what comes out."""
    place = tmp_path_factory.mktemp("workers")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    everything = {"1": [facts(ALONE)]}
    torch.set_num_threads(threads)
    for who, names in DONE_BY.items():
        several = started(int(who[0]), facts, place / who, names, apart="apart" in who)
        everything[who] = ended(several, place / who)
    return everything


CASES = [(name, who) for who, names in DONE_BY.items() for name in names]


@pytest.mark.parametrize(("name", "who"), CASES)
def test_several_workers_take_the_steps_of_one(name, who, found):
    """With shards bit for bit, else but for the order of sums."""
    losses, scores, test_loss, state = found["1"][0][name]
    first, *others = (one[name] for one in found[who])
    assert first[0] == pytest.approx(losses, abs=1e-9 * (name != BITS))
    assert first[1] == scores and first[2] == pytest.approx(test_loss, abs=1e-6 * (name != BITS))
    exact = {"atol": 0, "rtol": 0}
    torch.testing.assert_close(first[3], state, **(exact if name == BITS else {}))
    for other in others:
        assert other[:3] == first[:3]
        torch.testing.assert_close(other[3], first[3], **exact)


def test_shards_that_cannot_be_dealt_out():
    with pytest.raises(UsageError, match="--shards 4: expected a multiple of the workers, 3"):
        Workers(count=3).cut(4)


def command(words):
    """The exit status of a command line, where {rank} is the worker's number."""
    return main([word.format(rank=os.environ["RANK"]) for word in words])


@pytest.fixture(scope="module")
def data_dir(drawn_data):
    """A data root with fewer images than that of the other tests."""
    return drawn_data(60, 20)


TRAIN = ["train", "--dataset=synthetic", "--net=net9_3", "--threads=1", "--device=cpu"]
TRAIN += ["--batch-size=20", "--shards=2"]


def training(data_dir, run, *more):
    return [*TRAIN, f"--data-dir={data_dir}", f"--run-dir={run}", *more]


def printed(folder):
    """What each of two workers printed."""
    return [(folder / f"out{rank}").read_text() for rank in range(2)]


def at_work(run, processes):
    """Wait until the first epoch is done."""
    while not (run / "history.jsonl").exists() or not (run / "history.jsonl").stat().st_size:
        assert all(process.is_alive() for process in processes)
        time.sleep(0.01)


def test_an_end_of_one_is_the_end_of_all(data_dir, tmp_path, capsys, started):
    """Worker 1 is told to end; one worker goes on, to the bits that it would have had alone."""
    run, whole, folder = (tmp_path / name for name in ("run", "whole", "folder"))
    processes = started(2, command, folder, training(data_dir, run, "--epochs=12"))
    at_work(run, processes)
    os.kill(processes[1].pid, signal.SIGTERM)
    assert ended(processes, folder)[0] == 143
    log, quiet = printed(folder)
    assert log.splitlines()[-1].startswith("tinytrain: interrupted; the run is saved")
    assert quiet == ""
    assert f"--resume --run-dir {run} " in log and log.endswith("--workers 2\n")
    assert json.loads((run / "run.json").read_text())["workers"] == 2
    assert main(["train", "--resume", f"--run-dir={run}", f"--data-dir={data_dir}"]) == 0
    said = capsys.readouterr().out
    assert "begun with --workers 2 and goes on with --workers 1: nothing changes" in said
    assert main(training(data_dir, whole, "--epochs=12")) == 0
    assert all(torch.equal(*pair) for pair in zip(weights(run), weights(whole), strict=True))


EXITS = """from tinytrain import nn
class Exit(nn.Module):
    def forward(self, input):
        exit(0)
def build(): return nn.Sequential(nn.Linear(28, 10), Exit())
"""


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ("--lr=1e30", 4, "epoch 1, step 3: the loss is not finite"),
        ("--shards=3", 2, "--shards 3: expected a multiple of the workers, 2"),
        ("--wrong", 2, "--wrong: not known here"),
        ("--net=HERE/exits.py:build", 2, "HERE/exits.py: SystemExit: 0 (line 4, in forward)"),
        ("--workers=3", 2, "--workers 3: torchrun started 2; leave it out"),
        ("--data-dir=HERE/{rank}", 2, "worker 1: found other data"),
    ],
)
def test_an_error_is_said_once(more, status, said, data_dir, tmp_path, started):
    (tmp_path / "exits.py").write_text(EXITS)
    (tmp_path / "0").symlink_to(data_dir)
    (tmp_path / "1" / "synthetic").mkdir(parents=True)
    synthetic.write_files(tmp_path / "1" / "synthetic", seed=1, train=60, test=20)
    words = training(data_dir, tmp_path / "run", more.replace("HERE", str(tmp_path)))
    statuses = ended(started(2, command, tmp_path / "folder", words), tmp_path / "folder")
    assert sorted(statuses) == [0, status]
    [error] = [text for text in printed(tmp_path / "folder") if "tinytrain: " in text]
    assert f"tinytrain: {said.replace('HERE', str(tmp_path))}" in error
    assert status == 4 or not (tmp_path / "run").exists()


def test_a_restart_goes_on_with_the_run(data_dir, tmp_path, fails, monkeypatch):
    def interrupted(training, *others):
        if training.epoch == 2:
            raise KeyboardInterrupt
        return step(training, *others)

    step, run = Training.step, tmp_path / "run"
    words = training(data_dir, run, "--epochs=2")
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert "--run-dir" in fails(2, *TRAIN, f"--data-dir={data_dir}")
    monkeypatch.setattr(Training, "step", interrupted)
    fails(130, *words)
    assert len(history(run)) == 1
    monkeypatch.undo()
    assert "is in use" in fails(2, *words)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert "other settings (seed)" in fails(2, *words, "--seed=2")
    assert main(words) == 0
    assert len(history(run)) == 2


def alive(pid):
    """Whether there is such a process, and it is not only waiting to be asked for its status."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def handles_signals(pid):
    """Whether the process has a handler of SIGTERM, or is no more."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/status") as file:
        caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> signal.SIGTERM - 1 & 1)
    return True


def launched(data_dir, run, log):
    """`train --workers 2`, begun or going on, and the numbers of its workers.

    Before they have handlers of signals, one ends them without a word.
    """
    words = training(data_dir, run, "--epochs=12")
    if (run / "run.json").exists():
        words = ["train", "--resume", f"--run-dir={run}", f"--data-dir={data_dir}"]
    with open(log, "w") as file:
        command = [sys.executable, "-m", "tinytrain", *words, "--workers=2"]
        process = subprocess.Popen(command, stdout=file, stderr=file)
    while process.poll() is None:
        workers = children(process.pid)
        if len(workers) == 2 and all(map(handles_signals, workers)):
            break
        time.sleep(0.02)
    return process, children(process.pid)


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("who", [0, 1, "agent"])
def test_killed_at_random_moments(who, how, data_dir, tmp_path):
    """Nine times: it ends within a minute, in one line, and nothing is left; then it goes on."""
    log, moments = tmp_path / "log", random.Random(f"{who} {how}")
    process, _ = launched(data_dir, tmp_path / "whole", log)
    began = time.monotonic()
    assert process.wait() == 0
    duration = time.monotonic() - began
    for run in [tmp_path / name for name in "abc"]:
        for _ in range(3):
            process, workers = launched(data_dir, run, log)
            time.sleep(moments.uniform(0, duration / 2))
            victim = process.pid if who == "agent" else workers[who]
            if process.poll() is None and alive(victim):
                os.kill(victim, getattr(signal, how))
            began = time.monotonic()
            status = process.wait(60)
            while any(map(alive, workers)):
                assert time.monotonic() - began < 60
                time.sleep(0.1)
            said = [line for line in log.read_text().splitlines() if "tinytrain: " in line]
            print(f"{who} {how} after {time.monotonic() - began:.1f} s: {status} {said}")
            assert "Traceback" not in log.read_text() and len(said) <= 1
            finished = "The run is in" in log.read_text()  # too late to interrupt it
            assert status in (0, 1, 143, -9, -15) and (said or finished or status <= 0)
            if how == "SIGKILL" and victim != process.pid and said:
                assert f"worker {who}" in said[0] and status == 1
        process, _ = launched(data_dir, run, log)
        assert process.wait() == 0, log.read_text()
        for one, other in zip(weights(run), weights(tmp_path / "whole"), strict=True):
            assert torch.equal(one, other)


@pytest.mark.long
def test_two_machines_train_one_run(data_dir, tmp_path):
    """Two torchruns, each on an address of its own, and the bits of one process."""
    agents, port = [], free_port()
    for rank in range(2):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        command += [f"--node-rank={rank}", "--master-addr=127.0.0.1", f"--master-port={port}"]
        command += [f"--local-addr=127.0.0.{rank + 1}", "-m", "tinytrain"]
        with open(tmp_path / f"agent{rank}", "wb") as file:
            words = training(data_dir, tmp_path / "run")
            agents.append(subprocess.Popen([*command, *words], stdout=file, stderr=file))
    assert [agent.wait(300) for agent in agents] == [0, 0], (tmp_path / "agent0").read_text()
    assert "epoch" not in (tmp_path / "agent1").read_text()
    assert main(training(data_dir, tmp_path / "whole")) == 0
    assert all(map(torch.equal, weights(tmp_path / "run"), weights(tmp_path / "whole")))
