"""The command `evaluate`: the loss and accuracy of a run's net on its test images."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_data_dir, add_machine_flags, add_path

if TYPE_CHECKING:
    from torch import Tensor

HELP = """\
Evaluate a run's net, with averaged weights where it averages, on its test images; without a run,
the final net that comes with tinytrain, on MNIST's.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `evaluate`."""
    add_path(parser, "--run-dir", "the run's folder")
    add_data_dir(parser)
    add_machine_flags(parser)
    help = "as JSON: loss, right and total in all and of each class, confusion (rows: true)"
    parser.add_argument("--json", action="store_true", help=help)


def run(options: argparse.Namespace) -> None:
    """Print the loss and accuracy of a run's net, or of the published one, on test images."""
    from tinytrain.cli.resolve import choose_device, run_and_data, run_text, use_threads
    from tinytrain.report import log
    from tinytrain.train import evaluate, evaluation

    use_threads(options.threads)
    device = choose_device(options.device)
    with redirect_stdout(sys.stderr if options.json else sys.stdout):  # of warnings
        trained, dataset = run_and_data(options, device)
    test, mean, std = dataset.test.to(device), dataset.mean, dataset.std
    net, tta = trained.net, trained.settings.recipe.tta
    if options.json:
        outputs = evaluation.predict(net, test.images, mean, std, tta=tta)
        print(as_json(outputs, test.labels, float(trained.loss(outputs, test.labels))))
        return
    score = evaluate(net, test, mean, std, tta=tta, loss=trained.loss)
    print(f"Net: {run_text(options.run_dir, trained)}")
    images = f"{len(test):,} {'held-out training' if dataset.holdout else 'test'} images"
    views = f", {tta} views of each" if tta > 1 else ""
    print(f"Data: {dataset.name}, {images}{views}")
    name = "Holdout set" if dataset.holdout else "Test set"
    print(log.score_line(score, name))


def as_json(outputs: Tensor, labels: Tensor, loss: float) -> str:
    """The results for the net's outputs (N, classes), the labels (N,), and the loss, as JSON."""
    from tinytrain.train.evaluation import confusion

    table = confusion(outputs, labels)
    right, total = table.diagonal(), table.sum(1)
    classes = [
        {"label": label, "right": int(right[label]), "total": int(total[label])}
        for label in range(len(table))
    ]
    result = {
        "loss": loss,
        "right": int(right.sum()),
        "total": len(labels),
        "classes": classes,
        "confusion": table.tolist(),
    }
    return json.dumps(result)
