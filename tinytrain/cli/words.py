"""Words on a command line become values, or one line that says what was expected."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable
from typing import NoReturn

from tinytrain.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ours: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def number(kind: type, low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number of that kind, int or float, from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {noun} from {low} to {high}, got {text!r}")
        return float(value) if kind is float else int(value)

    return parse


LARGEST = 10**6
positive = number(int, 1, LARGEST)
natural = number(int, 0, LARGEST)


def truth(text: str) -> bool:
    """The argparse type of yes and no."""
    values = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected yes or no, got {text!r}")
    return values[text.lower()]


def fold(text: str, whole: tuple[str, ...] = ()) -> str:
    """The argparse type of "2/5": part 2 of 5."""
    part, _, parts = text.partition("/")
    if not (parts.isdecimal() and 2 <= int(parts) <= 100):
        raise argparse.ArgumentTypeError(f"expected a part of 2 to 100 such as 2/5, got {text!r}")
    if part not in whole and not (part.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected part 1 to {parts} of {parts}, got {text!r}")
    return text


def all_folds(text: str) -> str:
    """The argparse type of "2/5", or "all/5": each part."""
    return fold(text, whole=("all",))


def size(text: str) -> tuple[int, int]:
    """The argparse type of "40x24": 40 pixels high and 24 wide."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found or not int(found[1]) * int(found[2]):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 40x24, got {text!r}")
    return int(found[1]), int(found[2])


def shape(text: str) -> tuple[int, ...]:
    """The argparse type of "3x40x24": three channels, 40 pixels high and 24 wide."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,5})x(\d{1,5})", text)
    if not found or not all(map(int, found.groups())):
        wanted = "expected CHANNELSxHEIGHTxWIDTH such as 3x40x24"
        raise argparse.ArgumentTypeError(f"{wanted}, got {text!r}")
    return tuple(map(int, found.groups()))


def seed_list(text: str) -> list[int]:
    """The argparse type of "1-5,9": each number once, in order."""
    wrong = argparse.ArgumentTypeError(f"expected seeds such as 1-5,9, got {text!r}")
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not found:
            raise wrong
        low, high = int(natural(found[1])), int(natural(found[2] or found[1]))
        if not low <= high <= low + 1000:
            raise wrong
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def seed_text(seeds: list[int]) -> str:
    """What `seed_list` would read as `seeds`, which rise: 1-5,9."""
    parts = []
    for _, group in itertools.groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
    return ",".join(parts)
