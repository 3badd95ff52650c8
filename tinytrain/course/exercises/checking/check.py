"""Check a learner's file: run it, compare its function with the shipped one, train with it.

The file may do anything, so `process` runs this in a process of its own. Each step is noted before
it is taken, so that it is known even if the process ends in the middle of it.
"""

import faulthandler
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from tinytrain.course.exercises import exercise as exercise_named
from tinytrain.course.exercises.checking.compare import Borrowed, compare, one_line
from tinytrain.course.exercises.checking.exercise import Exercise
from tinytrain.course.exercises.checking.report import Report, Rows
from tinytrain.errors import Diverged, TinytrainError, UsageError, did_you_mean
from tinytrain.runs import user_file
from tinytrain.store.files import read_file

PRINTED = 2000  # characters of what the file prints that are kept


def check(
    exercise: Exercise, path: Path, note: Callable[[str], object], demonstrate: bool = True
) -> Report:
    """Check the file, in this process; `note` is told the next step.

    The engine runs only where all cases agree, and not without `demonstrate`.
    """
    try:
        with in_place_of(exercise, raising(exercise)):
            note("running the file")
            learned = load(exercise, path)
            report = compare(exercise, learned, note)
    except Borrowed as error:
        return Report(exercise.name, reason=f"it calls {error}: write that yourself")
    except UsageError as error:
        return Report(exercise.name, checked=False, reason=str(error))
    if not (demonstrate and report.passed):
        return report
    note("the training")
    try:
        right, yours = both(exercise, learned)
    except Diverged:
        reason = "in the engine the loss is not a finite number"
    except Exception as error:
        reason = f"in the engine it raises {one_line(error)}"
    else:
        return replace(report, right=right, yours=yours)
    return replace(report, passed=False, reason=reason)


def load(exercise: Exercise, path: Path) -> Any:
    """Run the learner's file and return its function or class. Raises UsageError."""
    try:
        defined = user_file.run(path, read_file(path))
    except (TinytrainError, KeyboardInterrupt, Borrowed):
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


@contextmanager
def in_place_of(exercise: Exercise, other: Any) -> Iterator[None]:
    """Within this context `other` stands wherever the package names the exercise's function."""
    replaced = exercise.shipped, *exercise.also_replaces
    places = [
        (module, name, value)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith("tinytrain.")
        for name, value in list(vars(module).items())
        if name != "shipped" and any(value is shipped for shipped in replaced)
    ]
    for module, name, _ in places:
        setattr(module, name, other)
    try:
        yield
    finally:
        for module, name, value in places:
            setattr(module, name, value)


def raising(exercise: Exercise) -> Any:
    """The function, or the class with its method, with a body that raises Borrowed."""

    def borrowed(*args: Any, **kwargs: Any) -> Any:
        raise Borrowed(f"tinytrain's own {exercise.function}")

    shipped = exercise.shipped
    if not exercise.method:
        return borrowed
    static = isinstance(vars(shipped)[exercise.method], staticmethod)
    methods = {exercise.method: staticmethod(borrowed) if static else borrowed}
    return type(shipped.__name__, (shipped,), methods)


def both(exercise: Exercise, learned: Any) -> tuple[Rows, Rows]:
    """The engine's numbers with the shipped function, and with `learned` in its place."""

    def timed() -> Rows:
        started = time.perf_counter()
        return {
            **exercise.demonstrate(**exercise.changes),
            "seconds": [time.perf_counter() - started],
        }

    right = timed()
    with in_place_of(exercise, learned):
        return right, timed()


class Beginning(io.TextIOBase):
    """Output whose first characters are noted, and the others not."""

    def __init__(self, note: Callable[[str], object]) -> None:
        self.note, self.room = note, PRINTED

    def write(self, text: str) -> int:
        """Note as much of the text as there is room for."""
        if self.room:
            self.note(text[: self.room])
            self.room -= len(text[: self.room])
        return len(text)


def main(name: str, path: str, limit: str) -> None:
    """Check a file in this process, which ends after `limit` seconds.

    On its standard output it notes, a line of JSON each, the steps, what the file prints, and the
    report; where the time is over, a traceback without JSON.
    """
    torch.set_num_threads(1)  # more do not help with batches as small as these
    with open(os.dup(1), "w") as notes:
        faulthandler.dump_traceback_later(float(limit), exit=True, file=notes)
        # A process that the file starts, and that outlives this one, must not hold our output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

        def note(**line: object) -> None:
            print(json.dumps(line), file=notes, flush=True)

        sys.stdout = sys.stderr = Beginning(lambda text: note(printed=text))
        report = check(exercise_named(name), Path(path), lambda step: note(step=step))
        note(report=asdict(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
