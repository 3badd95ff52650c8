"""The command `seeds`: one recipe, many seeds; what they show together becomes a record."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import (
    Parser,
    add_path,
    add_recipe_flags,
    add_seeds_flags,
    given_fields,
    seed_text,
)
from tinytrain.cli.recipe_files import NamedRecipe, flag_words, label, plain, tested_on
from tinytrain.errors import UsageError
from tinytrain.recipes import Recipe
from tinytrain.runs import locks
from tinytrain.store import files

if TYPE_CHECKING:
    from tinytrain.cli.turns import Turns

HELP = """\
Train a recipe with many seeds, several processes of one thread at a time, and say what they show
together: mean, spread, and how many hold the target. The same command goes on where it was
interrupted. Leaves record.jsonl beside the runs.
"""
SHARED_RUNS = """\
under torchrun every worker takes the next run; what a lost one left is taken by another:

  torchrun --standalone --nproc-per-node 4 --max-restarts 3 -m tinytrain {0}

The same on more machines that share the folder of runs: each takes what nobody is at or has done,
may be ended and started again at any time, and ends with the same record, as from one machine. As
one job (--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29400) they also share a counter, and
end with HOST; set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or none that was lost can come back.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `seeds`."""
    parser.epilog = SHARED_RUNS.format("seeds --seeds 1-40")
    add_recipe_flags(parser)
    add_seeds_flags(parser, "1-5", "runs/seeds-DATASET/RECIPE-OVERRIDDEN")
    other = "the folder of another recipe's runs over the same folds, to compare image by image"
    add_path(parser, "--against", other)


@dataclass(frozen=True)
class Series:
    """A recipe to be trained with several seeds: where, the words for `train`, and the command."""

    folder: Path
    recipe: Recipe
    arguments: list[str]
    command: list[str]


def run(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print what they show, and keep it as a record."""
    from tinytrain.cli.folds import compared, require_folds
    from tinytrain.cli.turns import taken

    with taken() as turns:
        if options.against:
            require_folds(options.against, options.fold)
        series = series_of(options)
        train_series(options, [series], turns)
        if options.against and turns.first("compared"):
            print(compared(series.folder, options.against, options))


def series_of(options: argparse.Namespace) -> Series:
    """The runs that the flags ask for."""
    from tinytrain.cli.resolve import chosen_recipe

    recipe = chosen_recipe(options)
    name = label(options.recipe, recipe) + tested_on(options.holdout, options.fold)
    folder = options.run_dir or Path("runs") / f"seeds-{plain(options.dataset)}" / name
    words = words_of(options.recipe, options)
    return Series(folder, recipe, words, ["seeds", *words])


def words_of(named: NamedRecipe, options: argparse.Namespace) -> list[str]:
    """The flags of a recipe as it was named, and of the fields that other flags give."""
    return flag_words({"recipe": named.base} | named.changes | given_fields(options))


def train_series(options: argparse.Namespace, all_series: Sequence[Series], turns: Turns) -> None:
    """Train recipes with every seed of the flags; print a table and keep a record for each.

    Of several workers each does this, and one of every machine prints.
    """
    from tinytrain import data
    from tinytrain.cli.folds import fold_of, pooled
    from tinytrain.cli.jobs import Job, train_all
    from tinytrain.cli.resolve import choose_device
    from tinytrain.results import records, statistics
    from tinytrain.runs import net_file
    from tinytrain.train.target import reason_not_judged
    from tinytrain.workers.group import started

    where = (options.data_dir, options.holdout)
    fold = fold_of(1, options.fold)
    # Once before, and not in every process.
    dataset = turns.after_first(lambda: data.load(options.dataset, *where, fold=fold)).name
    seeds = seeds_of(options)
    if options.records:
        files.make_folder(options.records)
    shared = [f"--dataset={dataset}", f"--holdout={options.holdout}"]
    shared.append(f"--device={choose_device(options.device)}")
    place = [f"--data-dir={options.data_dir}"] if options.data_dir else []
    jobs = []
    for series in all_series:
        net_file.start(series.recipe, 0)  # a wrong value is told before anything starts
        for seed in seeds:
            folder = series.folder / f"seed-{seed}"
            fold = fold_of(seed, options.fold)
            require_same_recipe(folder, (series.recipe, dataset, options.holdout, fold))
            if not started():
                locks.require_free(folder)
            arguments = [f"--seed={seed}", *series.arguments, *shared, *place]
            arguments += [f"--fold={fold}"] if fold else []
            jobs.append(Job(folder, series.recipe.epochs, tuple(arguments)))
    train_all(jobs, options.jobs or (1 if started() else 2), turns)
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
        shown = statistics.as_text(accuracies, reason)
        if record.fold.startswith("all/"):
            shown += f"\n{pooled(record)}"
        if turns.first(f"what {path} shows"):
            print(f"{series.folder.name}\n{shown}\nThe record is {path}\n")


def seeds_of(options: argparse.Namespace) -> list[int]:
    """The seeds of the flags; with --fold all/N a seed a fold, 1 to N."""
    part, _, parts = options.fold.partition("/")
    return list(range(1, int(parts) + 1)) if part == "all" else list(options.seeds)


def require_same_recipe(folder: Path, wanted: tuple[Recipe, str, int, str]) -> None:
    """Raise UsageError where the folder holds a run of another recipe, net, data or holdout."""
    from tinytrain.runs import run_folder

    if (folder / "run.json").exists():
        settings = run_folder.read_settings(folder)
        holdout = 0 if settings.fold and not wanted[2] else settings.holdout
        found = (settings.recipe, settings.dataset, holdout, settings.fold)
        if found != wanted:
            what, epochs = "something else", wanted[0].epochs
            if found == (replace(wanted[0], epochs=found[0].epochs), *wanted[1:]):
                why = "" if wanted[0].schedule == "constant" else ", which its rate follows"
                what = f"{found[0].epochs} epochs, not {epochs}; a run keeps their number{why}"
            raise UsageError(f"{folder}: a run of {what}; name another --run-dir")
        run_folder.require_unchanged(settings)
