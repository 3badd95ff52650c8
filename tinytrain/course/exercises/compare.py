"""Right is what gives the shipped function's values and gradients, case by case.

Cases are drawn, in float64, where a difference is a mistake and not rounding. Of those that differ
the one with the fewest numbers is shown, and of each of its results the place where the two are
farthest apart.
"""

from __future__ import annotations

import linecache
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tinytrain.course.exercises.exercise import Draw, Exercise, Facts
from tinytrain.runs import net_file

CASES = 40
SHOWN = 4  # differences of a case


class Borrowed(Exception):
    """The learner's function calls what it was to be: the shipped one, or torch's."""


class Unwritten(Exception):
    """The body is still the stub's."""


@dataclass(frozen=True)
class Comparison:
    """How many of the `cases` differ; `arguments` of the smallest, and what differs there.

    `error`: what the function raised there instead of an answer.
    """

    cases: int
    differing: int = 0
    arguments: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    error: str = ""

    def as_text(self) -> str:
        """The smallest case that differs, in lines; "" where none does."""
        if not self.differing:
            return ""
        lines = [f"{self.differing} of {self.cases} cases differ. The smallest:"]
        lines += [f"  {line}" for line in self.arguments]
        lines += [f"raises {self.error}" if self.error else "gives"]
        return "\n".join([*lines, *(f"  {line}" for line in self.differences)])


class Watched(TorchFunctionMode):
    """While it is entered, a call of one of torch's functions `kernels` raises `Borrowed`."""

    def __init__(self, kernels: tuple[str, ...]) -> None:
        super().__init__()
        self.kernels = kernels

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__name__", "") in self.kernels:
            raise Borrowed(f"torch's own {function.__name__}")
        return function(*args, **(kwargs or {}))


def compare(
    exercise: Exercise,
    made: Any,
    kernels: tuple[str, ...] = (),
    note: Callable[[str], object] = str,
    enough: int = CASES,
) -> Comparison:
    """Hold `made` against the shipped function or class, over drawn cases.

    `note` hears the arguments of each case before the function does; after `enough` cases that
    differ no more are tried. Raises Unwritten, and
    Borrowed where a function in `kernels` is called.
    """
    worst: list[tuple[int, Comparison]] = []
    for case in range(CASES):
        if len(worst) == enough:
            break
        drawn = exercise.arguments(Draw(case))
        arguments = shown_arguments(drawn)
        note("; ".join(arguments))
        expected = exercise.facts(exercise.shipped, exercise.arguments(Draw(case)))
        try:
            with Watched(kernels):
                found = exercise.facts(made, exercise.arguments(Draw(case)))
        except Borrowed:
            raise
        except NotImplementedError as error:
            raise Unwritten from error
        except Exception as error:
            worst.append((size(drawn), Comparison(CASES, 1, arguments, (), in_a_line(error))))
            continue
        if wrong := tuple(differences(found, expected, exercise.tolerance)):
            more = f"and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            lines = wrong[:SHOWN] + ((more,) if more else ())
            worst.append((size(drawn), Comparison(CASES, 1, arguments, lines)))
    if not worst:
        return Comparison(CASES)
    _, smallest = min(worst, key=lambda one: (one[0], sum(map(len, one[1].arguments))))
    return replace(smallest, differing=len(worst))


def size(arguments: Mapping[str, Any]) -> int:
    """How many numbers there are in a case."""
    parts = (part for name, value in arguments.items() for _, part in leaves(value, name))
    return sum(part.numel() if isinstance(part, Tensor) else 1 for part in parts)


def in_a_line(error: BaseException) -> str:
    """What was raised, and the line of the learner's file where it was."""
    places = [
        (number, linecache.getline(frame.f_code.co_filename, number).strip())
        for frame, number in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(net_file.PREFIX)
    ]
    place = " (not in your file: what it gives cannot be used; is a `return` missing?)"
    if places:
        place = " (line {}: {})".format(*places[-1])
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The tensors and the plain values in `value`, however deep, with their names."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{name}[{key!r}]")
    elif isinstance(value, list | tuple):
        yield f"the length of {name}", len(value)
        for index, part in enumerate(value):
            yield from leaves(part, f"{name}[{index}]")
    else:
        yield name, value


def differences(found: Facts, expected: Facts, tolerance: float) -> Iterator[str]:
    """A line for each of the right facts that was not found, with both numbers."""
    for name, right in expected.items():
        pairs = dict(leaves(found[name], name)) if name in found else {}
        for place, value in leaves(right, name):
            if place not in pairs:
                yield f"{place}: yours is not there, right {number(value)}"
            elif line := difference(place, pairs[place], value, tolerance):
                yield line


def difference(place: str, found: Any, right: Any, tolerance: float) -> str:
    """How `found` differs from what is right, or "" where it does not."""
    if isinstance(right, Tensor) and isinstance(found, Tensor):
        if found.shape != right.shape:
            return f"{place}: yours has shape {tuple(found.shape)}, right {tuple(right.shape)}"
        if found.is_floating_point() != right.is_floating_point():
            return f"{place}: yours are {found.dtype}, right {right.dtype}"
        yours, other = found.detach().double(), right.detach().double()
        close = torch.isclose(yours, other, rtol=tolerance, atol=tolerance, equal_nan=True)
        if bool(close.all()):
            return ""
        apart = torch.where(close, -1.0, (yours - other).abs().nan_to_num(math.inf, math.inf))
        index = [int(one) for one in torch.unravel_index(apart.argmax(), apart.shape)]
        at = f"{place}{index if index else ''}"
        return f"{at}: yours {number(yours[tuple(index)])}, right {number(other[tuple(index)])}"
    if isinstance(found, int | float) and isinstance(right, int | float):
        if math.isclose(found, right, rel_tol=tolerance, abs_tol=tolerance):
            return ""
        if math.isnan(found) and math.isnan(right):
            return ""
    elif type(found) is type(right) and found == right:
        return ""
    return f"{place}: yours {number(found)}, right {number(right)}"


def number(value: Any) -> str:
    """A value in few characters, with as many digits as a difference may need."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, float):
        return f"{value:.8g}"
    return brief(value)


def brief(value: Any) -> str:
    """An argument as it is shown: small tensors whole, of larger ones the shape."""
    if isinstance(value, torch.Generator):
        return "a generator"
    if isinstance(value, Tensor):
        kind = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        numbers = value.detach().tolist()
        return f"{kind} {rounded(numbers)}" if value.numel() <= 16 else kind
    if is_dataclass(value) and not isinstance(value, type):
        parts = (f"{field.name} {brief(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__} of {'; '.join(parts)}"
    return " ".join(str(value).split())[:300]


def rounded(numbers: Any) -> str:
    """Nested lists of numbers, four digits each."""
    if isinstance(numbers, list):
        return f"[{', '.join(map(rounded, numbers))}]"
    return f"{numbers:.4g}" if isinstance(numbers, float) else str(numbers)


def shown_arguments(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """A line an argument."""
    return tuple(f"{name} = {brief(value)}" for name, value in arguments.items())
