"""The checks of `doctor`: versions, threads, devices, data, gradients, a short training."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from tinytrain import __version__, data
from tinytrain.cli.self_test import RECORDED, TOLERANCE, gradient_error, layers, trial
from tinytrain.errors import DataError, TinytrainError
from tinytrain.store.sources import SOURCES, in_folder, present

# The oldest and the newest that the tests were run with; setup.cfg promises the oldest. In torch
# before 2.10 a crafted checkpoint may run code all the same (CVE-2025-32434, CVE-2026-24747).
TRIED = {"torch": ("2.10", "2.15"), "Python": ("3.10", "3.13")}
ANEW = "install torch anew, in a new virtual environment"


@dataclass(frozen=True)
class Finding:
    """A line: `mark` is ok, warning or FAILED, and then `error` says which exit status follows."""

    mark: str
    topic: str
    text: str
    error: type[TinytrainError] = TinytrainError

    def __str__(self) -> str:
        return f"{self.mark:<8} {self.topic:<10} {self.text}"


def all_findings(root: Path, device: str, threads: int) -> Iterator[Finding]:
    """Yield a line for everything that was looked at, the quick ones first."""
    yield from versions()
    yield from machine(device, threads)
    yield from data_sets(root)
    yield from gradients()
    yield from training(device)


def versions() -> Iterator[Finding]:
    """The versions in use, and whether tests were run with them."""
    found = {"torch": torch.__version__, "Python": platform.python_version()}
    named = ", ".join(f"{name} {version}" for name, version in found.items())
    system = f"{platform.system()} {platform.machine()}"
    text = f"tinytrain {__version__}, {named}, numpy {numpy.__version__}, {system}"
    yield Finding("ok", "versions", text)
    for name, (oldest, newest) in TRIED.items():
        if not first_two(oldest) <= first_two(found[name]) <= first_two(newest):
            text = f"{name} {found[name]}: {oldest} to {newest} were tried; take one of those"
            yield Finding("warning", "versions", text)


def first_two(version: str) -> list[int]:
    """The first two numbers of a version."""
    return [int(part) for part in re.findall(r"\d+", version)[:2]]


def machine(device: str, threads: int) -> Iterator[Finding]:
    """Threads, cores, the load on them, and devices."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    text = f"torch computes with {threads}, on {cores} core{'' if cores == 1 else 's'}"
    if threads > cores:
        yield Finding("warning", "threads", f"{text}; --threads {cores} is faster")
    else:
        yield Finding("ok", "threads", text)
    load = os.getloadavg()[0]
    if load > cores / 2:
        text = f"{load:.1f} in the last minute: something else computes; all takes longer, with "
        text += "--threads 1 least so"
        yield Finding("warning", "load", text)
    present = [f"cpu ({torch.backends.cpu.get_cpu_capability()})"]
    for index in range(torch.cuda.device_count()):
        present.append(f"cuda:{index} ({torch.cuda.get_device_name(index)})")
    present += ["mps"] if torch.backends.mps.is_available() else []
    yield Finding("ok", "device", f"{device}; there are: {', '.join(present)}")


def data_sets(root: Path) -> Iterator[Finding]:
    """The data root, each known set, and the user's own sets in it; nothing is downloaded."""
    try:
        folders = sorted(root.iterdir()) if os.path.exists(root) else []
    except OSError as error:
        text = f"{root}: cannot be read ({error.strerror}); name another folder with --data-dir"
        yield Finding("FAILED", "data", text, DataError)
        return
    yield Finding("ok", "data", f"in {root}{'' if folders else ', where nothing is yet'}")
    own = [
        path for path in folders if path.name not in SOURCES and any(path.glob("train-images*"))
    ]
    for name in [*SOURCES, *map(str, own)]:
        try:
            yield data_set(name, root)
        except TinytrainError as error:
            yield Finding("FAILED", "data", str(error), DataError)


def data_set(name: str, root: Path) -> Finding:
    """Whether a set is complete. Raises DataError where it is damaged or cannot be completed."""
    source = SOURCES.get(name) or in_folder(Path(name))
    missing = [file.name for file in source.files if not present(file, root / name)]
    if name in SOURCES and len(missing) == len(source.files):
        how = "fetched" if source.mirrors else "drawn"
        return Finding("ok", "data", f"{name}: not here; {how} when it is first used")
    if missing and source.mirrors:
        text = f"{name}: no {', '.join(missing)}; fetched when it is next used"
        return Finding("warning", "data", text)
    if missing:
        raise DataError(f"{root / name}: no {', '.join(missing)}; move the rest away")
    dataset = data.load(name, root)
    checked = "as published" if source.mirrors else "whole; nobody published a digest"
    sizes = f"{len(dataset.train):,} + {len(dataset.test):,} images"
    return Finding("ok", "data", f"{name}: {sizes}, {checked} (sha256 {dataset.digest[:16]}…)")


def gradients() -> Iterator[Finding]:
    """Compare the gradients of the layers with finite differences, on the CPU in float64."""
    errors = [(type(one).__name__, gradient_error(one, shape)) for one, shape in layers()]
    wrong = dict.fromkeys(name for name, error in errors if not error < 1e-6)
    if wrong:
        text = f"the gradient of {', '.join(wrong)} is not the slope of finite differences; {ANEW}"
        yield Finding("FAILED", "self-test", text)
    else:
        text = f"the gradients of {len(errors)} layers are the slopes of finite differences"
        yield Finding("ok", "self-test", text)


def training(device: str) -> Iterator[Finding]:
    """Compare the losses of a short training with recorded ones, and time it."""
    try:
        seen = trial(device)
    except RuntimeError as error:  # of a driver, in many lines
        advice = ANEW if device == "cpu" else f"try --device cpu, or {ANEW}"
        text = f"{device} does not compute: {str(error).partition(chr(10))[0]}; {advice}"
        yield Finding("FAILED", "self-test", text)
        return
    losses = [seen.losses[step] for step in RECORDED]
    said = ", ".join(f"{loss:.4f}" for loss in losses)
    steps = ", ".join(str(step + 1) for step in RECORDED)
    text = f"the losses of steps {steps} of a training are {said}"
    expected = ", ".join(f"{loss:.4f}" for loss in RECORDED.values())
    if all(abs(seen.losses[step] - loss) < TOLERANCE for step, loss in RECORDED.items()):
        yield Finding("ok", "self-test", f"{text}, as recorded")
    else:
        text += f", and not {expected} (to {TOLERANCE:g}), as elsewhere; {ANEW}"
        yield Finding("FAILED", "self-test", text)
    text = f"{seen.epoch():.0f} s an epoch of `train` to expect, {1000 * seen.step:.0f} ms a step"
    yield Finding("ok", "speed", text)
