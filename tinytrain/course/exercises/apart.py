"""A learner's file is a program that may do anything: it is run in a process of its own.

There it may print, end itself or never end. What it does to the engine ends with it, and so does
what it takes: after a limit it is stopped. The process writes what came of the check into a file,
a line of JSON for each thing that it is about to do or has done, so that what it was at is known
even where it ends in the middle.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tinytrain.course.exercises import EXERCISES, Exercise, engine
from tinytrain.course.exercises.compare import (
    Borrowed,
    Comparison,
    Unwritten,
    compare,
    in_a_line,
)
from tinytrain.course.exercises.exercise import Draw, Rows
from tinytrain.course.exercises.printed import Printed
from tinytrain.errors import Diverged, TinytrainError, UsageError, did_you_mean
from tinytrain.runs import net_file
from tinytrain.runs.signals import SIGNALS
from tinytrain.store.files import read_file

LIMIT = 60  # seconds
# A fork has torch already; where forks are not safe, torch is imported again.
START = "fork" if sys.platform == "linux" else "spawn"


@dataclass(frozen=True)
class Report:
    """What came of a check. `right` and `yours`: what the engine showed, where it was asked.

    `passed` where no case differs and the engine took it; `reason` says why not, where numbers
    alone do not. `compared` is what was, case by case; `remark` what the engine's numbers say.
    """

    name: str
    passed: bool
    reason: str
    comparison: Comparison | None
    compared: str
    right: Rows
    yours: Rows
    remark: str

    def as_text(self) -> str:
        """The report in lines."""
        head = f"{self.name}: {'passed' if self.passed else 'not yet'}"
        head += f"; {self.reason}" if self.reason else ""
        lines = [head]
        if self.comparison and self.comparison.differing:
            lines.append(self.comparison.as_text())
        elif self.comparison:
            cases = self.comparison.cases
            lines.append(f"In {cases} drawn cases {self.compared} are the right ones.")
        if self.yours:
            lines += ["In the engine:", engine.as_text(self.right, self.yours)]
        return "\n".join([*lines, *([self.remark] if self.remark else [])])


def check(exercise: Exercise, path: Path, limit: float = LIMIT) -> Report:
    """Check a learner's file in a process of its own.

    What the file prints goes where errors go, its first lines. Raises UsageError where there is no
    such file or it is none that can be checked, and where it takes longer than `limit` seconds.
    """
    read(path)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "report"
        told.touch()
        words = exercise.name, path, told, limit
        context: Any = multiprocessing.get_context(START)
        process = context.Process(target=main, args=words)
        process.start()
        try:
            process.join(limit)
            status = process.exitcode
        finally:
            process.kill()
            process.join()
        said: dict[str, Any] = {"doing": "the start"}
        for line in told.read_text().splitlines():
            said |= json.loads(line)
    if status is None:
        talk = f", after {said['printed']:,} printed lines or more" if "printed" in said else ""
        raise UsageError(f"{path}: not done after {limit:g} s, stopped in {said['doing']}{talk}")
    if not said.keys() & {"error", "passed"}:
        raise UsageError(f"{path}: ended the check itself (status {status}) in {said['doing']}")
    return report(exercise, said)


def report(exercise: Exercise, said: Mapping[str, Any]) -> Report:
    """The report of what `checked` said. Raises UsageError where that is an error."""
    if "error" in said:
        raise UsageError(said["error"])
    comparison = said["comparison"] and Comparison(**said["comparison"])
    names = "passed", "reason", "compared", "right", "yours", "remark"
    parts = {name: said[name] for name in names}
    return Report(name=exercise.name, comparison=comparison, **parts)


def read(path: Path) -> bytes:
    """The learner's file. Raises UsageError where it cannot be read."""
    try:
        return read_file(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error


def load(exercise: Exercise, path: Path) -> Any:
    """What the learner's file made of the function or class. Raises UsageError."""
    try:
        defined = net_file.run(path, read(path))
    except (TinytrainError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too, which the file may call for
        raise UsageError(f"{path}: cannot be run: {in_a_line(error)}") from error
    name, shipped = exercise.shipped.__name__, exercise.shipped
    made = defined.get(name)
    kind = "class" if isinstance(shipped, type) else "function"
    if not callable(made) or isinstance(made, type) != isinstance(shipped, type):
        own_names = [one for one, value in defined.items() if callable(value)]
        close = did_you_mean(name, own_names)
        raise UsageError(f"{path}: expected a {kind} {name}, found none{close}")
    if exercise.method and exercise.method not in vars(made):
        close = did_you_mean(exercise.method, vars(made))
        raise UsageError(f"{path}: expected {exercise.function}, found none{close}")
    return made


def checked(exercise: Exercise, path: Path, note: Callable[..., object], work: bool = True) -> Any:
    """What came of the check, in this process; without `work` the engine does not run.

    `note` hears what is about to be done.
    """

    def case(arguments: str) -> None:
        note(doing=f"the case {arguments}")

    given = exercise.arguments(Draw(0)).values()
    gradients = any(getattr(value, "requires_grad", False) for value in given)
    result: dict[str, Any] = {"passed": False, "reason": "", "comparison": None}
    result |= {"compared": "values and gradients" if gradients else "all that it gives"}
    result |= {"right": {}, "yours": {}, "remark": ""}
    shipped = exercise.shipped, *exercise.replaces
    try:
        with engine.in_place_of(shipped, engine.out_of_reach(exercise)):
            note(doing="running the file")
            made = load(exercise, path)
            comparison = compare(exercise, made, exercise.kernels, case)
    except Unwritten:
        return result | {"reason": f"the body of {exercise.function} is still to be written"}
    except Borrowed as error:
        return result | {"reason": f"it calls {error}: write that yourself"}
    except UsageError as error:
        return {"error": str(error)}
    result |= {"comparison": asdict(comparison), "passed": not comparison.differing}
    if work and not comparison.error:
        note(doing="the training")
        try:
            right, yours = engine.both(exercise, made)
        except Diverged:
            result |= {"passed": False, "reason": "in the engine the loss is no finite number"}
        except Exception as error:
            result |= {"passed": False, "reason": f"in the engine it raises {in_a_line(error)}"}
        else:
            draws = any(isinstance(value, torch.Generator) for value in given)
            remark = remarked(bool(comparison.differing), engine.alike(right, yours), draws)
            result |= {"right": right, "yours": yours, "remark": remark}
    return result


def remarked(differs: bool, alike: bool, draws: bool) -> str:
    """What to say where the cases and the engine do not say the same."""
    if differs and alike:
        return "The engine shows the same numbers: it does not notice the mistake. The cases do."
    if differs or alike:
        return ""
    if draws:
        return (
            "No case differs, so it is right. It draws in another order than the shipped one, "
            "which makes of the training another run, as with another seed."
        )
    return "No case differs, but the engine's numbers do: they come to a case that was not drawn."


def main(name: str, path: Path, told: Path, limit: float) -> None:
    """What `check` starts; writes what came of it into the file `told`."""
    for number in SIGNALS:  # who started this one stops it
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    os.dup2(2, 1)
    torch.set_num_threads(1)  # as many as such small batches have a use for

    def note(**said: object) -> None:
        with told.open("a") as file:
            file.write(json.dumps(said) + "\n")

    printed = Printed(note)
    sys.stdout = sys.stderr = printed.as_text(sys.stderr.encoding)
    with open(os.devnull, "w") as nowhere:  # where nobody is left to stop it, it ends itself
        faulthandler.dump_traceback_later(limit + 5, exit=True, file=nowhere)
        result = checked(EXERCISES[name], path, note)
        printed.end()
        note(**result)
