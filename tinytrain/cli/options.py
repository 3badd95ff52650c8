"""Flags that several commands share, and the parser that turns a wrong one into one line.

The flags of a recipe, such as --rotation, follow from the fields of `recipes.Recipe`. A flag that
decides what is trained has no default of its own: what argparse returns is what was given, and
`DEFAULTS` fills in the rest. So a resumed run can tell which flags would change it.
"""

import argparse
import itertools
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

from tinytrain.cli.recipe_files import named
from tinytrain.errors import UsageError
from tinytrain.recipes import OLD_NAMES, Recipe, checked

Flags: TypeAlias = argparse.ArgumentParser | argparse._ArgumentGroup
Number = TypeVar("Number", int, float)
DEFAULTS: dict[str, Any] = {
    "recipe": named("final"),
    "seed": 1,
    "dataset": "mnist",
    "holdout": 0,
    "fold": "",
    "device": "auto",
    "threads": None,
    "compute": "auto",
    "tf32": False,
    "from": "",
    "freeze": "",
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ours: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def number(kind: Callable[[str], Number], low: Number, high: Number) -> Callable[[str], Number]:
    """An argparse type: a number of that kind, int or float, from `low` to `high`."""

    def parse(text: str) -> Number:
        with suppress(ValueError):
            if low <= (value := kind(text)) <= high:
                return value
        noun = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"expected {noun} from {low} to {high}, found {text!r}")

    return parse


positive = number(int, 1, 10**6)
natural = number(int, 0, 10**6)


def truth(text: str) -> bool:
    """The argparse type of yes and no."""
    values = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected yes or no, found {text!r}")
    return values[text.lower()]


