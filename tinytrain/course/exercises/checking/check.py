"""Check a learner's file: run it, compare its function with the shipped one, train with it.

The file may do anything, so `process` runs this in a process of its own. Before each step a line
of JSON goes into a file, so that the step is known even if the process ends in the middle of it.
"""

from __future__ import annotations

import faulthandler
import json
import linecache
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tinytrain.course.exercises import exercise as exercise_named
from tinytrain.course.exercises.checking.comparison import CASES, failures
from tinytrain.course.exercises.checking.exercise import Exercise
from tinytrain.course.exercises.checking.process import READY
from tinytrain.course.exercises.checking.report import Comparison, Report, Rows
from tinytrain.course.exercises.checking.substitution import Borrowed, in_place_of, raising
from tinytrain.errors import Diverged, TinytrainError, UsageError, did_you_mean
from tinytrain.runs import net_file
from tinytrain.store.files import read_file

Note = Callable[[str], object]  # is told the next step


def check(exercise: Exercise, path: Path, note: Note, demonstrate: bool = True) -> Report:
    """Check the file, in this process; without `demonstrate` the engine does not run.

    Raises UsageError where the file cannot be run, or has no such function.
    """
    try:
        with in_place_of(exercise, raising(exercise)):
            note("running the file")
            learned = load(exercise, path)
            comparison = compare(exercise, learned, note)
    except Borrowed as error:
        return Report(exercise.name, reason=f"it calls {error}: write that yourself")
    passed, reason = not comparison.differing, ""
    right: Rows = {}
    yours: Rows = {}
    if demonstrate and not comparison.error:
        note("the training")
        try:
            right, yours = both(exercise, learned)
        except Diverged:
            passed, reason = False, "in the engine the loss is not a finite number"
        except Exception as error:
            passed, reason = False, f"in the engine it raises {one_line(error)}"
    return Report(exercise.name, passed, reason, comparison, right, yours)


def load(exercise: Exercise, path: Path) -> Any:
    """Run the learner's file and return its function or class. Raises UsageError."""
    try:
        defined = net_file.run(path, read_file(path))
    except (TinytrainError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, which the file may raise
        raise UsageError(f"{path}: cannot be run: {one_line(error)}") from error
    shipped, name = exercise.shipped, exercise.shipped.__name__
    kind = "class" if isinstance(shipped, type) else "function"
    learned = defined.get(name)
    if not callable(learned) or isinstance(learned, type) != isinstance(shipped, type):
        close = did_you_mean(name, [key for key, value in defined.items() if callable(value)])
        raise UsageError(f"{path}: expected a {kind} {name}, found none{close}")
    if exercise.method and exercise.method not in vars(learned):
        close = did_you_mean(exercise.method, vars(learned))
        raise UsageError(f"{path}: expected {exercise.function}, found none{close}")
    return learned


def compare(exercise: Exercise, learned: Any, note: Note) -> Comparison:
    """Compare `learned` with the shipped function in all cases."""

    def note_case(arguments: str) -> None:
        note(f"the case {arguments}")

    found = list(failures(exercise, learned, exercise.forbidden, note_case))
    if not found:
        return Comparison(CASES)
    smallest = min(found, key=lambda case: (case.size, sum(map(len, case.arguments))))
    error = one_line(smallest.error) if smallest.error else ""
    return Comparison(CASES, len(found), smallest.arguments, smallest.shown(), error)


def both(exercise: Exercise, learned: Any) -> tuple[Rows, Rows]:
    """The engine's numbers with the shipped function, and with `learned` in its place."""
    right = timed(exercise.demonstrate)
    with in_place_of(exercise, learned):
        return right, timed(exercise.demonstrate)


def timed(demonstrate: Callable[[], Rows]) -> Rows:
    """The numbers of a demonstration, and the seconds that it took."""
    started = time.perf_counter()
    rows = demonstrate()
    return {**rows, "seconds": [time.perf_counter() - started]}


def one_line(error: BaseException) -> str:
    """An exception in a line, with the line of the learner's file where it was raised."""
    places = [
        (number, linecache.getline(frame.f_code.co_filename, number).strip())
        for frame, number in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(net_file.PREFIX)
    ]
    place = " (not in your file: its result cannot be used; is a `return` missing?)"
    if places:
        place = " (line {}: {})".format(*places[-1])
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


def main(name: str, path: str, notes: str, limit: str) -> None:
    """Check a file in this process and write the result into the file `notes`."""
    torch.set_num_threads(1)  # more do not help with batches as small as these

    def write(**line: object) -> None:
        with open(notes, "a") as file:
            file.write(json.dumps(line) + "\n")

    os.write(1, READY)
    with open(os.devnull, "w") as nowhere:  # a backstop for the case that the parent was killed
        faulthandler.dump_traceback_later(float(limit) + 5, exit=True, file=nowhere)
        try:
            report = check(exercise_named(name), Path(path), lambda step: write(step=step))
        except UsageError as error:
            write(error=str(error))
        else:
            write(report=asdict(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
