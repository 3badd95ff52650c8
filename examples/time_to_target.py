"""Measure the seconds of training to 99.0 % and to 99.4 % test accuracy, beside the usual program.

The result is a product: the epochs until the mean accuracy over five seeds first reaches the
target, times the seconds of an epoch. Accuracies do not depend on how busy the machine is, so they
are measured at any time, and kept. Seconds do: a few steps of each program are timed on an idle
machine, in alternating rounds.

tinytrain's accuracies are those of its records: of the averaged weights, under a schedule made for
the recipe's number of epochs. The usual program is usual_program.py. Only training is timed: no
evaluation, start or reading of files; deskewing of training images is included.

    python examples/time_to_target.py --accuracies    an hour; after Ctrl-C it goes on
    python examples/time_to_target.py --time          minutes, on an idle machine
    python examples/time_to_target.py                 the table, from what was measured so far
"""

import argparse
import itertools
import json
import math
import multiprocessing
import os
import queue
import signal
import statistics
import sys
import time
from pathlib import Path

import bench
import torch
from tqdm import tqdm
from usual_program import BATCH_SIZE, EPOCHS, UsualProgram

from tinytrain.cli.exit import exit_status
from tinytrain.cli.options import Parser, positive, seed_list
from tinytrain.data import datasets, deskew
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import RECIPES
from tinytrain.results import records
from tinytrain.runs import checkpoints
from tinytrain.store import files
from tinytrain.train.memory import keep_freed_memory

TARGETS = ("99.0", "99.4")
IMAGES = 60_000
USUAL = "the usual program"


def next_epoch(seed, folder, limit, settings):
    """Train one more epoch of a seed, from its checkpoint; returns its accuracies so far."""
    torch.set_num_threads(1)
    keep_freed_memory()  # changes no accuracy
    data, path = datasets.load("mnist"), folder / f"seed-{seed}.pt"
    program = UsualProgram(data.train.rows(slice(limit)), data.test.rows(slice(limit)), seed)
    if path.exists():
        found, state = checkpoints.read_checkpoint(path)
        require_same(path, found, settings)
        program.load_state_dict(state)
    if len(program.accuracies) < EPOCHS:
        for _ in program.train_epoch():
            pass
        program.test()
        checkpoints.write_checkpoint(path, settings, program.state_dict())
    return seed, program.accuracies


def require_same(path, found, settings):
    """Raise UsageError where a file is of other images or of another torch."""
    if found != settings:
        raise UsageError(f"{path}: of {found}, expected {settings}; name another --run-dir")


def train_usual(options, settings):
    """Train all seeds to their last epoch; yields what `next_epoch` returns, as it comes.

    A seed whose epoch is done queues up again behind the others, so that no process is idle.
    """
    ready, context = queue.SimpleQueue(), multiprocessing.get_context("spawn")
    deaf = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process, which ends the others
    bar = tqdm(total=EPOCHS * len(options.seeds), unit="epoch", disable=None)
    with bar, context.Pool(options.jobs, signal.signal, deaf) as pool:

        def submit(seed):
            task = (seed, options.run_dir, options.limit, settings)
            pool.apply_async(next_epoch, task, callback=ready.put, error_callback=ready.put)

        done = dict.fromkeys(options.seeds, 0)
        for seed in done:
            submit(seed)
        while min(done.values()) < EPOCHS:
            answer = ready.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
            seed, accuracies = answer
            bar.update(len(accuracies) - done[seed])
            done[seed] = len(accuracies)
            if done[seed] < EPOCHS:
                submit(seed)


def take_turns(name, options, pipe):
    """A contestant's process: whenever it is asked, answer with the seconds of `seconds_to`."""
    torch.set_num_threads(options.threads)
    data = datasets.load("mnist")
    if name == USUAL:
        program = UsualProgram(data.train, data.test, seed=1)
        generator = itertools.chain.from_iterable(program.train_epoch() for _ in itertools.count())
    else:
        keep_freed_memory()  # part of tinytrain; the usual program does not do it
        generator = bench.tinytrain(data, RECIPES[name].batch_size, RECIPES[name])
    while pipe.recv():
        preparation = 0.0
        if name != USUAL and RECIPES[name].deskew:
            started = time.perf_counter()
            deskew.deskew(data.train.images[:1000])
            preparation = (time.perf_counter() - started) * len(data.train) / 1000
        step = bench.seconds_a_step(generator, options.steps, options.warm_up)
        pipe.send((preparation, step))


def seconds_to(epoch, batch_size, rounds):
    """Median, lowest and highest seconds to the end of an epoch.

    `rounds`: pairs of the seconds of preparing all images, once, and those of a step.
    """
    steps = epoch * math.ceil(IMAGES / batch_size)
    seconds = [preparation + steps * step for preparation, step in rounds]
    return statistics.median(seconds), min(seconds), max(seconds)