def fold(text: str, whole: tuple[str, ...] = ()) -> str:
    """The argparse type of "2/5": part 2 of 5."""
    part, _, parts = text.partition("/")
    if not (parts.isdecimal() and 2 <= int(parts) <= 100):
        raise argparse.ArgumentTypeError(f"expected K/N with N 2 to 100, found {text!r}")
    if part not in whole and not (part.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected part 1 to {parts} of {parts}, found {text!r}")
    return text


def all_folds(text: str) -> str:
    """The argparse type of "2/5", or "all/5": each part."""
    return fold(text, whole=("all",))


def lengths(form: str, example: str) -> Callable[[str], tuple[int, ...]]:
    """The argparse type of numbers with an x between them, such as 3x40x24, in that form."""

    def parse(text: str) -> tuple[int, ...]:
        parts = text.split("x")
        whole = all(re.fullmatch("0*[1-9][0-9]{0,4}", part) for part in parts)
        if not whole or len(parts) != len(form.split("x")):
            raise argparse.ArgumentTypeError(f"expected {form} such as {example}, found {text!r}")
        return tuple(map(int, parts))

    return parse


size = lengths("HEIGHTxWIDTH", "40x24")
shape = lengths("CHANNELSxHEIGHTxWIDTH", "3x40x24")


def seed_list(text: str) -> list[int]:
    """The argparse type of "1-5,9": numbers in rising order, none of them twice."""
    wrong = argparse.ArgumentTypeError(f"expected seeds such as 1-5,9, each once, found {text!r}")
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not found:
            raise wrong
        low, high = natural(found[1]), natural(found[2] or found[1])
        if not low <= high <= low + 1000:
            raise wrong
        numbers += range(low, high + 1)
    if len(set(numbers)) < len(numbers):
        raise wrong
    return sorted(numbers)


def seed_text(seeds: list[int]) -> str:
    """Rising seeds as the text that `seed_list` reads: 1-5,9."""
    parts = []
    for _, group in itertools.groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
    return ",".join(parts)


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


def home_path(text: str) -> Path:
    """The argparse type of a path."""
    return Path(os.path.expanduser(text))


def add_path(flags: Flags, name: str, help: str, default: str = "", **more: Any) -> None:
    """A flag, or a word, that is a file or a folder; ~ is the home, as also in --run-dir=~/x."""
    said = f" (default: {default})" if default else ""
    path = Path(default) if default else None
    flags.add_argument(name, type=home_path, default=path, help=f"{help}{said}", **more)


def add_recipe_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add --recipe and the flags that change it."""
    group = parser.add_argument_group("what is trained")
    help = (
        'a named set of choices, or a file that changes some of one, such as {"base": '
        '"final", "lr": 0.02}; each flag below changes one more'
    )
    add_setting(group, "--recipe", help, type=named, metavar="NAME|FILE.json")
    add_field_flags(group)
    return group


def add_field_flags(group: argparse._ArgumentGroup) -> None:
    """Add a flag for each field of a recipe."""
    for field in fields(Recipe):
        flag, help = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        if isinstance(field.default, bool):
            add_switch(group, flag, help, default=argparse.SUPPRESS)
            continue
        former = [f"--{old}" for old, new in OLD_NAMES.items() if new == field.name]
        for name in (flag, *former):
            group.add_argument(
                name,
                dest=field.name,
                type=value_of(field),
                default=argparse.SUPPRESS,
                help=help if name == flag else argparse.SUPPRESS,
            )


def value_of(field: Field[Any]) -> Callable[[str], Any]:
    """The argparse type of a recipe's field: a value that is checked as in a file."""
    kind: Any = type(field.default)

    def parse(text: str) -> Any:
        value: Any = text
        with suppress(ValueError):
            value = kind(text)
        try:
            return checked(field, value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from error

    return parse


def add_data_flags(
    parser: argparse.ArgumentParser, data_dir: Any = None
) -> argparse._ArgumentGroup:
    """Add --dataset and --data-dir."""
    group = parser.add_argument_group("data")
    sets = (
        "mnist, fashion-mnist, kmnist, synthetic (digits that tinytrain draws itself), or a "
        "folder with four IDX files of your own: train- and test-images, train- and test-labels"
    )
    add_setting(group, "--dataset", sets, metavar="NAME|FOLDER")
    add_data_dir(group, data_dir)
    return group


def add_data_dir(flags: Flags, default: Any = None) -> None:
    """Add --data-dir."""
    place = "$TINYTRAIN_DATA, else $XDG_CACHE_HOME/tinytrain, else ~/.cache/tinytrain"
    help = f"the folder of data sets, each in a folder of its own (default: {place})"
    flags.add_argument("--data-dir", type=Path, default=default, help=help)


def add_holdout(group: argparse._ArgumentGroup, several: bool = False) -> None:
    """Add --holdout and --fold; `several`: --fold may ask for all parts."""
    help = (
        "evaluate on N held-out training images, the same in every run, instead of the test set: "
        "choose recipes this way"
    )
    add_setting(group, "--holdout", help, type=natural, metavar="N")
    parts = "; all/N in seeds and ladder: every part once, the seed of a run is its part" * several
    help = f"hold back part K of N equal parts of the training images{parts}"
    add_setting(group, "--fold", help, type=all_folds if several else fold, metavar="K/N")


def add_device(group: argparse._ArgumentGroup) -> None:
    """Add --device."""
    help = "auto, cpu, cuda, cuda:1, mps, …: auto takes CUDA, then MPS, then the CPU"
    add_setting(group, "--device", help)


def add_compute_flags(group: argparse._ArgumentGroup) -> None:
    """Add --compute, --compile and --tf32."""
    compute = (
        "graph captures a step as one CUDA graph, plain takes it kernel by kernel; compiled has "
        "torch.compile fuse the kernels before, on a CPU, too: that takes minutes, and sums round "
        "differently; auto: graph on CUDA where the net allows it, else plain"
    )
    add_setting(group, "--compute", compute, choices=("auto", "plain", "graph", "compiled"))
    same = "the same as --compute compiled"
    group.add_argument(
        "--compile",
        dest="compute",
        action="store_const",
        const="compiled",
        default=argparse.SUPPRESS,
        help=same,
    )
    tf32 = "let a GPU with CUDA round to TF32: faster in large nets, other sums than a CPU's"
    add_switch(group, "--tf32", tf32, default=argparse.SUPPRESS)


def add_machine_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add --device and --threads."""
    group = parser.add_argument_group("machine")
    add_device(group)
    add_setting(group, "--threads", "CPU threads (default: as many as torch takes)", type=positive)
    return group


def completed(options: argparse.Namespace) -> argparse.Namespace:
    """Fill in `DEFAULTS`; `given` names the settings that were on the command line."""
    settings = {*DEFAULTS, *(field.name for field in fields(Recipe))}
    given = settings.intersection(vars(options))
    return argparse.Namespace(**(DEFAULTS | vars(options)), given=given)


def words_of(options: argparse.Namespace, **more: Any) -> list[str]:
    """The flags that give the same settings, and `more`; for a recipe's file, what it says."""
    named, names = options.recipe, options.given - {"recipe"}
    given = {name: value for name, value in vars(options).items() if name in names}
    values = {"recipe": named.base} | named.changes | given | more
    flags = {f"--{name.replace('_', '-')}": value for name, value in values.items()}
    return [f"{flag}={value}" for flag, value in flags.items() if value not in ("", None)]
