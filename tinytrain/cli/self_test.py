"""The findings of `doctor`: versions, devices, data sets, a short training."""

import itertools
import os
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy
import torch

from tinytrain import __version__, data, streams, train
from tinytrain.data import Dataset, Split
from tinytrain.errors import DataError, TinytrainError
from tinytrain.recipes import RECIPES, build
from tinytrain.runs.torch_state import kernels
from tinytrain.store import synthetic
from tinytrain.store.sources import SOURCES, in_folder, present

# Topic, text, and the error that it ends in where it FAILED.
Finding: TypeAlias = tuple[str, str, type[TinytrainError] | None]
STEPS, TESTED = 20, 1000
# Step, from 0: its loss in `short_training`, the same with torch 2.4, 2.13 and 2.15 on CPUs. In
# float64 the last is 1.4334; a rate that is a tenth larger makes it 0.05 less.
RECORDED = {0: 2.3012, 1: 2.3231, 19: 1.4358}
TOLERANCE = 0.01
ANEW = "install torch anew, in a new virtual environment"


def findings(root: Path, device: str, threads: int) -> Iterator[Finding]:
    """Yield a line for everything that was looked at, the quick ones first."""
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    packages = f"torch {torch.__version__}, numpy {numpy.__version__}"
    yield "versions", f"tinytrain {__version__}, {packages}, {python}", None
    yield "threads", f"torch computes with {threads}, of {os.cpu_count()} of the cores", None
    devices = [f"cpu ({torch.backends.cpu.get_cpu_capability()})"]
    for index in range(torch.cuda.device_count()):
        devices.append(f"cuda:{index} ({torch.cuda.get_device_name(index)})")
    devices += ["mps"] if torch.backends.mps.is_available() else []
    how = "".join(f", {name}: {'yes' if on else 'no'}" for name, on in kernels(device).items())
    yield "device", f"{device}{how}; there are: {', '.join(devices)}", None
    yield from data_sets(root)
    yield from short_training(device)


def data_sets(root: Path) -> Iterator[Finding]:
    """Each known set, and the user's own sets in the data root; nothing is downloaded."""
    yield "data", f"in {root}", None
    try:
        folders = sorted(root.iterdir()) if root.exists() else []
    except OSError as error:
        advice = "name another folder with --data-dir"
        yield "data", f"{root}: cannot be read ({error.strerror}); {advice}", DataError
        return
    own = [
        path for path in folders if path.name not in SOURCES and any(path.glob("train-images*"))
    ]
    for name in [*SOURCES, *map(str, own)]:
        source = SOURCES.get(name) or in_folder(Path(name))
        missing = [file.name for file in source.files if not present(file, root / name)]
        if missing and len(missing) == len(source.files):
            yield "data", f"{name}: not here", None
            continue
        if missing and source.mirrors:
            yield "data", f"{name}: no {', '.join(missing)}; fetched when it is next used", None
            continue
        try:
            dataset = data.load(name, root)
        except TinytrainError as error:
            yield "data", str(error), DataError
            continue
        checked = "as published" if source.mirrors else "whole (no published digest)"
        sizes = f"{len(dataset.train):,} + {len(dataset.test):,} images"
        yield "data", f"{name}: {sizes}, {checked}, sha256 {dataset.digest[:16]}…", None


def short_training(device: str) -> Iterator[Finding]:
    """Train the final recipe on drawn digits, compare losses with recorded ones, and time it."""
    size = RECIPES["final"].batch_size
    labels = torch.arange(STEPS * size + TESTED) % 10
    images = synthetic.digits(labels, streams.generator(0, "self-test"))
    parts = Split(images[:-TESTED], labels[:-TESTED]), Split(images[-TESTED:], labels[-TESTED:])
    dataset = Dataset("synthetic", *parts, 0.1307, 0.3081, (), 0, classes=10)
    losses, times = [], [time.perf_counter()]
    try:
        for event in train.fit(build.start(RECIPES["final"], 1, device), dataset):
            if isinstance(event, train.Batch):
                losses.append(float(event.loss))  # reading it waits for the device
            times.append(time.perf_counter())
            if len(times) == STEPS + 2:  # after the evaluation
                break
    except RuntimeError as error:  # of a driver, in many lines
        reason = str(error).partition("\n")[0]
        text = f"{device} does not compute: {reason}; try --device cpu, or {ANEW}"
        yield "self-test", text, TinytrainError
        return
    found = ", ".join(f"{losses[step]:.4f}" for step in RECORDED)
    text = f"the losses of a training of {STEPS} steps begin and end with {found}"
    if all(abs(losses[step] - loss) < TOLERANCE for step, loss in RECORDED.items()):
        yield "self-test", f"{text}, as recorded", None
    else:
        expected = ", ".join(f"{loss:.4f}" for loss in RECORDED.values())
        wrong = f"{text}, and not {expected} (to {TOLERANCE:g}), as elsewhere; {ANEW}"
        yield "self-test", wrong, TinytrainError
    *steps, evaluation = (after - before for before, after in itertools.pairwise(times))
    seconds = statistics.median(steps) * 60_000 / size + evaluation * 10_000 / TESTED
    yield "speed", f"{seconds:.0f} s an epoch of `train` to expect", None
