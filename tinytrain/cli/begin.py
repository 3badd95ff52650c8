"""A run begins, or goes on: its settings, training, data and folder, on every worker the same.

A resumed run keeps its settings: a flag that would change them is refused here, other data in
`inputs`, a checkpoint of another run in `train.runs`. Worker 0 alone downloads, holds the folder
and writes into it; the others wait for it, read what it has, and are compared with it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

from tinytrain.cli import recipe_files
from tinytrain.cli.resolve import (
    choose_device,
    chosen_recipe,
    load_dataset,
    load_same_data,
    require_fit,
    use_threads,
)
from tinytrain.data import Dataset
from tinytrain.errors import DataError, UsageError
from tinytrain.runs import locks, net_file, run_folder
from tinytrain.runs.settings import Settings
from tinytrain.train import Training
from tinytrain.workers.group import Workers, own_device

Run = tuple[Settings, Training, Dataset, Path]  # and the folder that it is in


@contextmanager
def begun(options: argparse.Namespace, workers: Workers) -> Iterator[Run]:
    """A new run, as the flags say; what they say is checked before any data is fetched.

    Within this context, as within that of `resumed`, no other process works in its folder.
    """
    recipe = chosen_recipe(options)
    device, threads = choose_device(options.device), use_threads(options.threads)
    training = net_file.start(recipe, options.seed, own_device(device))
    workers.cut(recipe.shards)
    if options.run_dir is not None and workers.rank == 0:
        locks.require_free(options.run_dir)
        run_folder.require_unused(options.run_dir)
    if options.run_dir is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
        raise UsageError("--max-restarts: name the run's folder, too (--run-dir)")
    if workers.rank:
        options.dataset = workers.tell()[0]
    dataset = load_dataset(options, recipe)
    if not workers.rank:
        workers.tell(dataset.name)
    require_fit(training, dataset)
    settings = Settings(
        recipe=recipe,
        dataset=dataset.name,
        data_digest=dataset.digest,
        mean=dataset.mean,
        std=dataset.std,
        holdout=dataset.holdout,
        seed=options.seed,
        device=device,
        threads=threads,
        fold=options.fold,
        image_shape=tuple(dataset.train.images.shape[1:]),
        net_digest=net_file.digest(recipe.net),
        workers=workers.count,
    )
    require_same(settings, workers)
    tested = recipe_files.tested_on(options.holdout, options.fold)
    label = recipe_files.label(options.recipe, recipe)
    name = f"{recipe_files.plain(settings.dataset)}-{label}{tested}-seed{settings.seed}"
    if workers.rank:
        yield settings, training, dataset, Path(workers.tell()[0])
        return
    folder = options.run_dir or run_folder.fresh_folder(Path("runs"), name)
    words = recipe_files.self_contained(options.words, options.recipe)
    command = shlex.join(["python", "-m", "tinytrain", *words])
    with locks.held(folder):
        run_folder.create(folder, settings, training, command)
        workers.tell(str(folder))
        yield settings, training, dataset, folder


def require_same(settings: Settings, workers: Workers) -> None:
    """Raise UsageError where the settings of a worker are not those of worker 0."""
    first, *others = workers.tell(json.dumps(asdict(settings)))
    if other := [str(rank) for rank, found in enumerate(others, 1) if found != first]:
        raise UsageError(
            f"worker {', '.join(other)}: found other data, or another device, than worker 0; "
            "give all of them the same"
        )


def restarted(options: argparse.Namespace) -> bool:
    """Whether torchrun starts this again after a worker was lost, and the run had begun."""
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) and options.run_dir
    return bool(again) and (options.run_dir / "run.json").exists()


@contextmanager
def resumed(options: argparse.Namespace, workers: Workers) -> Iterator[Run]:
    """The run in --run-dir, where it stands; a flag that would change it raises UsageError."""
    folder = options.run_dir
    if folder is None:
        raise UsageError("--resume: name the run's folder with --run-dir")
    settings = run_folder.read_settings(folder)
    if not options.resume:
        wanted = chosen_recipe(options), options.seed, options.fold
        if (settings.recipe, settings.seed, settings.fold) != wanted:
            raise UsageError(f"{folder}: another run is in it; name another --run-dir")
    elif options.given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(options.given))
        raise UsageError(
            f"{flags}: a resumed run keeps its settings ({folder / 'run.json'}); leave it out, "
            "or start a new run in another --run-dir"
        )
    choose_device(settings.device, f"{folder} was begun on")
    use_threads(settings.threads, f"{folder} was begun with threads:")
    run_folder.require_unchanged(settings)
    training = net_file.start(
        run_folder.recipe_of(folder, settings), settings.seed, own_device(settings.device)
    )
    workers.cut(settings.recipe.shards)
    if workers.rank == 0:
        locks.require_free(folder)
    dataset = workers.first(lambda: load_same_data(options, settings))
    require_same(settings, workers)
    if workers.count != settings.workers:
        print(changed(settings, workers.count))
    with locks.held(folder) if workers.rank == 0 else nullcontext():
        run_folder.restore(folder, settings, training)
        if training.batch > math.ceil(len(dataset.train) / training.batch_size):
            raise DataError(f"{folder / 'checkpoint.pt'}: state.batch: beyond the end of an epoch")
        if workers.rank == 0:
            run_folder.write_history(folder, training)
        yield settings, training, dataset, folder


def changed(settings: Settings, count: int) -> str:
    """What to say where a run goes on with another number of workers."""
    same = "nothing changes" if settings.recipe.shards else "sums round differently"
    began = f"{settings.workers} worker{'s' * (settings.workers > 1)}"
    return (
        f"The run was begun with {began} and goes on with {count}: batches, "
        f"their order and all draws stay the same, and {same}.\n"
    )
