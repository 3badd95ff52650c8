"""One run is an anecdote: the same recipe with many seeds, and what they say together.

Two seeds of one recipe differ by more than most changes of a recipe do. So a claim about a recipe
is a claim about its seeds: their mean, their spread, and how many hold the target. Every seed is a
run of `train` in a process of its own with one thread: on a net this small, two processes do
nearly twice the work of two threads.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tinytrain import runs
from tinytrain.errors import DataError, TinytrainError, UsageError
from tinytrain.log import LAST_EPOCHS, TARGET_ACCURACY
from tinytrain.recipes import Recipe
from tinytrain.training import Epoch


def train_all(
    folder: Path, seeds: Sequence[int], epochs: int, jobs: int, arguments: Sequence[str]
) -> None:
    """Train every seed in `folder`/seed-N, `jobs` at a time; what is finished stays as it is.

    `arguments` are those of `train`, but for the seed and the folder. What a run prints goes to
    `folder`/seed-N.log. After Ctrl-C all runs are saved, and the same call continues them. Raises
    the error of the first run that fails.
    """
    waiting = [seed for seed in seeds if done(folder, seed) < epochs]
    running: dict[int, subprocess.Popen] = {}
    total = epochs * len(seeds)
    folder.mkdir(parents=True, exist_ok=True)
    with tqdm(total=total, unit="epoch", disable=None) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    seed = waiting.pop(0)
                    running[seed] = start(folder, seed, arguments)
                time.sleep(0.2)
                for seed, process in list(running.items()):
                    if process.poll() is not None:
                        require_success(folder, seed, process)
                        del running[seed]
                bar.update(sum(done(folder, seed) for seed in seeds) - bar.n)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()


def start(folder: Path, seed: int, arguments: Sequence[str]) -> subprocess.Popen:
    """The process that trains a seed, from its start or from where it was left."""
    place = folder / f"seed-{seed}"
    command = [sys.executable, "-m", "tinytrain", "train", "--run-dir", str(place)]
    if (place / "run.json").exists():
        data = [word for word in arguments if word.startswith("--data-dir=")]
        command += ["--resume", *data]
    else:
        command += ["--threads", "1", "--seed", str(seed), *arguments]
    with open(folder / f"seed-{seed}.log", "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def require_success(folder: Path, seed: int, process: subprocess.Popen) -> None:
    """Raise the error that a finished process ended with."""
    if process.returncode:
        log = folder / f"seed-{seed}.log"
        last = (log.read_text().splitlines() or [""])[-1].removeprefix("tinytrain: ")
        error = TinytrainError(f"seed {seed}: {last} ({log})")
        error.status = process.returncode if process.returncode > 0 else 130
        raise error


def done(folder: Path, seed: int) -> int:
    """How many epochs of a seed are done."""
    try:
        return len(runs.load_history(folder / f"seed-{seed}"))
    except DataError:
        return 0


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


def record(folder: Path, seeds: Sequence[int], command: str) -> str:
    """All that the runs measured, as JSON: how to repeat it, and a list a seed, epoch by epoch."""
    first = json.loads((folder / f"seed-{seeds[0]}" / "run.json").read_text())
    shared = {name: value for name, value in first.items() if name not in ("seed", "command")}
    columns = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "raw_test_accuracy")
    measured = {}
    for seed in seeds:
        history = runs.load_history(folder / f"seed-{seed}")
        measured[seed] = {
            name: [round(getattr(epoch, name), 5) for epoch in history] for name in columns
        }
    date = time.strftime("%Y-%m-%d")
    return json.dumps({"command": command, "date": date, **shared, "seeds": measured}) + "\n"


@dataclass(frozen=True)
class Summary:
    """What the seeds say together; accuracies in percent, of the last five epochs."""

    count: int
    mean: float
    deviation: float
    interval: tuple[float, float]
    held: int


def summarise(histories: Sequence[Sequence[Epoch]]) -> Summary:
    """Mean, standard deviation and 95 % interval over seeds of the mean of the last five epochs.

    `held` counts the seeds whose last five epochs are all at the target or above.
    """
    lasts = [[epoch.test_accuracy for epoch in history[-LAST_EPOCHS:]] for history in histories]
    means = [statistics.mean(last) for last in lasts]
    mean, count = statistics.mean(means), len(means)
    deviation = statistics.stdev(means) if count > 1 else math.nan
    half = student_t(count - 1) * deviation / math.sqrt(count) if count > 1 else math.nan
    held = sum(min(last) >= TARGET_ACCURACY for last in lasts)
    return Summary(count, mean, deviation, (mean - half, mean + half), held)


def student_t(freedom: int, z: float = 1.959964) -> float:
    """The 97.5 % quantile of Student's t for `freedom` degrees of freedom.

    Expanded around the normal quantile `z` (Abramowitz and Stegun, 26.7.5): to 1 % from 3 degrees
    on; for fewer it is too small, and the exact values are given.
    """
    if freedom < 3:
        return (12.706, 4.303)[freedom - 1]
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def table(seeds: Sequence[int], histories: Sequence[Sequence[Epoch]]) -> str:
    """A line a seed, and what they say together."""
    lines = [f"seed   last {LAST_EPOCHS} epochs: lowest    mean    last   holds"]
    for seed, history in zip(seeds, histories, strict=True):
        last = [epoch.test_accuracy for epoch in history[-LAST_EPOCHS:]]
        holds = "yes" if min(last) >= TARGET_ACCURACY else "no"
        numbers = f"{min(last):22.2f}{statistics.mean(last):8.2f}{last[-1]:8.2f}"
        lines.append(f"{seed:4}{numbers}{holds:>8}")
    summary = summarise(histories)
    low, high = summary.interval
    lines.append(
        f"mean of the last {LAST_EPOCHS}: {summary.mean:.3f} ± {summary.deviation:.3f} over "
        f"{summary.count} seeds, 95 % interval {low:.3f} to {high:.3f}"
    )
    lines.append(
        f"hold {TARGET_ACCURACY:.2f} in every one of the last {LAST_EPOCHS} epochs: "
        f"{summary.held} of {summary.count}"
    )
    return "\n".join(lines)
