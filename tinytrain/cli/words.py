"""Words on a command line become values, or one line that says what was expected."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from typing import NoReturn

from tinytrain.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ours: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def checked(convert: Callable[[str], float], allowed: str, test: Callable[[float], bool]):
    """An argparse type that says what is allowed when a value is not."""

    def parse(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not test(value):
            raise argparse.ArgumentTypeError(f"expected {allowed}, got {text!r}")
        return value

    return parse


LARGEST = 10**6
positive = checked(int, f"a whole number from 1 to {LARGEST}", lambda n: 1 <= n <= LARGEST)
natural = checked(int, f"a whole number from 0 to {LARGEST}", lambda n: 0 <= n <= LARGEST)
rate = checked(float, "a number above 0, at most 1e30", lambda value: 0 < value <= 1e30)


def seed_list(text: str) -> list[int]:
    """The argparse type of "1-5,9": each number once, in order."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = natural(first), natural(last or first)
        if low > high or high - low > 1000:
            raise argparse.ArgumentTypeError(f"expected seeds such as 1-5,9, got {text!r}")
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def seed_text(seeds: list[int]) -> str:
    """What `seed_list` would read as `seeds`, which rise: 1-5,9."""
    parts = []
    for _, group in itertools.groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
    return ",".join(parts)