def recorded(name):
    """The accuracies by epoch, by seed, of the first five seeds in a recipe's record."""
    record = records.read_current(name, RECIPES[name]) if name in RECIPES else None
    if record is None:
        why = f"no record of such a recipe, as it is today, in {records.FOLDER}"
        raise UsageError(f"--recipes {name}: {why}; `python -m tinytrain seeds` makes one")
    return {seed: record.seeds[seed]["test_accuracy"] for seed in list(record.seeds)[:5]}


def table(accuracies, times):
    """By target and contestant: the mean by epoch, the epoch that reaches it, seconds, the ratio.

    `accuracies`: lists by epoch, by contestant and seed; `times`: what `seconds_to` takes.
    """
    targets = {target: {} for target in TARGETS}
    for (target, rows), (name, seeds) in itertools.product(targets.items(), accuracies.items()):
        # While seeds are at different epochs: up to the last that all have done.
        means = [round(statistics.fmean(each), 4) for each in zip(*seeds.values(), strict=False)]
        reached = [epoch for epoch, mean in enumerate(means, 1) if mean >= float(target)]
        row = rows[name] = {
            "seeds": len(seeds),
            "means": means,
            "epoch": min(reached, default=None),
        }
        if reached and name in times:
            row["seconds"] = seconds_to(row["epoch"], **times[name])
            if "seconds" in rows.get(USUAL, {}):
                row["times as fast"] = rows[USUAL]["seconds"][0] / row["seconds"][0]
    return targets


def show(targets):
    """Print the table."""
    for target, rows in targets.items():
        print(f"\n{'to ' + target + ' %':<20}{'seeds':>5}{'epochs':>8}   seconds of training")
        for name, row in rows.items():
            epoch, means, text = row["epoch"], row["means"], "not timed"
            if not epoch:
                text = f"not in {len(means)} epochs: reaches {max(means, default=0):.3f} %"
            elif "seconds" in row:
                text = "{:.1f} ({:.1f} to {:.1f})".format(*row["seconds"])
            ratio = f"{row['times as fast']:.2f} times as fast" if "times as fast" in row else ""
            print(f"{name:<20}{row['seeds']:>5}{epoch or '–':>8}   {text:<26}{ratio}".rstrip())


def measured(path):
    """What the result at `path` holds. Raises DataError."""
    try:
        result = json.loads(path.read_text()) if path.exists() else {}
        return {USUAL: "", "seeds": {}, "timing": {}, "times": {}} | result
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it: checkpoints stay") from error


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--accuracies", action="store_true", help="train the usual program, all seeds")
    add("--time", action="store_true", help="time some steps of every contestant")
    add("--recipes", nargs="+", default=["final", "three-epochs", "two-epochs"], help="to compare")
    add("--run-dir", type=Path, default=Path("runs/time-to-target"), help="result, checkpoints")
    add("--seeds", type=seed_list, default="1-5", help="of the usual program")
    add("--jobs", type=positive, default=os.cpu_count(), help="seeds at a time, a thread each")
    add("--limit", type=positive, help="a trial of the usual program, with so few images")
    add("--threads", type=positive, default=torch.get_num_threads(), help="of what is timed")
    add("--repeats", type=positive, default=5, help="rounds (default: %(default)s)")
    add("--steps", type=positive, default=40, help="steps a round and contestant")
    add("--warm-up", type=positive, default=5, help="steps before the clock starts")
    options = parser.parse_args()
    path = options.run_dir / "result.json"
    result = measured(path)
    recipes = {name: recorded(name) for name in options.recipes}

    def compared():
        usual = {USUAL: result["seeds"]} if result["seeds"] else {}
        return table(usual | recipes, result["times"])

    def keep():
        files.write_file(path, json.dumps(result | {"table": compared()}, indent=2) + "\n")

    if options.accuracies or options.time:
        datasets.load("mnist")  # now, rather than in every process at once
        files.make_folder(options.run_dir)
    if options.accuracies:
        train, test = (min(options.limit or count, count) for count in (IMAGES, 10_000))
        settings = f"{train:,} training and {test:,} test images, torch {torch.__version__}"
        require_same(path, result[USUAL] or settings, settings)
        result[USUAL] = settings
        result["seeds"] = {str(seed): [] for seed in options.seeds} | result["seeds"]
        for seed, accuracies in train_usual(options, settings):
            result["seeds"][str(seed)] = accuracies
            keep()
    if options.time:
        sizes = {USUAL: BATCH_SIZE} | {name: RECIPES[name].batch_size for name in recipes}
        flags = {name: getattr(options, name) for name in ("threads", "steps", "warm_up")}
        result["timing"] = flags | {"load before": os.getloadavg()[0]} | bench.machine()
        result["times"] = {
            name: {"batch_size": sizes[name], "rounds": answers}
            for name, answers in bench.rounds(take_turns, list(sizes), options).items()
        }
        keep()
    if result[USUAL]:
        print(f"{USUAL}: {result[USUAL]}")
    show(compared())


if __name__ == "__main__":
    sys.exit(exit_status(main))
