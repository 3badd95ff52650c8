"""Groups of flags that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinytrain.cli.words import natural, positive, rate, seed_list
from tinytrain.recipes import RECIPES

DATA_DIR_HELP = (
    "the folder that holds a folder a data set "
    "(default: $TINYTRAIN_DATA, else $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain)"
)


def add_recipe_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("what is trained")
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        default="final",
        help="a named set of choices; the flags below change one each (default: %(default)s)",
    )
    group.add_argument("--net", help="the net (default: the recipe's)")
    group.add_argument("--epochs", type=positive, help="times through the training images")
    group.add_argument("--batch-size", type=positive, help="images a step")
    group.add_argument("--lr", type=rate, help="the learning rate, at its highest")
    return group


def add_holdout_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--holdout",
        type=natural,
        default=0,
        metavar="N",
        help="do not open the test images: hold back N training images, the same ones in every "
        "run, and test on those. Choose recipes this way (default: %(default)s)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        default="mnist",
        help="mnist, fashion-mnist, kmnist, or synthetic: digits that tinytrain draws itself "
        "(default: %(default)s)",
    )
    group.add_argument("--data-dir", type=Path, help=DATA_DIR_HELP)
    return group


def add_device_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps, …: auto takes CUDA, then MPS, then the CPU "
        "(default: %(default)s)",
    )


def add_machine_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("machine")
    add_device_option(group)
    group.add_argument(
        "--threads", type=positive, help="CPU threads (default: as many as torch takes)"
    )
    return group


def add_seeds_options(parser: argparse.ArgumentParser, seeds: str, folder: str) -> None:
    group = parser.add_argument_group("runs")
    group.add_argument(
        "--seeds",
        type=seed_list,
        default=seed_list(seeds),
        metavar="LIST",
        help=f"such as 1-5,9 (default: {seeds})",
    )
    group.add_argument("--jobs", type=positive, default=2, help="processes at a time (default: 2)")
    add_device_option(group)
    group.add_argument("--run-dir", type=Path, help=f"the folder of all runs (default: {folder})")
    group.add_argument(
        "--records", type=Path, help="a folder for the records (default: beside the runs)"
    )
    data = add_data_options(parser)
    add_holdout_option(data)
