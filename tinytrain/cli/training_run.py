"""Begin a run in a new folder or continue one, save it after every epoch, stop it, and judge it.

Each of several workers does this. Worker 0 alone downloads, locks the folder, writes and prints;
the others wait for it, read what it has, and are compared with it.
"""

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from tinytrain import data
from tinytrain.cli.options import words_of
from tinytrain.cli.recipe_files import label, plain
from tinytrain.cli.resolve import (
    choose_device,
    chosen_recipe,
    load_dataset,
    load_same_data,
    use_threads,
)
from tinytrain.data import Dataset, Split
from tinytrain.errors import DataError, Diverged, Interrupted, Lost, TargetMissed, UsageError
from tinytrain.graph import Graph, require_capturable, require_compiler
from tinytrain.nets import Task
from tinytrain.nn.inspect import parameter_count
from tinytrain.report import log
from tinytrain.report.target import verdict
from tinytrain.runs import checkpoints, locks, run_folder, signals, user_file
from tinytrain.runs.rehearsal import rehearse
from tinytrain.runs.settings import Settings
from tinytrain.runs.torch_state import preserve_torch_state
from tinytrain.store.sources import SOURCES, find_source
from tinytrain.train import Batch, Epoch, Training, keep_freed_memory, loop
from tinytrain.train.checks import require_suited
from tinytrain.train.compute import InProcess
from tinytrain.workers.group import Workers, own_device

Run = tuple[Settings, Training, Dataset, Path]  # the last is the run's folder


def train(
    options: argparse.Namespace, workers: Workers, stop: signals.Stop | None = None
) -> Iterator[Batch | Epoch]:
    """Begin or continue a run, train to its last epoch, and print the verdict; yield its events.

    Signals are handled here, or by the caller, whose `stop` says what they asked. Raises
    Interrupted after a signal, Lost where another worker is gone, TargetMissed where the target is
    required and missed.
    """
    keep_freed_memory()
    start = resume if options.resume or is_restart(options) else begin
    with start(options, workers) as (settings, training, dataset, folder):
        log.print_net(training.net, settings.image_shape)
        command = resume_command(options, folder, workers)
        try:
            with nullcontext(stop) if stop else signals.stop_requests() as workers.stop:
                graph = Graph(compiled=options.compute == "compiled")
                compute = workers if options.compute == "plain" else graph
                run = training, dataset, settings, folder, workers, compute
                finished = yield from train_and_save(*run)
        except KeyboardInterrupt as error:
            advice = f"interrupted twice; from its last save it goes on: {command}"
            raise Interrupted(advice, signals.number(error)) from error
        except Lost as error:
            raise Lost(f"{error}; from its last save the run goes on: {command}") from error
        if workers.rank:
            return
        if not finished:
            advice = f"interrupted; the run is saved, and goes on with: {command}"
            raise Interrupted(advice, workers.stopping)
    accuracies = [epoch.test_accuracy for epoch in training.history]
    judged = verdict(accuracies, parameter_count(training.net), settings.reason_not_judged)
    print(f"{judged.text}\nThe run is in {folder}")
    if options.require_target and not judged.met:
        raise TargetMissed(f"--require-target: {judged.text.splitlines()[0]}")


def resume_command(options: argparse.Namespace, folder: Path, workers: Workers) -> str:
    """The shell command that continues the run."""
    root = data.data_root(options.data_dir).resolve()
    words = ["train", "--resume", "--run-dir", str(folder), "--data-dir", str(root)]
    words += ["--workers", str(workers.count)] * (workers.count > 1)
    return shlex.join([sys.executable, "-m", "tinytrain", *words])


def require_computable(way: str, tf32: bool, device: str, workers: Workers) -> None:
    """Raise UsageError where the way of `--compute`, or --tf32, cannot be taken here."""
    for flag in ["--compute graph"] * (way == "graph") + ["--tf32"] * tf32:
        if not device.startswith("cuda"):
            raise UsageError(f"{flag}: expected a GPU with CUDA, found {device}; leave it out")
    if way in ("graph", "compiled") and several(workers):
        raise UsageError(f"--compute {way}: expected one worker and no shards; leave it out")


def several(workers: Workers) -> bool:
    """Whether a batch is computed in parts."""
    return workers.count > 1 or bool(workers.shards)


def choose_compute(way: str, training: Training, dataset: Dataset, workers: Workers) -> str:
    """`way`, or for "auto" the graph on one GPU with CUDA, where its steps can be captured.

    Raises UsageError where the steps of another way cannot be.
    """
    auto = way == "auto"
    if way == "plain" or (auto and (training.device.type != "cuda" or several(workers))):
        return "plain"
    try:
        require_capturable(training, dataset)
    except UsageError as error:
        if not auto:
            raise
        print(f"Steps are taken kernel by kernel (--compute plain): {error}\n")
        return "plain"
    if way == "compiled":
        require_compiler(training.device)
    return "graph" if auto else way


