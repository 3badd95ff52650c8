"""The command `doctor`: what there is to know of this machine when something is odd.

Whoever asks for help is asked first: which versions, how many threads, is the data whole, is
there room, does it compute? So one command says it all, a line a finding: `ok`, `warning` where
something may surprise, `FAILED` where something has to be done, and then the line says what.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import (
    Parser,
    add_data_dir,
    add_machine_flags,
    add_switch,
)

if TYPE_CHECKING:
    from tinytrain.cli.at_hand import Finding

HELP = """\
Look at all that a training rests on, a line each: ok, warning, or FAILED and what to do

  versions   of tinytrain, torch, Python and numpy, and whether these were tried
  threads    of torch, cores, whether something else uses them; devices
  data       each set that is in the data folder, read whole and compared with its digest
  mirrors    which of them answer within seconds; --offline leaves them out
  space      free for data and for runs, and whether it may be written
  runs       below ./runs that a process holds
  self-test  the gradients of the layers against finite differences, and twenty steps of training
             against the losses that they have elsewhere
  speed      seconds that an epoch of `train` will take here

Nothing is fetched, drawn or written. The exit status is 0 when nothing FAILED, 3 where data are
damaged, 1 where the self-test fails. Put what it prints into a report of something odd.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `doctor`."""
    add_data_dir(parser)
    add_switch(parser, "--offline", "ask no mirror")
    add_machine_flags(parser)


# The oldest and the newest that the tests were run with; setup.cfg promises the oldest. In torch
# before 2.10 a crafted checkpoint may run code all the same (CVE-2025-32434, CVE-2026-24747).
TRIED = {"torch": ("2.10", "2.15"), "Python": ("3.10", "3.13")}
ANEW = "install torch anew, in a new virtual environment"


def run(options: argparse.Namespace) -> None:
    """Print all findings; then raise an error where some are FAILED, with the highest status."""
    from tinytrain import data
    from tinytrain.cli.resolve import choose_device, use_threads
    from tinytrain.train import keep_freed_memory

    keep_freed_memory()
    device, threads = choose_device(options.device), use_threads(options.threads)
    root, findings = data.data_root(options.data_dir), []
    for finding in examined(root, device, threads, options.offline):
        print(finding, flush=True)
        findings.append(finding)
    failed = [finding for finding in findings if finding.mark == "FAILED"]
    if failed:
        topics = ", ".join(dict.fromkeys(finding.topic for finding in failed))
        gravest = max((finding.error for finding in failed), key=lambda error: error.status)
        raise gravest(f"doctor: FAILED: {topics}; the lines above say what to do")
    warnings = sum(finding.mark == "warning" for finding in findings)
    print("All is well." if not warnings else f"All is well but for the warnings: {warnings}.")


def examined(root: Path, device: str, threads: int, offline: bool) -> Iterator[Finding]:
    """All findings, the quick ones first."""
    from tinytrain.cli import at_hand

    yield from versions()
    yield from machine(device, threads)
    yield from at_hand.data_sets(root)
    yield from () if offline else at_hand.mirrors(root)
    yield from at_hand.space(root)
    yield from at_hand.locks()
    yield from gradients()
    yield from training(device)


def versions() -> Iterator[Finding]:
    """What runs here, and whether it is what was tried."""
    import numpy
    import torch

    from tinytrain import __version__
    from tinytrain.cli.at_hand import Finding

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
    """Threads, cores, what else they do, and the devices."""
    import torch

    from tinytrain.cli.at_hand import Finding

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


def gradients() -> Iterator[Finding]:
    """Whether the gradients of the layers are slopes; on the CPU, in float64."""
    from tinytrain.cli.at_hand import Finding
    from tinytrain.cli.self_test import gradient_error, layers

    errors = [(type(one).__name__, gradient_error(one, shape)) for one, shape in layers()]
    wrong = dict.fromkeys(name for name, error in errors if not error < 1e-6)
    if wrong:
        text = f"the gradient of {', '.join(wrong)} is not the slope of finite differences; {ANEW}"
        yield Finding("FAILED", "self-test", text)
    else:
        text = f"the gradients of {len(errors)} layers are the slopes of finite differences"
        yield Finding("ok", "self-test", text)


def training(device: str) -> Iterator[Finding]:
    """Whether training comes where it came elsewhere, and the seconds that an epoch will take."""
    from tinytrain.cli.at_hand import Finding
    from tinytrain.cli.self_test import RECORDED, TOLERANCE, trial

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
