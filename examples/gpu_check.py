"""Check tinytrain on a GPU, in at most eight minutes, and write down what was found.

    python examples/gpu_check.py                      everything; the record is gpu-check.json
    python examples/gpu_check.py --device cpu --epochs 1 --steps 5 --no-tests     try the program,
                                                      where it takes its eight minutes

In this order: two runs of one seed and a resumed one, which must have equal bits; a whole training
with its verdict; the same with ten seeds side by side; milliseconds a step beside torch.nn, in
alternating rounds; the tests of devices. What fails, or is not begun in time, is written down and
does not stop the rest; the exit status is then 1. At the end, what was asked for beside what was
found.
"""

import argparse
import itertools
import json
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import bench
import torch
from torch import nn

from tinytrain.cli.resolve import choose_device
from tinytrain.data import augment, batches, datasets
from tinytrain.graph import Graph, side_by_side
from tinytrain.recipes import RECIPES, build
from tinytrain.report.target import LAST_EPOCHS, TARGET_ACCURACY, holds, verdict
from tinytrain.results.records import read_record
from tinytrain.train import Batch, Epoch, fit
from tinytrain.train.compute import InProcess

RECIPE = RECIPES["final"]
TESTS = Path(__file__).parents[1] / "tests"
STEPS = 469  # of one epoch
SEEDS = range(1, 11)
AT_ONCE = 6  # trainings
MINUTES = 8

# What an H100 should reach: the figure, its limit, and where in the record it is found.
ASKED = [
    ("15 epochs with evaluation, seconds", "at most", 5, ("a whole training", "seconds")),
    (f"to {TARGET_ACCURACY} %, seconds", "at most", 1.5, ("a whole training", "to the target")),
    ("a step as a graph, ms", "at most", 0.8, ("milliseconds a step", "tinytrain, graph")),
    ("a step compiled, ms", "at most", 0.5, ("milliseconds a step", "tinytrain, graph compiled")),
    ("times as fast as compiled torch.nn", "at least", 4, ("milliseconds a step", "ratio")),
    ("seeds 1-10 that hold", "at least", 10, ("ten seeds", "hold")),
    ("their mean beside the CPU's, points", "at most", 0.03, ("ten seeds", "from the CPU's mean")),
    ("seeds a minute", "at least", 20, ("ten seeds", "a minute")),
]


def run_tests(seconds):
    """Run the tests that know of devices; returns their last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)]
    command += ["-k", "cuda or device or gpu or graph", "--continue-on-collection-errors"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"passed": ended.returncode == 0, "last line": lines[-1:], "failed": failed}


def weights_after(data, device, compute, steps, resumed_at=None):
    """The weights after so many steps with seed 1; at `resumed_at` saved, and loaded anew."""
    training = build.start(RECIPE, 1, device)
    for number, _ in enumerate(fit(training, data, compute()), 1):
        if number == resumed_at:
            saved = training.state_dict()
            break
        if number == steps:
            break
    if resumed_at:
        training = build.start(RECIPE, 1, device)
        training.load_state_dict(saved)
        list(islice(fit(training, data, compute()), steps - resumed_at))
    return torch.cat([weight.detach().reshape(-1) for weight in training.net.parameters()]).cpu()


def repeats(data, device, steps):
    """Whether two runs, and one that was interrupted, have the same bits; by way of computing."""
    found = {}
    for compute in (InProcess, Graph):
        first, second = (weights_after(data, device, compute, steps) for _ in range(2))
        resumed = weights_after(data, device, compute, steps, resumed_at=steps // 2)
        found[compute.__name__] = {
            "two runs are equal": torch.equal(first, second),
            "a resumed one, too": torch.equal(first, resumed),
        }
    return found


def peer(data, device, mode=None):
    """torch.nn, its fused Adam, batches made on the device: a generator of steps."""
    net, loss = bench.torch_net().to(device, memory_format=torch.channels_last), nn.NLLLoss()
    optimizer = torch.optim.Adam(net.parameters(), RECIPE.lr, fused=True)
    net = torch.compile(net, mode=mode, dynamic=False) if mode else net
    for epoch, index, rows in bench.steps(data, RECIPE.batch_size):
        draw = bench.streams.generator(1, "augment", epoch, index)
        drawn = bench.AUGMENTATION.draw(len(rows), draw)
        rows, transform = (numbers.to(device, non_blocking=True) for numbers in (rows, drawn))
        images = augment.apply(data.train.images[rows].float(), transform)
        images = batches.normalise(images, data.mean, data.std)
        optimizer.zero_grad()
        loss(net(images), data.train.labels[rows]).backward()
        optimizer.step()
        yield


def ours(data, device, compute):
    """tinytrain's own steps, everything included, also the evaluations: a generator."""
    training = build.start(replace(RECIPE, epochs=100), 1, device)
    return (event for event in fit(training, data, compute()) if isinstance(event, Batch))


