"""Train many runs at once, each in a process of its own; the same call continues them.

Each process has one thread: on a net this small, two processes get more done than two threads. A
run belongs to the process that has the lock on its log, on whatever machine; the process inherits
the lock with the log and keeps it until it has ended.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tinytrain.cli.job_queue import JobQueue, environment
from tinytrain.errors import DataError, TinytrainError
from tinytrain.runs import locks, run_folder, signals
from tinytrain.store import files


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

    def done(self) -> int:
        """How many of its epochs are done."""
        try:
            return len(run_folder.read_history(self.folder))
        except DataError:
            return 0

    def start(self) -> subprocess.Popen[bytes] | None:
        """The process that trains it, from its start or from where it was left.

        None where another one is at it, or it is finished. It is in a session of its own, so that
        Ctrl-C reaches it through `train_all` and only once; if this process is killed, it saves
        and ends by itself.
        Raises UsageError where the log cannot be written, TinytrainError where no process starts.
        """
        files.make_folder(self.folder.parent)
        try:
            with open(self.log, "ab") as log:
                free = locks.locked(log.fileno()) and self.done() < self.epochs
                return self.process(log) if free else None
        except OSError as error:
            raise files.cannot_write(self.folder.parent, error) from error

    def process(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        """The process that trains it, and prints into `log`."""
        command = [sys.executable, "-m", "tinytrain", "train", "--run-dir", str(self.folder)]
        if (self.folder / "run.json").exists():
            data = [word for word in self.arguments if word.startswith("--data-dir=")]
            command += ["--resume", *data]
        else:
            command += ["--threads", "1", *self.arguments]
        try:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
            )
        except OSError as error:
            raise TinytrainError(
                f"{self.folder.name}: its process cannot be started ({error.strerror}: "
                f"{sys.executable}); with fewer --jobs the same command goes on"
            ) from error

    def require_success(self, status: int) -> None:
        """Raise the error that a finished process ended with."""
        if status:
            lines = self.log.read_text(errors="replace").splitlines() or [""]
            own = [line for line in lines if line.startswith("tinytrain: ")]
            last = (own or lines)[-1]
            if status < 0:
                last = f"killed by signal {-status}; the same command continues it"
            last = last.removeprefix("tinytrain: ")
            error = TinytrainError(f"{self.folder.name}: {last} ({self.log})")
            error.status = status if status > 0 else 1
            raise error


def train_all(jobs: Sequence[Job], at_once: int, queue: JobQueue) -> None:
    """Do the jobs, `at_once` at a time; what is finished stays as it is.

    Of several workers each does this, and all return once all jobs are finished. After Ctrl-C,
    SIGTERM or SIGHUP all runs of this worker are saved, as where torchrun ends, and the same call
    continues them. Raises the error of the first run that fails.
    """
    done = {job: job.done() for job in jobs}
    mine = queue.take(len(jobs))
    running: dict[Job, subprocess.Popen[bytes]] = {}
    total, initial = sum(job.epochs for job in jobs), sum(done.values())
    stop, hidden = signals.Stop(), None if queue.is_first("how far they are") else True
    with tqdm(total=total, initial=initial, unit="epoch", disable=hidden) as bar:

        def finished(job: Job) -> bool:
            """Whether it is, after a look at it, which the bar shows."""
            if done[job] < job.epochs:
                now = job.done()
                bar.update(now - done[job])
                done[job] = now
            return done[job] >= job.epochs

        try:
            while running or not all(map(finished, jobs)):
                left = (job for job in jobs if job not in running and not finished(job))
                candidates = itertools.chain((jobs[turn] for turn in mine), left)
                while len(running) < at_once and (job := next(candidates, None)):
                    if process := job.start():
                        running[job] = process
                time.sleep(0.2)
                if stop.requested:
                    raise KeyboardInterrupt(stop.number)
                for job, process in list(running.items()):
                    status = process.poll()
                    finished(job)
                    if status is not None:
                        job.require_success(status)
                        del running[job]
        finally:
            for process in running.values():
                process.send_signal(signal.SIGINT)  # it saves after its step, then ends
            for process in running.values():
                process.wait()
