"""Groups of flags that several commands share; those of a recipe follow from its fields.

A flag that decides what is trained has no default of its own: what argparse returns is what was
given, and `DEFAULTS` fills in the rest. So a resumed run can tell which flags would change it.
"""

from __future__ import annotations

import argparse
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeAlias

from tinytrain.cli.recipe_files import named
from tinytrain.cli.words import all_folds, fold, natural, number, positive, seed_list, truth
from tinytrain.recipes import Recipe

Flags: TypeAlias = argparse.ArgumentParser | argparse._ArgumentGroup
DEFAULTS: dict[str, Any] = {
    "recipe": named("final"),
    "seed": 1,
    "dataset": "mnist",
    "holdout": 0,
    "fold": "",
    "device": "auto",
    "threads": None,
}


def add_setting(flags: Flags, name: str, help: str, **more: Any) -> None:
    """A flag with its default in `DEFAULTS`."""
    default = DEFAULTS[name.strip("-").replace("-", "_")]
    said = "" if default in (None, "") else f" (default: {default})"
    flags.add_argument(name, default=argparse.SUPPRESS, help=f"{help}{said}", **more)


def add_switch(flags: Flags, name: str, help: str, default: Any = False) -> None:
    """A flag that may be given alone, or with yes or no."""
    flags.add_argument(
        name, nargs="?", const=True, type=truth, default=default, metavar="yes|no", help=help
    )


def add_path(flags: Flags, name: str, help: str, default: str = "", **more: Any) -> None:
    """A flag, or a word, that is a file or a folder."""
    said = f" (default: {default})" if default else ""
    path = Path(default) if default else None
    flags.add_argument(name, type=Path, default=path, help=f"{help}{said}", **more)


def add_recipe_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("what is trained")
    help = (
        'a named set of choices, or a file that changes some of one, such as {"base": '
        '"final", "lr": 0.02}; each flag below changes one more'
    )
    add_setting(group, "--recipe", help, type=named, metavar="NAME|FILE.json")
    add_field_flags(group)
    return group


def add_field_flags(group: argparse._ArgumentGroup) -> None:
    """A flag for each field of a recipe."""
    for field in fields(Recipe):
        add_recipe_flag(group, field)


def add_recipe_flag(group: argparse._ArgumentGroup, field: Field[Any]) -> None:
    """The flag of one field of a recipe; its type and what it may be follow from the field."""
    flag, help = f"--{field.name.replace('_', '-')}", field.metadata["help"]
    kind, limits = type(field.default), field.metadata["range"]
    if kind is bool:
        add_switch(group, flag, help, default=argparse.SUPPRESS)
        return
    group.add_argument(
        flag,
        type=number(kind, *limits) if limits else kind,
        choices=field.metadata["choices"],
        default=argparse.SUPPRESS,
        help=help,
    )


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a recipe that a flag gives."""
    names = [field.name for field in fields(Recipe)]
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def add_data_flags(
    parser: argparse.ArgumentParser, data_dir: Any = None
) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("data")
    sets = (
        "mnist, fashion-mnist, kmnist, synthetic (digits that tinytrain draws itself), or a "
        "folder with four IDX files of your own: train- and test-images, train- and test-labels"
    )
    add_setting(group, "--dataset", sets, metavar="NAME|FOLDER")
    add_data_dir(group, data_dir)
    return group


def add_data_dir(flags: Flags, default: Any = None) -> None:
    place = "$TINYTRAIN_DATA, else $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain"
    help = f"the folder that holds a folder a data set (default: {place})"
    flags.add_argument("--data-dir", type=Path, default=default, help=help)


def add_holdout(group: argparse._ArgumentGroup, several: bool = False) -> None:
    help = (
        "do not open the test images: hold back N training images, the same ones in every run, "
        "and test on those. Choose recipes this way"
    )
    add_setting(group, "--holdout", help, type=natural, metavar="N")
    parts = "; all/N in seeds and ladder: every part once, the seed of a run is its part" * several
    help = f"hold back part K of N equal parts of the training images{parts}"
    add_setting(group, "--fold", help, type=all_folds if several else fold, metavar="K/N")


def add_device(group: argparse._ArgumentGroup) -> None:
    help = "auto, cpu, cuda, cuda:1, mps, …: auto takes CUDA, then MPS, then the CPU"
    add_setting(group, "--device", help)


def add_machine_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("machine")
    add_device(group)
    add_setting(group, "--threads", "CPU threads (default: as many as torch takes)", type=positive)
    return group


def add_seeds_flags(parser: argparse.ArgumentParser, seeds: str, folder: str) -> None:
    group = parser.add_argument_group("runs")
    help = f"such as 1-5,9 (default: {seeds})"
    default = seed_list(seeds)
    group.add_argument("--seeds", type=seed_list, default=default, metavar="LIST", help=help)
    several = "processes at a time (default: 2; of a worker that torchrun started: 1)"
    group.add_argument("--jobs", type=positive, help=several)
    add_device(group)
    add_path(group, "--run-dir", f"the folder of all runs (default: {folder})")
    add_path(group, "--records", "a folder for the records (default: beside the runs)")
    add_holdout(add_data_flags(parser), several=True)


def completed(options: argparse.Namespace) -> argparse.Namespace:
    """What argparse found, with `DEFAULTS` for the rest; `given` names the settings it found."""
    settings = {*DEFAULTS, *(field.name for field in fields(Recipe))}
    given = settings.intersection(vars(options))
    return argparse.Namespace(**(DEFAULTS | vars(options)), given=given)
