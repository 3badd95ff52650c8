"""The command `evaluate`: the loss and accuracy of a run's net on its test images."""

from __future__ import annotations

import argparse

from tinytrain.cli.options import Parser, add_data_dir, add_machine_flags, add_path

HELP = """\
Evaluate a run's net, with averaged weights where it averages, on its test images; without a run,
the final net that comes with tinytrain, on MNIST's.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `evaluate`."""
    add_path(parser, "--run-dir", "the run's folder")
    add_data_dir(parser)
    add_machine_flags(parser)


def run(options: argparse.Namespace) -> None:
    """Print the loss and accuracy of a run's net, or of the published one, on test images."""
    from tinytrain.cli.resolve import choose_device, net_and_data, net_text, use_threads
    from tinytrain.train import evaluate, log

    use_threads(options.threads)
    device = choose_device(options.device)
    settings, net, dataset = net_and_data(options, device)
    test = dataset.test.to(device)
    tta = settings.recipe.tta
    score = evaluate(net, test, dataset.mean, dataset.std, tta=tta)
    print(f"Net: {net_text(options.run_dir, settings, net)}")
    images = f"{len(test):,} {'held-out training' if dataset.holdout else 'test'} images"
    looks = f", {tta} looks at each" if tta > 1 else ""
    print(f"Data: {dataset.name}, {images}{looks}")
    name = "Holdout set" if dataset.holdout else "Test set"
    print(log.score_line(score, name))
