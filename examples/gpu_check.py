"""Check tinytrain on a GPU, in at most eight minutes, and write down what was found.

    python examples/gpu_check.py                      everything; the record is gpu-check.json
    python examples/gpu_check.py --device cpu --epochs 1 --steps 5 --no-tests     try the program

In this order: the tests of devices; two runs of one seed and a resumed one, which must have equal
bits; milliseconds a step beside torch.nn, in alternating rounds; a whole training with its
verdict. What fails is written down and does not stop the rest; the exit status is then 1.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path

import bench
import torch
from torch import nn

from tinytrain.data import augment, batches, datasets
from tinytrain.graph import Graph
from tinytrain.results.variations import RECIPES
from tinytrain.train import Batch, build, fit
from tinytrain.train.compute import InProcess
from tinytrain.train.target import verdict

RECIPE = RECIPES["final"]
TESTS = Path(__file__).parents[1] / "tests"
STEPS = 469  # of one epoch


def run_tests():
    """Run the tests that know of devices; returns their last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)]
    command += ["-k", "cuda or device or gpu or graph"]
    ended = subprocess.run(command, capture_output=True, text=True)
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
    net = torch.compile(net, mode=mode) if mode else net
    for epoch, index, rows in bench.steps(data, RECIPE.batch_size):
        draw = bench.streams.generator(1, "augment", epoch, index)
        moved = bench.AUGMENTATION.draw(len(rows), draw).to(device)
        images = augment.apply(data.train.images[rows].float(), moved)
        images = batches.normalise(images, data.mean, data.std)
        optimizer.zero_grad()
        loss(net(images), data.train.labels[rows]).backward()
        optimizer.step()
        yield


def ours(data, device, compute):
    """tinytrain's own steps, everything included: a generator."""
    while True:
        events = fit(build.start(RECIPE, 1, device), data, compute())
        yield from takewhile(lambda event: isinstance(event, Batch), events)


def milliseconds(data, device, steps, rounds):
    """Milliseconds a step of every contestant, in alternating rounds, after a warm-up."""
    contestants = {
        "torch.nn, eager": peer(data, device),
        "torch.nn, compiled": peer(data, device, "reduce-overhead"),
        "tinytrain": ours(data, device, InProcess),
        "tinytrain, as a graph": ours(data, device, Graph),
    }
    times = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, generator in contestants.items():
            synchronise(device)
            started = time.perf_counter()
            for _ in islice(generator, steps):
                pass
            synchronise(device)
            if number:  # the first round warms up, compiles and captures
                times[name].append(1000 * (time.perf_counter() - started) / steps)
    return {
        name: {"median": statistics.median(values), "rounds": values}
        for name, values in times.items()
    }


def whole_run(data, device, epochs):
    """Train from the beginning to the end as a graph: seconds, accuracies, verdict."""
    started = time.perf_counter()
    training = build.start(replace(RECIPE, epochs=epochs), 1, device)
    for _ in fit(training, data, Graph()):
        pass
    synchronise(device)
    seconds = time.perf_counter() - started
    accuracies = [epoch.test_accuracy for epoch in training.history]
    parameters = sum(weight.numel() for weight in training.net.parameters())
    text = verdict(accuracies, parameters).text
    return {"seconds": seconds, "accuracies": accuracies, "verdict": text}


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
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    device, data = options.device, datasets.load("mnist").to(options.device)
    checks = {
        "equal bits": lambda: repeats(data, device, 2 * options.steps),
        "milliseconds a step": lambda: milliseconds(data, device, options.steps, options.rounds),
        "a whole training": lambda: whole_run(data, device, options.epochs),
    }
    if not options.no_tests:
        checks = {"tests": run_tests} | checks
    record, failed = {"machine": machine(device)}, False
    for name, check in checks.items():
        try:
            record[name] = check()
        except Exception as error:
            record[name], failed = {"failed": f"{type(error).__name__}: {error}"}, True
        print(f"{name}: {json.dumps(record[name], indent=1)}", flush=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(int(failed or not all_true(record)))


def all_true(record):
    """Whether no check in the record says False."""
    values = record.values() if isinstance(record, dict) else []
    return record is not False and all(map(all_true, values))


if __name__ == "__main__":
    main()
