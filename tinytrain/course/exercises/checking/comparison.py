"""Compare a learner's function with the shipped one over drawn cases.

The cases are in float64, where a difference is a mistake and not rounding. Of the cases that
differ the one with the fewest numbers is shown, and of each of its results the place where the two
differ most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tinytrain.course.exercises.checking.exercise import Draw, Exercise, Facts
from tinytrain.course.exercises.checking.substitution import Borrowed

CASES = 40
SHOWN = 4  # differences of a case


@dataclass(frozen=True)
class Failure:
    """A case in which the two functions differ.

    `arguments` are lines that describe the case, `size` is how many numbers they hold,
    `differences` are lines with both numbers; `error` is the exception that the learner's function
    raised instead of an answer.
    """

    arguments: list[str]
    size: int
    differences: list[str]
    error: Exception | None = None

    def shown(self) -> list[str]:
        """The first differences, and how many more there are."""
        more = len(self.differences) - SHOWN
        return self.differences[:SHOWN] + ([f"and {more} more"] if more > 0 else [])


class Watching(TorchFunctionMode):
    """Raise `Borrowed` when a torch function is called in whose name `forbidden` is found.

    It sees every way to call one: as torch.special.log_softmax, torch.ops.aten._log_softmax, …
    """

    def __init__(self, forbidden: str) -> None:
        super().__init__()
        self.forbidden = forbidden

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(function, "__name__", "").partition(".")[0]
        if self.forbidden and re.search(self.forbidden, name):
            raise Borrowed(f"torch's own {name}")
        return function(*args, **(kwargs or {}))


def failures(
    exercise: Exercise,
    learned: Any,
    forbidden: str = "",
    note: Callable[[str], object] = str,
) -> Iterator[Failure]:
    """Compare `learned` with the shipped function or class; yield each case that differs.

    `note` is called with the arguments of each case before the function is. Raises Borrowed where
    a torch function is called whose name matches `forbidden`.
    """
    for case in range(CASES):
        arguments = exercise.draw_arguments(Draw(case))
        lines = [f"{name} = {described(value)}" for name, value in arguments.items()]
        parts = [part for _, part in leaves(arguments, "")]
        size = sum(part.numel() if isinstance(part, Tensor) else 1 for part in parts)
        note("; ".join(lines))
        expected = exercise.observe(exercise.shipped, arguments)
        try:
            with Watching(forbidden):
                found = exercise.observe(learned, exercise.draw_arguments(Draw(case)))
        except Borrowed:
            raise
        except Exception as error:
            yield Failure(lines, size, [], error)
            continue
        if different := list(differences(found, expected, exercise.tolerance)):
            yield Failure(lines, size, different)


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The tensors and plain values in `value`, however deeply nested, with their names."""
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
    """A line for each expected fact that was not found, with both numbers."""
    for name, right in expected.items():
        yours = dict(leaves(found[name], name)) if name in found else {}
        for place, value in leaves(right, name):
            if place not in yours:
                yield f"{place}: yours is missing, right {number(value)}"
            elif line := difference(yours[place], value, tolerance):
                yield f"{place}{line}"


def difference(found: Any, right: Any, tolerance: float) -> str:
    """How `found` differs from `right`; "" where it does not."""
    if isinstance(right, Tensor) and isinstance(found, Tensor):
        return tensor_difference(found, right, tolerance)
    if isinstance(found, int | float) and isinstance(right, int | float):
        same = math.isclose(found, right, rel_tol=tolerance, abs_tol=tolerance)
        same = same or (math.isnan(found) and math.isnan(right))
    else:
        same = type(found) is type(right) and found == right
    return "" if same else f": yours {number(found)}, right {number(right)}"


def tensor_difference(found: Tensor, right: Tensor, tolerance: float) -> str:
    """The index at which two tensors differ most, and both numbers there; "" if none does."""
    if found.shape != right.shape:
        return f": yours has shape {tuple(found.shape)}, right {tuple(right.shape)}"
    if found.is_floating_point() != right.is_floating_point():
        return f": yours is {found.dtype}, right {right.dtype}"
    yours, other = found.detach().double(), right.detach().double()
    close = torch.isclose(yours, other, rtol=tolerance, atol=tolerance, equal_nan=True)
    if bool(close.all()):
        return ""
    distance = torch.where(close, -1.0, (yours - other).abs().nan_to_num(math.inf, math.inf))
    index = tuple(int(axis) for axis in torch.unravel_index(distance.argmax(), distance.shape))
    shown = [*index] if index else ""
    return f"{shown}: yours {number(yours[index])}, right {number(other[index])}"


def number(value: Any) -> str:
    """A value in few characters, with as many digits as a difference may need."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    return f"{value:.8g}" if isinstance(value, float) else described(value)


def described(value: Any) -> str:
    """A value as it is shown: small tensors whole, of larger ones dtype and shape."""
    if isinstance(value, torch.Generator):
        return "a generator"
    if isinstance(value, Tensor):
        kind = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        return f"{kind} {rounded(value.detach().tolist())}" if value.numel() <= 16 else kind
    if is_dataclass(value) and not isinstance(value, type):
        parts = (
            f"{field.name} {described(getattr(value, field.name))}" for field in fields(value)
        )
        return f"{type(value).__name__} of {'; '.join(parts)}"
    return " ".join(str(value).split())[:300]


def rounded(numbers: Any) -> str:
    """Nested lists of numbers, four digits each."""
    if isinstance(numbers, list):
        return f"[{', '.join(map(rounded, numbers))}]"
    return f"{numbers:.4g}" if isinstance(numbers, float) else str(numbers)
