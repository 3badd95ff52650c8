"""Train many runs at once, in processes or side by side on a GPU; the same call continues them.

Each process has one run and one thread: on a net this small, two processes get more done than two
threads. A run belongs to the process that has the lock on its log; the process inherits the lock
with the log and keeps it until it has ended. So the workers of torchrun, and machines that share
the folder, divide the runs among them: each takes the next one that is free, later those that a
lost worker left, and returns when all are finished. The locks have to reach as far as the folder:
they do on one machine, and over NFS between Linux machines unless it is mounted with local_lock or
nolock.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from tqdm import tqdm

from tinytrain.cli.main import parse
from tinytrain.cli.training_run import train
from tinytrain.errors import DataError, Interrupted, ReportedByAnotherWorker, TinytrainError
from tinytrain.graph import side_by_side
from tinytrain.runs import locks, run_folder, signals
from tinytrain.store import files
from tinytrain.train import Batch, Epoch
from tinytrain.workers.group import Workers, started

AT_ONCE = 6  # trainings on one GPU: a step and run took 0.25 ms so, alone 0.46 (H100)


class RunFailed(TinytrainError):
    """A run's process ended with an error, or could not be started."""


@dataclass(frozen=True)
class Job:
    """A run of `train` into `folder`; `arguments` are those of `train`, but for the folder."""

    folder: Path
    epochs: int
    arguments: tuple[str, ...]

    @property
    def log(self) -> Path:
        """The file that what the run prints goes to."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def words(self) -> list[str]:
        """The command that begins the run, or continues it."""
        words = ["train", "--run-dir", str(self.folder)]
        if (self.folder / "run.json").exists():
            data = [word for word in self.arguments if word.startswith("--data-dir=")]
            return [*words, "--resume", *data]
        return [*words, "--threads", "1", *self.arguments]

    def done(self) -> int:
        """How many of its epochs are done."""
        try:
            return len(run_folder.read_history(self.folder))
        except DataError:
            return 0

    def start(self) -> subprocess.Popen[bytes] | None:
        """The process that trains it, from its start or from where it was left.

        None where another one is at it, or it is finished. It is in a session of its own, so that
        Ctrl-C reaches it through `train_all` and only once.
        Raises UsageError where the log cannot be written, RunFailed where no process starts.
        """
        files.make_folder(self.folder.parent)
        with files.writing(self.folder.parent), open(self.log, "ab") as log:
            free = locks.locked(log.fileno()) and self.done() < self.epochs
            return self.process(log) if free else None

    def process(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        """The process that trains it, and prints into `log`."""
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "tinytrain", *self.words],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
            )
        except OSError as error:
            raise RunFailed(
                f"{self.folder.name}: its process cannot be started ({error.strerror}: "
                f"{sys.executable}); with fewer --jobs the same command goes on"
            ) from error

    def events(self, stop: signals.Stop) -> Iterator[Batch | Epoch]:
        """Train it in this process, until `stop`; what it prints, also an error, is in its log.

        Nothing where another one is at it, or it is finished. Raises TinytrainError.
        """
        files.make_folder(self.folder.parent)
        with open(self.log, "a") as log:
            if not locks.locked(log.fileno()) or self.done() == self.epochs or stop.number:
                return
            run = train(parse(self.words), Workers(), stop)
            while True:
                with redirect_stdout(log):
                    try:
                        event = next(run)
                    except StopIteration:
                        return
                    except TinytrainError as error:
                        print(f"tinytrain: {error}")
                        raise
                yield event

    def failure(self, status: int) -> RunFailed:
        """The error that a process ended with: its line in the log."""
        lines = self.log.read_text(errors="replace").splitlines() or [""]
        own = [line for line in lines if line.startswith("tinytrain: ")]
        last = (own or lines)[-1].removeprefix("tinytrain: ")
        if status < 0:
            last = f"killed by signal {-status}; the same command continues it"
        error = RunFailed(f"{self.folder.name}: {last} ({self.log})")
        error.status = max(status, 1)
        return error


def environment() -> dict[str, str]:
    """The environment of a run's own process: not a worker's, and with one GPU of several."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RANK", "WORLD_SIZE") and not name.startswith("TORCHELASTIC_")
    }
    if started() and (count := torch.cuda.device_count()) > 1:
        devices = own.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        own["CUDA_VISIBLE_DEVICES"] = devices.split(",")[int(own["LOCAL_RANK"]) % count]
    return own


