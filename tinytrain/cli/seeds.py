"""Many seeds at once: every run is a process of its own, and the same call goes on with them.

Each has one thread: on a net this small, two processes get more done than two threads. What they
show together becomes a record.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tinytrain import data, signals
from tinytrain.cli.flags import given_fields
from tinytrain.cli.folds import compared, fold_of, pooled, require_folds
from tinytrain.cli.inputs import choose_device, chosen_recipe
from tinytrain.cli.recipe_files import NamedRecipe, flag_words, label, plain, tested_on
from tinytrain.cli.words import seed_text
from tinytrain.course import records, spread
from tinytrain.data import files
from tinytrain.errors import DataError, TinytrainError, UsageError
from tinytrain.recipes import Recipe
from tinytrain.train import build, locks, runs
from tinytrain.train.target import reason_not_judged


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


@dataclass(frozen=True)
class Series:
    """A recipe to be trained with several seeds: where, the words for `train`, and the command."""

    folder: Path
    recipe: Recipe
    arguments: list[str]
    command: list[str]


def seeds(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print what they show, and keep it as a record."""
    if options.against:
        require_folds(options.against, options.fold)
    recipe = chosen_recipe(options)
    name = label(options.recipe, recipe) + tested_on(options.holdout, options.fold)
    folder = options.run_dir or Path("runs") / f"seeds-{plain(options.dataset)}" / name
    words = words_of(options.recipe, options)
    train_series(options, [Series(folder, recipe, words, ["seeds", *words])])
    if options.against:
        print(compared(folder, options.against, options))


def words_of(named: NamedRecipe, options: argparse.Namespace) -> list[str]:
    """The flags of a recipe as it was named, and of the fields that other flags give."""
    return flag_words({"recipe": named.base} | named.changes | given_fields(options))


def train_series(options: argparse.Namespace, all_series: Sequence[Series]) -> None:
    """Train recipes with every seed of the flags; print a table and keep a record for each."""
    where = (options.data_dir, options.holdout)
    # Once before, and not in every process.
    dataset = data.load(options.dataset, *where, fold=fold_of(1, options.fold)).name
    seeds = seeds_of(options)
    if options.records:
        files.make_folder(options.records)
    shared = [f"--dataset={dataset}", f"--holdout={options.holdout}"]
    shared.append(f"--device={choose_device(options.device)}")
    place = [f"--data-dir={options.data_dir}"] if options.data_dir else []
    jobs = []
    for series in all_series:
        build.start(series.recipe, 0)  # a wrong value is told before anything starts
        for seed in seeds:
            folder = series.folder / f"seed-{seed}"
            fold = fold_of(seed, options.fold)
            require_same_recipe(folder, (series.recipe, dataset, options.holdout, fold))
            locks.require_free(folder)
            arguments = [f"--seed={seed}", *series.arguments, *shared, *place]
            arguments += [f"--fold={fold}"] if fold else []
            jobs.append(Job(folder, series.recipe.epochs, tuple(arguments)))
    train_all(jobs, options.jobs)
    for series in all_series:
        path = series.folder / "record.jsonl"
        if options.records:
            path = options.records / f"{series.folder.name}.jsonl"
        words = [*series.command, f"--seeds={seed_text(seeds)}", *shared]
        words += [f"--fold={options.fold}"] if options.fold else []
        command = shlex.join(["python", "-m", "tinytrain", *words])
        record = records.collect(series.folder, seeds, command)
        records.write_record(path, record)
        accuracies = {seed: column["test_accuracy"] for seed, column in record.seeds.items()}
        reason = reason_not_judged(record.dataset, record.holdout, record.recipe.epochs)
        shown = spread.as_text(accuracies, reason)
        if record.fold.startswith("all/"):
            shown += f"\n{pooled(record)}"
        print(f"{series.folder.name}\n{shown}\nThe record is {path}\n")


def seeds_of(options: argparse.Namespace) -> list[int]:
    """The seeds of the flags; with --fold all/N a seed a fold, 1 to N."""
    part, _, parts = options.fold.partition("/")
    return list(range(1, int(parts) + 1)) if part == "all" else list(options.seeds)


def require_same_recipe(folder: Path, wanted: tuple[Recipe, str, int, str]) -> None:
    """Raise UsageError where the folder holds a run of another recipe, net, data or holdout."""
    if (folder / "run.json").exists():
        settings = runs.read_settings(folder)
        holdout = 0 if settings.fold and not wanted[2] else settings.holdout
        found = (settings.recipe, settings.dataset, holdout, settings.fold)
        if found != wanted:
            what, epochs = "something else", wanted[0].epochs
            if found == (replace(wanted[0], epochs=found[0].epochs), *wanted[1:]):
                why = "" if wanted[0].schedule == "constant" else ", which its rate follows"
                what = f"{found[0].epochs} epochs, not {epochs}; a run keeps their number{why}"
            raise UsageError(f"{folder}: a run of {what}; name another --run-dir")
        runs.require_unchanged(settings)
