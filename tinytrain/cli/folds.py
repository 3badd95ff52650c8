"""Every training image tested once: what the runs over all folds say, and of two recipes which.

A test set of 10,000 images leaves an accuracy of 99.4 % with a standard error of 0.08 points, and
choosing on it would use it up. Five runs that each hold out another fifth of the 60,000 training
images test all of them: a standard error of 0.03. Two recipes are compared image by image: most
images are easy or hopeless for both, so their difference is known far better than either accuracy.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

import torch
from torch import Tensor

from tinytrain.cli.resolve import load_same_data, trained
from tinytrain.errors import DataError, UsageError
from tinytrain.results.records import Record
from tinytrain.results.statistics import paired_difference, reason_without_interval
from tinytrain.runs import run_folder
from tinytrain.train.evaluation import predict


def pooled(record: Record) -> str:
    """Accuracy with its standard error, and loss: last epoch, the images of all folds."""
    accuracy, loss = (
        statistics.mean(values[-1] for values in record.column(name))
        for name in ("test_accuracy", "test_loss")
    )
    share, images = accuracy / 100, record.holdout * len(record.seeds)
    error = 100 * math.sqrt(share * (1 - share) / images)
    return (
        f"all {images:,} images of the folds, last epoch: accuracy {accuracy:.3f} (standard error "
        f"{error:.3f}), loss {loss:.5f}"
    )


def require_folds(other: Path, fold: str) -> None:
    """Raise UsageError without --fold all/N, DataError where `other` lacks a run of it."""
    if not fold.startswith("all/"):
        raise UsageError("--against: compares runs over all folds, such as --fold all/5")
    for number in range(1, int(fold.removeprefix("all/")) + 1):
        place = other / f"seed-{number}"
        if run_folder.read_settings(place).fold != fold_of(number, fold):
            raise DataError(f"{place}: not a run of fold {number}; name the folder of such runs")


def fold_of(seed: int, fold: str) -> str:
    """The fold of the run with this seed: of all/N the one with its number."""
    return fold.replace("all", str(seed))


def compared(folder: Path, other: Path, options: argparse.Namespace) -> str:
    """How much better the runs over all folds in `folder` are than those in `other`."""
    numbers = range(1, int(options.fold.removeprefix("all/")) + 1)
    mine, theirs = (
        torch.cat([right_images(place / f"seed-{number}", options) for number in numbers])
        for place in (folder, other)
    )
    gained, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    difference = paired_difference(gained, lost, len(mine))
    epochs = min(
        run_folder.read_settings(place / "seed-1").recipe.epochs for place in (folder, other)
    )
    interval = f"95 % interval {difference.low:+.3f} to {difference.high:+.3f}"
    return (
        f"against {other}: of {len(mine):,} images {gained} right that are wrong there, {lost} "
        f"wrong that are right there: {difference.value:+.3f} points, "
        f"{reason_without_interval(len(numbers), epochs) or interval}"
    )


def right_images(run: Path, options: argparse.Namespace) -> Tensor:
    """Which of its held-out images the run's net gets right, bool (N,)."""
    settings, net = trained(run)
    dataset = load_same_data(argparse.Namespace(run_dir=run, data_dir=options.data_dir), settings)
    test = dataset.test
    said = predict(net, test.images, dataset.mean, dataset.std, tta=settings.recipe.tta)
    return said.argmax(1) == test.labels
