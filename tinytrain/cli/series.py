"""Train recipes with several seeds each, and keep their records: for `seeds` and `ladder`."""

import argparse
import os
import shlex
from pathlib import Path

from tinytrain import data
from tinytrain.cli.jobs import Job, is_first, train_all, train_side_by_side
from tinytrain.cli.main import parse
from tinytrain.cli.options import seed_text, words_of
from tinytrain.cli.resolve import choose_device, chosen_recipe
from tinytrain.cli.training_run import require_computable, require_same_run
from tinytrain.errors import UsageError
from tinytrain.nets import Task
from tinytrain.report.target import reason_not_judged
from tinytrain.results import records, statistics
from tinytrain.runs import locks, run_folder, user_file
from tinytrain.store import files
from tinytrain.workers.group import Workers, started


def train_series(all_series: dict[Path, argparse.Namespace]) -> None:
    """Train with every seed in these folders; print a table and keep a record for each.

    The flags of each differ in the recipe alone. Of several workers of torchrun each does this,
    and the first of every machine prints.
    """
    options = next(iter(all_series.values()))
    seeds = seeds_of(options)
    fold = options.fold.replace("all", "{}").format  # of a seed
    device = choose_device(options.device)
    require_computable(options.compute, options.tf32, device, Workers())
    # Fetched once here, and not by every process.
    loaded = data.load(options.dataset, options.data_dir, options.holdout, fold=fold(1))
    task = Task(loaded.classes, tuple(loaded.train.images.shape[1:]))
    if options.records:
        files.make_folder(options.records)
    shared = {"dataset": loaded.name, "holdout": options.holdout, "device": device}
    jobs, own = [], False
    for top, series in all_series.items():
        recipe = chosen_recipe(series)
        user_file.start(recipe, 0, task=task)  # a wrong value is told before anything starts
        own |= bool(user_file.own(recipe))
        for seed in seeds:
            of_run = {"seed": seed, "fold": fold(seed), "data_dir": options.data_dir}
            folder, words = top / f"seed-{seed}", words_of(series, **shared | of_run)
            if (folder / "run.json").exists():
                settings = run_folder.read_settings(folder)
                require_same_run(settings, parse(["train", f"--run-dir={folder}", *words]))
                run_folder.require_unchanged(settings)
            if not started():
                locks.require_free(folder)
            jobs.append(Job(folder, recipe.epochs, tuple(words)))
    if options.jobs == "auto" and device.startswith("cuda") and not started() and not own:
        train_side_by_side(jobs, device)
    else:
        default = 1 if started() else 2
        train_all(jobs, os.cpu_count() or 2 if options.jobs == "auto" else options.jobs or default)
    for top, series in all_series.items():
        words = ["seeds", *words_of(series, **shared, seeds=seed_text(seeds))]
        command = shlex.join(["python", "-m", "tinytrain", *words])
        path = options.records / f"{top.name}.jsonl" if options.records else top / "record.jsonl"
        record = records.collect([top / f"seed-{seed}" for seed in seeds], command)
        records.write_record(path, record)
        if is_first():
            print(f"{top.name}\n{summary(record)}\nThe record is {path}\n")


def seeds_of(options: argparse.Namespace) -> list[int]:
    """The seeds of the runs: those given, or with --fold all/N each part's number."""
    part, _, parts = options.fold.partition("/")
    seeds: list[int] = options.seeds or options.default_seeds
    if part != "all":
        return seeds
    if options.seeds:
        found = f"--seeds {seed_text(options.seeds)}"
        raise UsageError(
            f"{found}: with --fold {options.fold} the seed of a run is its part; leave it out"
        )
    return list(range(1, int(parts) + 1))


def summary(record: records.Record) -> str:
    """The statistics of the accuracies in a record; for folds, also those of all images pooled."""
    accuracies = {seed: column["test_accuracy"] for seed, column in record.seeds.items()}
    reason = reason_not_judged(record.dataset, record.holdout, record.recipe.epochs)
    text = statistics.as_text(accuracies, reason)
    return f"{text}\n{records.pooled(record)}" if record.fold.startswith("all/") else text
