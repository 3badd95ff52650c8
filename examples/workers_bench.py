"""Time a training step with several workers, and model it for more workers and other networks.

A step of W workers takes the time of B / W images, and that of its messages. The first shrinks
with W; the second does not: in every batch norm two small messages, at the end one that carries
the gradient. So there is a number of workers beyond which a step gets slower. With a seconds a
step and b an image, n messages of l seconds each where two workers talk, and s bytes in all,

    step(W) = a + b · ⌈B / W⌉ + n · l · ⌈log₂ W⌉ + 2 · s · (W − 1) / (W · bandwidth)

The last two are what a tree of messages, and a ring for the bytes, need at least (Thakur,
Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH", 2005). The
four numbers are fitted to this machine, and the table shows what two and four workers really take.

    python examples/workers_bench.py                       the tables
    python examples/workers_bench.py --json group.json   the same as JSON
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from tinytrain import streams
from tinytrain.cli.exit import exit_status
from tinytrain.data.datasets import Dataset, Split
from tinytrain.nn import BatchNorm2d
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES, build
from tinytrain.store import synthetic
from tinytrain.train import Epoch, fit
from tinytrain.train.memory import keep_freed_memory
from tinytrain.workers import group

RECIPE = RECIPES["final"]
# Workers, threads each, images a step.
CASES = [
    *[(1, 1, 128), (1, 2, 128), (2, 1, 128), (4, 1, 128)],
    *[(1, 1, 64), (1, 1, 32), (1, 1, 512), (2, 1, 512)],
]
LONGER = 200_000  # numbers of a longer message
ELSEWHERE = {  # seconds a message, bytes a second: as data sheets and usual measurements have it
    "this machine": None,
    "10 Gbit Ethernet, 50 µs": (50e-6, 1.25e9),
    "InfiniBand, 2 µs": (2e-6, 25e9),
}


def digits(count):
    """A data set of drawn digits, to train on; nothing is tested."""
    labels = torch.arange(count) % 10
    split = Split(synthetic.digits(labels, streams.generator(0, "bench")), labels)
    return Dataset("synthetic", split, split.rows(slice(0, 10)), 0.13, 0.31, "", 0, classes=10)


def measure(options):
    """In a worker: seconds a step and a message; worker 0 writes them."""
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    with group.joined() as together:
        training = build.start(replace(RECIPE, batch_size=options.batch_size), seed=1)
        dataset = digits(options.batch_size * (options.steps + 10))
        together.cut(0)
        times, last = [], time.perf_counter()
        for event in fit(training, dataset, together):
            if isinstance(event, Epoch):
                break
            now = time.perf_counter()
            times.append(now - last)
            last = now
        found = {"step": statistics.median(times[10:]), "messages": {}}
        if together.count > 1:
            for numbers in (62, parameter_count(training.net) + 5, LONGER):
                row = torch.ones(1, numbers)
                taken = []
                for _ in range(30):
                    begun = time.perf_counter()
                    together.sum(row)
                    taken.append(time.perf_counter() - begun)
                found["messages"][str(numbers)] = statistics.median(taken)
        if together.rank == 0:
            options.measure.write_text(json.dumps(found))


def run(count, threads, batch_size, steps):
    """One case in processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        words = ["--measure", path, "--threads", threads, "--batch-size", batch_size]
        words = [__file__, *words, "--steps", steps]
        if count > 1:
            start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count]
            words = [*start, *words]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(
            [sys.executable, *map(str, words)], check=True, env=environment, capture_output=True
        )
        return json.loads(path.read_text())


def fitted(cases):
    """The model's numbers, from one worker's steps and two workers' messages."""
    alone = {size: cases[1, 1, size]["step"] for size in (128, 64, 32)}
    image = (alone[128] - alone[32]) / 96
    sizes = cases[2, 1, 128]["messages"]
    small, large = sizes["62"], sizes[str(LONGER)]
    # Between two workers a ring sends each byte once.
    bandwidth = 4 * (LONGER - 62) / max(large - small, 1e-9)
    return {
        "step": max(alone[128] - 128 * image, 0.0),
        "image": image,
        "message": small,
        "bandwidth": bandwidth,
    }