def train_and_save(
    training: Training,
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    workers: Workers,
    compute: InProcess,
) -> Generator[Batch | Epoch, None, bool]:
    """Train to the last epoch, print, save and yield; False where it was stopped, after a save.

    Raises Diverged where a number is not finite, before that is saved, or DataError where images
    are gone meanwhile; both name the state that the folder keeps.
    """
    printed = log.Log("Holdout set" if settings.holdout else "Test set")
    saved = (training.epoch, training.batch)
    try:
        for event in loop.fit(training, dataset, compute):
            stopping = workers.stopping and training.epoch <= training.epochs
            if stopping or isinstance(event, Epoch):
                checkpoints.require_finite(training)
                if workers.rank == 0:
                    run_folder.save(folder, settings, training)
                saved = (training.epoch, training.batch)
            with suppress(OSError) if stopping else nullcontext():  # a terminal may have closed
                printed.show(event)
                if isinstance(event, Epoch):
                    warn_if_nothing_is_learned(event, training, dataset.train)
                    if event.epoch == 1:
                        warn_of_weights_without_gradient(training)
                if stopping:
                    printed.close()
            if stopping:
                return False
            yield event
    except (Diverged, DataError) as error:
        printed.close()
        place = f"before step {saved[1] + 1} of epoch {saved[0]}"
        raise type(error)(f"{error}; the last save in {folder} is {place}") from error
    return True


def warn_if_nothing_is_learned(epoch: Epoch, training: Training, split: Split) -> None:
    """Print a warning where an epoch leaves the loss at that of guessing, or above.

    Always predicting the frequencies of the classes has the entropy of the labels as its loss; a
    net that learns is below that by more than a hundredth after a hundred steps, or at the end.
    """
    steps = epoch.epoch * math.ceil(len(split) / training.batch_size)
    guessing = float(torch.special.entr(split.labels.bincount() / len(split)).sum())
    late = steps >= 100 or epoch.epoch == training.epochs
    if late and epoch.train_loss > 0.99 * guessing > 0:
        print(
            f"WARNING: nothing is learned: the training loss is {epoch.train_loss:.4f}, that of "
            f"guessing {guessing:.4f}; try another rate (--lr, now {training.lr:g})\n"
        )


def warn_of_weights_without_gradient(training: Training) -> None:
    """Print a warning where all gradients of a weight are 0 in the last step that was taken."""
    still = [
        name
        for name, weight in training.net.named_parameters()
        if weight.requires_grad and weight.grad is not None and not weight.grad.any()
    ]
    if still:
        more = f" and {len(still) - 3} more" if len(still) > 3 else ""
        print(f"WARNING: no gradient reaches {', '.join(still[:3])}{more}: not learned\n")


@contextmanager
def begin(options: argparse.Namespace, workers: Workers) -> Iterator[Run]:
    """Begin a run as the flags say, and lock its folder; flags are checked before data is fetched.

    Raises UsageError where the folder is in use or is needed, or where a flag has a wrong value.
    """
    recipe = chosen_recipe(options)
    device = choose_device(options.device, tf32=options.tf32)
    threads = use_threads(options.threads)
    root = data.data_root(options.data_dir)
    start = partial(user_file.start, recipe, options.seed, own_device(device), options.freeze)
    if options.dataset in SOURCES and not (root / options.dataset).exists():
        start()  # a wrong flag is told before anything is fetched
    workers.cut(recipe.shards)
    require_computable(options.compute, options.tf32, device, workers)
    if options.run_dir is not None and workers.rank == 0:
        locks.require_free(options.run_dir)
        run_folder.require_unused(options.run_dir)
    if options.run_dir is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
        raise UsageError(
            "torchrun --max-restarts needs a fixed folder to restart in: add --run-dir FOLDER"
        )
    if workers.rank:
        options.dataset = workers.share()[0]  # --or-synthetic may have changed it
    dataset = load_dataset(options, recipe)
    if not workers.rank:
        workers.share(dataset.name)
    shape = tuple(dataset.train.images.shape[1:])
    start = partial(start, task=Task(dataset.classes, shape))
    training = start()
    own = user_file.own(recipe)
    own_files = ", ".join(map(str, own))
    with preserve_torch_state(f"{own_files}: a step", refuse=True):
        if own_files:
            user_file.require_alone(recipe)
            rehearse(start, dataset, own_files)
        else:
            require_suited(training.net, dataset, training.batch_size, training.loss)
    workers.require_separable(training, dataset)
    options.compute = choose_compute(options.compute, training, dataset, workers)
    source = getattr(options, "from")
    from_digest = run_folder.begin_from(Path(source), training, dataset.classes) if source else ""
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
        image_shape=shape,
        digests={function.field: function.digest() for function in own},
        workers=workers.count,
        from_digest=from_digest,
        freeze=options.freeze,
        classes=dataset.classes,
        compute=options.compute,
        tf32=options.tf32,
    )
    require_same_settings(settings, workers)
    if workers.rank:
        yield settings, training, dataset, Path(workers.share()[0])
        return
    name = f"{plain(dataset.name)}-{label(options)}-seed{options.seed}"
    folder = options.run_dir or run_folder.fresh_folder(Path("runs"), name)
    words = words_of(options, dataset=dataset.name, data_dir=options.data_dir)
    command = shlex.join(["python", "-m", "tinytrain", "train", *words])
    with locks.held(folder):
        run_folder.create(folder, settings, training, command)
        workers.share(str(folder))
        yield settings, training, dataset, folder