def milliseconds(data, device, steps, rounds):
    """Milliseconds a step of every contestant, in alternating rounds, after a warm-up.

    One that fails, as where there is no compiler, leaves the others alone.
    """
    contestants = {
        "torch.nn, eager": peer(data, device),
        "torch.nn, compiled": peer(data, device, "reduce-overhead"),
        "tinytrain": ours(data, device, InProcess),
        "tinytrain, graph": ours(data, device, Graph),
        "tinytrain, graph compiled": ours(data, device, partial(Graph, compiled=True)),
    }
    times, failed = {name: [] for name in contestants}, {}
    for number in range(rounds + 1):
        for name in [name for name in contestants if name not in failed]:
            synchronise(device)
            started = time.perf_counter()
            try:
                for _ in islice(contestants[name], steps):
                    pass
                synchronise(device)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
            if number:  # the first round warms up, compiles and captures
                times[name].append(1000 * (time.perf_counter() - started) / steps)
    found = {name: statistics.median(times[name]) for name in contestants if name not in failed}
    graphs = [value for name, value in found.items() if name.startswith("tinytrain, graph")]
    if graphs and "torch.nn, compiled" in found:
        found["ratio"] = found["torch.nn, compiled"] / min(graphs)
    return found | {"rounds": times, "failed": failed, "all ran": not failed}


def whole_run(data, device, epochs):
    """Train from the beginning to the end as a graph: seconds, accuracies, verdict."""
    started = time.perf_counter()
    training = build.start(replace(RECIPE, epochs=epochs), 1, device)
    for _ in fit(training, data, Graph()):
        pass
    synchronise(device)
    seconds = time.perf_counter() - started
    accuracies = [epoch.test_accuracy for epoch in training.history]
    times = itertools.accumulate(epoch.seconds for epoch in training.history)
    pairs = zip(times, accuracies, strict=True)
    reached = [at for at, accuracy in pairs if accuracy >= TARGET_ACCURACY]
    parameters = sum(weight.numel() for weight in training.net.parameters())
    return {
        "seconds": seconds,
        "to the target": reached[0] if reached else None,
        "accuracies": accuracies,
        "verdict": verdict(accuracies, parameters).text,
    }


def ten_seeds(data, device, epochs, alone, end):
    """Train ten seeds side by side; seed 1 must have the accuracies that it had `alone`.

    Raises TimeoutError at the time `end`.
    """
    recipe = replace(RECIPE, epochs=epochs)
    runs = [
        lambda seed=seed: fit(build.start(recipe, seed, device), data, Graph()) for seed in SEEDS
    ]
    accuracies = [[] for _ in runs]
    started = time.perf_counter()
    for number, event in side_by_side(runs, AT_ONCE, device):
        if isinstance(event, Epoch):
            accuracies[number].append(event.test_accuracy)
            if time.perf_counter() > end:
                raise TimeoutError(f"after {sum(map(len, accuracies))} epochs of all")
    seconds = time.perf_counter() - started
    columns = read_record("final").seeds
    theirs = [columns[seed]["test_accuracy"] for seed in SEEDS]
    mean, other = (
        statistics.fmean(statistics.fmean(run[-LAST_EPOCHS:]) for run in several)
        for several in (accuracies, theirs)
    )
    return {
        "a minute": 60 * len(SEEDS) / seconds,
        "hold": sum(map(holds, accuracies)),
        "mean of the last epochs": mean,
        "from the CPU's mean": abs(mean - other),
        "seed 1 is as alone": accuracies[0] == alone,
        "accuracies": accuracies,
    }


def asked_and_found(record):
    """What was asked for beside what the record says, a line each."""
    for text, limit, asked, (check, name) in ASKED:
        found = record.get(check, {}).get(name)
        if found is None:
            yield f"{text}: {limit} {asked}, not found"
            continue
        met = found <= asked if limit == "at most" else found >= asked
        yield f"{text}: {limit} {asked}, found {found:.3g}, {'met' if met else 'MISSED'}"
    equal = all_true(record.get("equal bits", False))
    yield f"two runs and a resumed one equal in bits: {'met' if equal else 'MISSED'}"


def synchronise(device):
    """Wait until a GPU has done what it was asked to."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def machine(device):
    """What the figures are of."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "command": " ".join(["python", *sys.argv]),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=15, help="of the whole training")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a comparison, and a round")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    parser.add_argument("--json", type=Path, default=Path("gpu-check.json"), help="the record")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("--device cuda: this torch finds no GPU; --device cpu tries the program")
    choose_device(options.device)  # kernels that repeat, in float32
    device, data = options.device, datasets.load("mnist").to(options.device)
    record, failed, end = {"machine": machine(device)}, False, time.perf_counter() + 60 * MINUTES
    checks = {
        "equal bits": lambda: repeats(data, device, 2 * options.steps),
        "a whole training": lambda: whole_run(data, device, options.epochs),
        "ten seeds": lambda: ten_seeds(
            data, device, options.epochs, record["a whole training"].get("accuracies"), end
        ),
        "milliseconds a step": lambda: milliseconds(data, device, options.steps, options.rounds),
    }
    if not options.no_tests:
        checks["tests"] = lambda: run_tests(end - time.perf_counter())
    for name, check in checks.items():
        try:
            if time.perf_counter() > end:
                raise TimeoutError(f"{MINUTES} minutes are over")
            record[name] = check()
        except Exception as error:
            record[name], failed = {"failed": f"{type(error).__name__}: {error}"}, True
        print(f"{name}: {json.dumps(record[name], indent=1)}", flush=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    print("\n".join(asked_and_found(record)))
    sys.exit(int(failed or not all_true(record)))


def all_true(record):
    """Whether no check in the record says False."""
    values = record.values() if isinstance(record, dict) else []
    return record is not False and all(map(all_true, values))


if __name__ == "__main__":
    main()
