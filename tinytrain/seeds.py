"""One run is an anecdote: the same recipe with many seeds, and what they say together.

Two seeds of one recipe differ by more than many a change of the recipe does. So a claim about a
recipe is a claim about its seeds: their mean, their spread, and how many hold the target. Every
seed is a run of `train` in a process of its own with one thread: on a net this small, two
processes get more done than two threads.
"""

from __future__ import annotations

import math
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tinytrain import runs
from tinytrain.errors import DataError, TinytrainError, UsageError
from tinytrain.log import LAST_EPOCHS, TARGET_ACCURACY
from tinytrain.recipes import Recipe


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
            return len(runs.load_history(self.folder))
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
        runs.make_folder(self.folder.parent)
        try:
            with open(self.log, "ab") as log:
                return subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            raise runs.cannot_write(self.folder.parent, error) from error

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
            settings = runs.load_settings(place)
            if (settings.recipe, settings.dataset, settings.holdout) != (recipe, dataset, holdout):
                raise UsageError(f"{place}: a run of something else; name another --run-dir")


@dataclass(frozen=True)
class Summary:
    """What the seeds say together; accuracies in percent, of the last five epochs."""

    count: int
    mean: float
    deviation: float
    interval: tuple[float, float]
    held: int


def summarise(accuracies: Sequence[Sequence[float]]) -> Summary:
    """Mean, standard deviation and 95 % interval over seeds of the mean of the last five epochs.

    `accuracies`: those of all epochs, in percent, a list a seed. `held` counts the seeds that have
    five epochs or more, the last five all at the target or above.
    """
    lasts = [seed[-LAST_EPOCHS:] for seed in accuracies]
    means = [statistics.mean(last) for last in lasts]
    mean, count = statistics.mean(means), len(means)
    deviation = statistics.stdev(means) if count > 1 else math.nan
    half = student_t(count - 1) * deviation / math.sqrt(count) if count > 1 else math.nan
    held = sum(len(last) == LAST_EPOCHS and min(last) >= TARGET_ACCURACY for last in lasts)
    return Summary(count, mean, deviation, (mean - half, mean + half), held)


def student_t(freedom: float) -> float:
    """The 97.5 % quantile of Student's t for `freedom` degrees of freedom, to 3 %.

    Expanded around the normal quantile z (Abramowitz and Stegun, 26.7.5); below 3 degrees, where
    that is too small, interpolated between the exact values.
    """
    if freedom < 3:
        exact = {1: 12.706, 2: 4.303, 3: 3.182}
        low = int(freedom)
        share = (1 / freedom - 1 / (low + 1)) / (1 / low - 1 / (low + 1))
        return exact[low + 1] * (exact[low] / exact[low + 1]) ** share
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def table(accuracies: Mapping[int, Sequence[float]], reason_not_judged: str | None = None) -> str:
    """A line a seed, and what they say together; `accuracies` of all epochs, by seed.

    `reason_not_judged` says why the target cannot be held by these runs, if it cannot.
    """
    epochs = min(map(len, accuracies.values()))
    if epochs < LAST_EPOCHS:
        reason_not_judged = reason_not_judged or f"only {epochs} of the {LAST_EPOCHS} last epochs"
    lines = [f"seed   last {LAST_EPOCHS} epochs: lowest    mean    last"]
    for seed, values in accuracies.items():
        last = values[-LAST_EPOCHS:]
        lines.append(f"{seed:4}{min(last):22.2f}{statistics.mean(last):8.2f}{last[-1]:8.2f}")
    summary = summarise(list(accuracies.values()))
    mean = f"mean of the last {LAST_EPOCHS}: {summary.mean:.3f}"
    if summary.count > 1:
        low, high = summary.interval
        mean += f" ± {summary.deviation:.3f} over {summary.count} seeds, "
        mean += f"95 % interval {low:.3f} to {high:.3f}"
    target = f"{TARGET_ACCURACY:.2f} or more in every one of the last {LAST_EPOCHS} epochs"
    held = f"{summary.held} of {summary.count}"
    if reason_not_judged:
        held = f"not judged ({reason_not_judged})"
    return "\n".join([*lines, mean, f"{target}: {held}"])
