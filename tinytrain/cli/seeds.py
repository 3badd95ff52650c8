"""One run is an anecdote: the same recipe with many seeds, and what they say together.

Two seeds of one recipe differ by more than many a change of the recipe does. So a claim about a
recipe is a claim about its seeds: their mean, their spread, and how many hold the target. Every
seed is a run of `train` in a process of its own with one thread: on a net this small, two
processes get more done than two threads.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tinytrain.data import files
from tinytrain.errors import DataError, TinytrainError, UsageError
from tinytrain.recipes import Recipe
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

    def start(self) -> subprocess.Popen:
        """The process that trains it, from its start or from where it was left.

        It is in a session of its own, so that Ctrl-C reaches it through `train_all` and only once.
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
                return subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            raise files.cannot_write(self.folder.parent, error) from error

    def require_success(self, status: int) -> None:
        """Raise the error that a finished process ended with."""
        if status:
            last = (self.log.read_text(errors="replace").splitlines() or [""])[-1]
            if status < 0:
                last = f"killed by signal {-status}; the same command continues it"
            error = TinytrainError(
                f"{self.folder.name}: {last.removeprefix('tinytrain: ')} ({self.log})"
            )
            error.status = status if status > 0 else 1
            raise error


def jobs_of(
    folder: Path, seeds: Sequence[int], epochs: int, arguments: Sequence[str]
) -> list[Job]:
    """A job a seed, in `folder`/seed-N; `arguments` are those of `train`, but for the seed."""
    return [Job(folder / f"seed-{seed}", epochs, (f"--seed={seed}", *arguments)) for seed in seeds]


def train_all(jobs: Sequence[Job], at_once: int) -> None:
    """Do the jobs, `at_once` at a time; what is finished stays as it is.

    After Ctrl-C all runs are saved, and the same call continues them. Raises the error of the
    first run that fails.
    """
    done = {job: job.done() for job in jobs}
    waiting = [job for job in jobs if done[job] < job.epochs]
    running: dict[Job, subprocess.Popen] = {}
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


def require_same_recipe(
    folder: Path, seeds: Sequence[int], recipe: Recipe, dataset: str, holdout: int
) -> None:
    """Raise UsageError where `folder` holds a run of another recipe, data set or holdout."""
    for seed in seeds:
        place = folder / f"seed-{seed}"
        if (place / "run.json").exists():
            settings = runs.read_settings(place)
            if (settings.recipe, settings.dataset, settings.holdout) != (recipe, dataset, holdout):
                raise UsageError(f"{place}: a run of something else; name another --run-dir")