def require_same_run(settings: Settings, options: argparse.Namespace) -> None:
    """Raise UsageError where the run in --run-dir is not the one that all flags together ask for.

    It is the same on another device and with other threads. Of --from only its being given counts.
    """
    drawn = options.or_synthetic and settings.dataset == "synthetic"
    asked = vars(chosen_recipe(options)) | {
        "seed": options.seed,
        "fold": options.fold,
        "holdout": settings.holdout if options.fold else options.holdout,
        "freeze": options.freeze,
        "tf32": options.tf32,
        "dataset": find_source("synthetic" if drawn else options.dataset).name,
        "from": bool(getattr(options, "from")),
    }
    found = vars(settings.recipe) | vars(settings) | {"from": bool(settings.from_digest)}
    if other := [name.replace("_", "-") for name in asked if asked[name] != found[name]]:
        is_there = f"a run with other settings ({', '.join(other)}) is in it"
        raise UsageError(f"{options.run_dir}: {is_there}; name another --run-dir")


@contextmanager
def resume(options: argparse.Namespace, workers: Workers) -> Iterator[Run]:
    """Continue the run in --run-dir where it stands, and lock its folder.

    Raises UsageError for flags that would change the run, DataError where its data, its own
    files or its checkpoint are others than it began with.
    """
    folder = options.run_dir
    if folder is None:
        raise UsageError("--resume: name the run's folder with --run-dir")
    settings = run_folder.read_settings(folder)
    if not options.resume:
        require_same_run(settings, options)
    elif given := sorted(options.given - {"device", "compute"}):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"{flags}: a resumed run keeps its settings ({folder / 'run.json'}); leave it out, "
            f"or start a new run from its weights: train --from {folder} --run-dir ANOTHER"
        )
    if "device" in options.given:
        device = choose_device(options.device, tf32=settings.tf32)
    else:
        device = choose_device(settings.device, f"--device: {folder} was begun on", settings.tf32)
    if "compute" not in options.given:
        no_graph = settings.compute == "graph" and not device.startswith("cuda")
        options.compute = "plain" if no_graph else settings.compute
    use_threads(settings.threads, f"{folder} was begun with threads:")
    run_folder.require_unchanged(settings)
    training = run_folder.rebuilt(folder, settings, own_device(device))
    workers.cut(settings.recipe.shards)
    require_computable(options.compute, False, device, workers)
    if workers.rank == 0:
        locks.require_free(folder)
    dataset = workers.first(lambda: load_same_data(options, settings))
    require_same_settings(settings, workers)
    options.compute = choose_compute(options.compute, training, dataset, workers)
    other_sums = "sums round differently from here on"
    of_workers = "nothing changes" if settings.recipe.shards else other_sums
    for how, begun, now, said in (
        ("on", settings.device, device, other_sums),
        ("with --compute", settings.compute, options.compute, other_sums),
        ("with --workers", settings.workers, workers.count, of_workers),
    ):
        if now != begun:
            print(f"The run was begun {how} {begun} and goes on {how} {now}: {said}.\n")
    with locks.held(folder) if workers.rank == 0 else nullcontext():
        run_folder.restore(folder, settings, training)
        if training.batch > math.ceil(len(dataset.train) / training.batch_size):
            raise DataError(f"{folder / 'checkpoint.pt'}: state.batch: beyond the end of an epoch")
        if workers.rank == 0:
            run_folder.write_history(folder, training)
        yield settings, training, dataset, folder


def is_restart(options: argparse.Namespace) -> bool:
    """Whether a run that had begun goes on: torchrun lost a worker, or a program runs again."""
    again = options.again or int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
    return again and options.run_dir is not None and (options.run_dir / "run.json").exists()


def require_same_settings(settings: Settings, workers: Workers) -> None:
    """Raise UsageError where the settings of a worker are not those of worker 0."""
    first, *others = workers.share(json.dumps(asdict(settings)))
    if different := [str(rank) for rank, found in enumerate(others, 1) if found != first]:
        raise UsageError(
            f"worker {', '.join(different)}: found other data, or another device, than worker 0; "
            "give all of them the same"
        )
