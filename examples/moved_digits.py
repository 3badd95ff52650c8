"""Measure how many of MNIST's test digits trained nets have right when all are moved to the right.

    python -m tinytrain train --recipe net1 --seed 1 --run-dir runs/net1
    python -m tinytrain train --recipe net2 --seed 1 --run-dir runs/net2
    python examples/moved_digits.py runs/net1 runs/net2

prints tinytrain/course/records/moved.json; the final net comes with tinytrain.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import torch

from tinytrain import data
from tinytrain.cli.exit import exit_status
from tinytrain.errors import UsageError
from tinytrain.results.trained_run import load_run

SHIFTS = range(7)  # pixels


def moved(images, shift):
    """Images (N, C, H, W) moved by `shift` pixels; what they leave empty is 0."""
    result = torch.zeros_like(images)
    result[..., shift:] = images[..., : images.shape[-1] - shift]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of runs")
    test = data.load("mnist").test
    nets = []
    for folder in [*parser.parse_args().runs, None]:
        run = load_run(folder)
        if run.settings.dataset != "mnist":
            raise UsageError(f"{folder}: expected a run of mnist, found {run.settings.dataset}")
        answers = [run.answers(moved(test.images[:], shift)).classes for shift in SHIFTS]
        right = [round(100 * float((one == test.labels).double().mean()), 2) for one in answers]
        nets.append({"net": Path(folder).name if folder else "final", "accuracy": right})
    record = {
        "what": "Accuracy (%) on MNIST's test digits moved to the right by 0, 1, … pixels.",
        "command": shlex.join(["python", *sys.argv]),
        "torch": torch.__version__,
        "shifts": list(SHIFTS),
        "nets": nets,
    }
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    sys.exit(exit_status(main))
