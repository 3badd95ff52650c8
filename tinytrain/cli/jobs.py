"""Many runs at once: each is a process of its own, and the same call goes on with them.

Each has one thread: on a net this small, two processes get more done than two threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tinytrain import signals
from tinytrain.data import files
from tinytrain.errors import DataError, TinytrainError
from tinytrain.train import runs


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
            return len(runs.read_history(self.folder))
        except DataError:
            return 0

    def start(self) -> subprocess.Popen[bytes]:
        """The process that trains it, from its start or from where it was left.

        It is in a session of its own, so that Ctrl-C reaches it through `train_all` and only once;
        if this process is killed, it saves and ends by itself.
        Raises UsageError where the log cannot be written, TinytrainError where no process starts.
        """
        command = [sys.executable, "-m", "tinytrain", "train", "--run-dir", str(self.folder)]
        if (self.folder / "run.json").exists():
            data = [word for word in self.arguments if word.startswith("--data-dir=")]
            command += ["--resume", *data]
        else:
            command += ["--threads", "1", *self.arguments]
        files.make_folder(self.folder.parent)
        try:
            with open(self.log, "ab") as log:
                return self.process(command, log)
        except OSError as error:
            raise files.cannot_write(self.folder.parent, error) from error

    def process(self, command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
        """The command as a process that prints into `log`."""
        try:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {signals.PARENT: str(os.getpid())},
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


def train_all(jobs: Sequence[Job], at_once: int) -> None:
    """Do the jobs, `at_once` at a time; what is finished stays as it is.

    After Ctrl-C, SIGTERM or SIGHUP all runs are saved, and the same call continues them. Raises
    the error of the first run that fails.
    """
    done = {job: job.done() for job in jobs}
    waiting = [job for job in jobs if done[job] < job.epochs]
    running: dict[Job, subprocess.Popen[bytes]] = {}
    total, initial = sum(job.epochs for job in jobs), sum(done.values())
    with tqdm(total=total, initial=initial, unit="epoch", disable=None) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    job = waiting.pop(0)
                    running[job] = job.start()
                time.sleep(0.2)
                for job, process in list(running.items()):
                    status, now = process.poll(), job.done()
                    bar.update(now - done[job])
                    done[job] = now
                    if status is not None:
                        job.require_success(status)
                        del running[job]
        finally:
            for process in running.values():
                process.send_signal(signal.SIGINT)  # it saves after its step, then ends
            for process in running.values():
                process.wait()