def messages(net):
    """How many messages a step has, and the bytes of them all."""
    norms = [layer for layer in net.modules() if isinstance(layer, BatchNorm2d)]
    channels = sum(layer.num_features for layer in norms)
    ends = 5  # loss, right ones, and a number for each signal
    return 2 * len(norms) + 1, 4 * (2 * 2 * channels + parameter_count(net) + ends)


def predicted(fit, count, batch_size, many, size, network=None):
    """The seconds of a step by the model."""
    latency, bandwidth = network or (fit["message"], fit["bandwidth"])
    compute = fit["step"] + fit["image"] * math.ceil(batch_size / count)
    if count == 1:
        return compute
    rounds = math.ceil(math.log2(count))
    return compute + many * latency * rounds + 2 * size * (count - 1) / (count * bandwidth)


def tables(options):
    """Measure all cases in turns, fit, predict; print, and write JSON where that is asked for."""
    rounds = {case: [] for case in CASES}
    for _ in range(options.repeats):
        for case in CASES:
            rounds[case].append(run(*case, options.steps))
    cases = {}
    for case, found in rounds.items():
        names = found[0]["messages"]
        cases[case] = {
            "step": statistics.median(one["step"] for one in found),
            "steps": [one["step"] for one in found],
            "messages": {
                name: statistics.median(one["messages"][name] for one in found) for name in names
            },
        }
    fit = fitted(cases)
    many, size = messages(build.start(RECIPE, seed=1).net)
    print(f"A step sends {many} messages, {size:,} bytes in all, whatever the batch.")
    print(
        f"{'workers':>8}{'threads':>8}{'batch':>7}{'ms a step':>11}{'range':>16}{'images/s':>10}"
    )
    for (count, threads, batch), one in cases.items():
        low, high = 1000 * min(one["steps"]), 1000 * max(one["steps"])
        head = f"{count:8}{threads:8}{batch:7}{1000 * one['step']:11.2f}"
        print(f"{head}{f'{low:.2f}–{high:.2f}':>16}{batch / one['step']:10,.0f}")
    for batch, threads in ((128, 1), (128, 2), (512, 1)):
        pairs = zip(cases[1, threads, batch]["steps"], cases[2, 1, batch]["steps"], strict=True)
        ratios = sorted(alone / together for alone, together in pairs)  # of one round each
        print(
            f"Two workers of one thread against one of {threads}, batch {batch}: "
            f"{statistics.median(ratios):.2f} times the images ({ratios[0]:.2f}–{ratios[-1]:.2f})"
        )
    predictions = {}
    for name, network in ELSEWHERE.items():
        for batch in (128, 8192):
            counts = (1, 2, 4, 8, 64, 512)
            seconds = [predicted(fit, count, batch, many, size, network) for count in counts]
            predictions[f"{name}, batch {batch}"] = dict(zip(counts, seconds, strict=True))
            shown = "".join(
                f"{count:>5}: {1000 * one:8.2f}"
                for count, one in zip(counts, seconds, strict=True)
            )
            print(f"{name}, batch {batch}, ms a step by workers{shown}")
    record = {
        "command": "python examples/workers_bench.py",
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "repeats": options.repeats,
        "steps": options.steps,
        "messages a step": many,
        "bytes a step": size,
        "cases": {" × ".join(map(str, case)): one for case, one in cases.items()},
        "fit": fit,
        "predictions": predictions,
    }
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of all cases")
    parser.add_argument("--steps", type=int, default=100, help="steps a case")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--batch-size", type=int, default=128, help=argparse.SUPPRESS)
    options = parser.parse_args()
    (measure if options.measure else tables)(options)


if __name__ == "__main__":
    sys.exit(exit_status(main))
