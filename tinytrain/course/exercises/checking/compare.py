"""Compare a learner's function with the shipped one over drawn cases.

The cases are in float64, where a difference is a mistake and not rounding. Of the cases that
differ the one with the fewest numbers is shown. Where the learner's numbers are those of one of
the exercise's known mistakes in every case, the mistake is named.
"""

import linecache
import math
import re
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tinytrain.course.exercises.checking import template
from tinytrain.course.exercises.checking.exercise import Draw, Exercise, Facts
from tinytrain.course.exercises.checking.report import Difference, Report
from tinytrain.runs import user_file

CASES = 40


class Borrowed(BaseException):  # an `except Exception` of the learner's lets it through
    """The learner's function calls what it was to replace: the shipped one, or torch's own."""


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


def compare(
    exercise: Exercise, learned: Any, note: Callable[[str], object] = lambda step: None
) -> Report:
    """Compare `learned` with the shipped function or class in all cases.

    `note` is told each case before it is run. Raises Borrowed for a forbidden torch function.
    """
    found: list[Facts] = []
    failures: list[tuple[int, Report]] = []
    for case in range(CASES):
        arguments = exercise.draw_arguments(Draw(case))
        lines = [f"{name} = {described(value)}" for name, value in arguments.items()]
        size = sum(value.numel() for value in arguments.values() if isinstance(value, Tensor))
        failure = Report(exercise.name, cases=CASES, arguments=lines)
        note(f"the case {'; '.join(lines)}")
        right = exercise.observe(exercise.shipped, arguments)
        try:
            with Watching(exercise.forbidden):
                found.append(exercise.observe(learned, exercise.draw_arguments(Draw(case))))
        except Exception as error:
            failures.append((size, replace(failure, error=one_line(error))))
            continue
        if different := differences(found[-1], right, exercise.tolerance):
            failures.append((size, replace(failure, differences=different)))
    if not failures:
        return Report(exercise.name, passed=True, cases=CASES)
    _, smallest = min(failures, key=lambda pair: (pair[0], pair[1].arguments))
    mistake = known_mistake(exercise, found) if len(found) == CASES else None
    return replace(smallest, differing=len(failures), mistake=mistake)


def known_mistake(exercise: Exercise, found: list[Facts]) -> str | None:
    """The first known mistake that gives in each case what was found."""

    def gives(function: Any, case: int) -> bool:
        try:
            facts = exercise.observe(function, exercise.draw_arguments(Draw(case)))
        except Exception:
            return False
        return not differences(found[case], facts, exercise.tolerance)

    for name in exercise.known_mistakes:
        text = template.as_file(exercise, template.with_mistake(exercise, name))
        function = user_file.run(Path(name), text.encode())[exercise.shipped.__name__]
        if all(gives(function, case) for case in range(CASES)):
            return name
    return None


def differences(found: Facts, right: Facts, tolerance: float) -> list[Difference]:
    """Each of the right facts that is found to be another one."""
    pairs = (difference(name, found.get(name), right[name], tolerance) for name in right)
    return [pair for pair in pairs if pair]


def difference(name: str, yours: Any, right: Any, tolerance: float) -> Difference | None:
    """The first place where two values differ, and both numbers there."""
    if isinstance(yours, Tensor) and isinstance(right, Tensor):
        if yours.shape != right.shape or yours.is_floating_point() != right.is_floating_point():
            found, expected = (f"{one.dtype} {tuple(one.shape)}" for one in (yours, right))
            return {"of": name, "found": found, "expected": expected}
        pair = yours.detach().double(), right.detach().double()
        same = torch.isclose(*pair, rtol=tolerance, atol=tolerance, equal_nan=True)
        if same.all():
            return None
        index = same.logical_not().nonzero()[0].tolist()
        name += f"{index or ''}"
        yours, right = (one[tuple(index)].item() for one in pair)
    elif isinstance(yours, int | float) and isinstance(right, int | float):
        close = math.isclose(yours, right, rel_tol=tolerance, abs_tol=tolerance)
        if close or (math.isnan(yours) and math.isnan(right)):
            return None
    elif type(yours) is type(right) and isinstance(right, list | tuple):
        if len(yours) == len(right):
            pairs = enumerate(zip(yours, right, strict=True))
            parts = (difference(f"{name}[{at}]", *pair, tolerance) for at, pair in pairs)
            return next(filter(None, parts), None)
    elif type(yours) is type(right) and yours == right:
        return None
    return {"of": name, "found": described(yours), "expected": described(right)}


def described(value: Any) -> str:
    """A value as it is shown: small tensors whole, of larger ones dtype and shape."""
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, torch.Generator):
        return "a generator"
    if isinstance(value, Tensor):
        value = value.detach()
        if value.numel() > 16:
            return f"{value.dtype} {tuple(value.shape)}"
    return " ".join(str(value).split())[:300]


def one_line(error: BaseException) -> str:
    """An exception in a line, with the line of the learner's file where it was raised."""
    places = [
        (number, linecache.getline(frame.f_code.co_filename, number).strip())
        for frame, number in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(user_file.PREFIX)
    ]
    place = " (not in your file: its result cannot be used; is a `return` missing?)"
    if places:
        place = " (line {}: {})".format(*places[-1])
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"