def is_first() -> bool:
    """Whether this is the first worker of its machine, which prints for all; true without any."""
    return not started() or os.environ["LOCAL_RANK"] == "0"


@contextmanager
def reported_once() -> Iterator[None]:
    """Let the first worker of a machine report what ends all of them: an error or a signal.

    The others end with status 0 after such an error, since torchrun stops all at the first that
    fails. The failure of a run is reported by the worker that it belongs to.
    """
    try:
        with signals.handled():
            yield
    except KeyboardInterrupt as error:
        number = signals.number(error)
        if not is_first():
            raise ReportedByAnotherWorker(128 + number) from error
        advice = "interrupted; the runs are saved, and the same command goes on with them"
        raise Interrupted(advice, number) from error
    except TinytrainError as error:
        if is_first() or isinstance(error, RunFailed):
            raise
        raise ReportedByAnotherWorker from error


def train_all(jobs: Sequence[Job], at_once: int) -> None:
    """Do the jobs, `at_once` at a time; what is finished stays as it is.

    Of several workers each does this, and all return once all jobs are finished. After Ctrl-C,
    SIGTERM or SIGHUP the runs of this worker are saved, also where torchrun ends, and the same
    call continues them. Raises the error of the first run that fails.
    """
    done = {job: job.done() for job in jobs}
    running: dict[Job, subprocess.Popen[bytes]] = {}
    with tqdm(
        total=sum(job.epochs for job in jobs),
        initial=sum(done.values()),
        unit="epoch",
        disable=None if is_first() else True,
    ) as bar:
        try:
            while running or any(done[job] < job.epochs for job in jobs):
                for job in jobs:
                    waits = job not in running and done[job] < job.epochs
                    if waits and len(running) < at_once and (process := job.start()):
                        running[job] = process
                time.sleep(0.2)
                for job in jobs:
                    status = running[job].poll() if job in running else None
                    before, done[job] = done[job], job.done()
                    bar.update(done[job] - before)
                    if status:
                        raise job.failure(status)
                    if status == 0:
                        del running[job]
        finally:
            for process in running.values():
                process.send_signal(signal.SIGINT)  # it saves after its step, then ends
            for process in running.values():
                process.wait()


def train_side_by_side(jobs: Sequence[Job], device: str) -> None:
    """Do the jobs in this process, `AT_ONCE` at a time on one GPU; what is finished stays.

    After Ctrl-C, SIGTERM or SIGHUP, or when one fails, all are saved, and the same call continues
    them. Raises the error of the first run that fails.
    """
    failed: list[RunFailed] = []

    def events(job: Job) -> Iterator[Batch | Epoch]:
        try:
            yield from job.events(stop)
        except Interrupted:
            pass  # as all are
        except TinytrainError as error:
            failed.append(job.failure(error.status))
            stop.number = signal.SIGTERM

    done, epochs = sum(job.done() for job in jobs), sum(job.epochs for job in jobs)
    with (
        signals.stop_requests() as stop,
        tqdm(total=epochs, initial=done, unit="epoch", disable=None) as bar,
    ):
        for _, event in side_by_side([partial(events, job) for job in jobs], AT_ONCE, device):
            bar.update(isinstance(event, Epoch))
    if failed:
        raise failed[0]
    if stop.number:
        raise KeyboardInterrupt(stop.number)
