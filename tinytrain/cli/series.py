"""Train recipes with several seeds each, and keep their records: for `seeds` and `ladder`."""

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinytrain import data
from tinytrain.cli.jobs import Job, is_first, train_all, train_side_by_side
from tinytrain.cli.main import parse
from tinytrain.cli.options import DEFAULTS, given_fields, seed_text
from tinytrain.cli.recipe_files import NamedRecipe, flag_words
from tinytrain.cli.resolve import choose_device
from tinytrain.cli.training_run import require_computable, require_same_run
from tinytrain.nets import Task
from tinytrain.recipes import Recipe
from tinytrain.report.target import reason_not_judged
from tinytrain.results import records, statistics
from tinytrain.runs import locks, net_file, run_folder
from tinytrain.store import files
from tinytrain.workers.group import Workers, started


@dataclass(frozen=True)
class Series:
    """A recipe to be trained with several seeds: where, the words for `train`, and the command."""

    folder: Path
    recipe: Recipe
    arguments: list[str]
    command: list[str]


def words_of(named: NamedRecipe, options: argparse.Namespace) -> list[str]:
    """The flags of a recipe as it was named, and of the fields that other flags give."""
    return flag_words({"recipe": named.base} | named.changes | given_fields(options))


def train_series(options: argparse.Namespace, all_series: Sequence[Series]) -> None:
    """Train recipes with every seed of the flags; print a table and keep a record for each.

    Of several workers of torchrun each does this, and the first of every machine prints.
    """
    fold, (part, _, parts) = options.fold, options.fold.partition("/")
    seeds = list(range(1, int(parts) + 1)) if part == "all" else options.seeds
    device = choose_device(options.device)
    require_computable(options.compute, options.tf32, device, Workers())
    # Fetched once here, and not by every process.
    first_fold = fold.replace("all", "1")
    loaded = data.load(options.dataset, options.data_dir, options.holdout, fold=first_fold)
    dataset, task = loaded.name, Task(loaded.classes, tuple(loaded.train.images.shape[1:]))
    if options.records:
        files.make_folder(options.records)
    shared = [f"--dataset={dataset}", f"--holdout={options.holdout}", f"--device={device}"]
    shared += [f"--compute={options.compute}"] * (options.compute != DEFAULTS["compute"])
    shared += ["--tf32"] * options.tf32
    place = [f"--data-dir={options.data_dir}"] if options.data_dir else []
    jobs = []
    for series in all_series:
        net_file.start(series.recipe, 0, task=task)  # a wrong value is told before anything starts
        for seed in seeds:
            folder, part = series.folder / f"seed-{seed}", fold.replace("all", str(seed))
            arguments = [f"--seed={seed}", *series.arguments, *shared, *place]
            arguments += [f"--fold={part}"] if part else []
            if (folder / "run.json").exists():
                settings = run_folder.read_settings(folder)
                require_same_run(settings, parse(["train", f"--run-dir={folder}", *arguments]))
                run_folder.require_unchanged(settings)
            if not started():
                locks.require_free(folder)
            jobs.append(Job(folder, series.recipe.epochs, tuple(arguments)))
    own = any(net_file.own(series.recipe) for series in all_series)
    if options.jobs == "auto" and device.startswith("cuda") and not started() and not own:
        train_side_by_side(jobs, device)
    else:
        default = 1 if started() else 2
        train_all(jobs, os.cpu_count() or 2 if options.jobs == "auto" else options.jobs or default)
    for series in all_series:
        words = [*series.command, f"--seeds={seed_text(seeds)}", *shared]
        words += [f"--fold={fold}"] if fold else []
        command = shlex.join(["python", "-m", "tinytrain", *words])
        path = series.folder / "record.jsonl"
        if options.records:
            path = options.records / f"{series.folder.name}.jsonl"
        record = records.collect([series.folder / f"seed-{seed}" for seed in seeds], command)
        records.write_record(path, record)
        if is_first():
            print(f"{series.folder.name}\n{summary(record)}\nThe record is {path}\n")


def summary(record: records.Record) -> str:
    """The statistics of the accuracies in a record; for folds, also those of all images pooled."""
    accuracies = {seed: column["test_accuracy"] for seed, column in record.seeds.items()}
    reason = reason_not_judged(record.dataset, record.holdout, record.recipe.epochs)
    text = statistics.as_text(accuracies, reason)
    return f"{text}\n{records.pooled(record)}" if record.fold.startswith("all/") else text
