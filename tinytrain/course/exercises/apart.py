"""A learner's file is a program that may do anything: it is run in a process of its own.

There it may print, end itself or never end. What it does to the engine ends with it, and so does
what it takes: after a limit it is stopped. The process writes what came of the check into a file,
a line of JSON for each thing that it is about to do or has done, so that what it was at is known
even where it ends in the middle.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinytrain.course.exercises import EXERCISES, Exercise, engine
from tinytrain.course.exercises.compare import (
    Borrowed,
    Comparison,
    Unwritten,
    compare,
    in_a_line,
)
from tinytrain.course.exercises.exercise import Draw, Rows
from tinytrain.data.files import read_file
from tinytrain.errors import TinytrainError, UsageError, did_you_mean
from tinytrain.nets import own

LIMIT = 60  # seconds


@dataclass(frozen=True)
class Report:
    """What came of a check. `right` and `yours`: what the engine showed, where it was asked.

    `passed` where no case differs and the engine took it; `reason` says why not, where numbers
    alone do not.
    """

    name: str
    passed: bool
    reason: str
    comparison: Comparison | None
    right: Rows
    yours: Rows

    def as_text(self) -> str:
        """The report in lines."""
        head = f"{self.name}: {'passed' if self.passed else 'not yet'}"
        head += f"; {self.reason}" if self.reason else ""
        lines = [head]
        if self.comparison and self.comparison.differing:
            lines.append(self.comparison.as_text())
        elif self.comparison:
            what = "values and gradients" if has_gradients(self.name) else "all that it gives"
            lines.append(f"In {self.comparison.cases} drawn cases {what} are the right ones.")
        if self.yours:
            lines += ["In the engine:", engine.as_text(self.right, self.yours)]
        return "\n".join(lines)


def has_gradients(name: str) -> bool:
    """Whether the check of that exercise compares gradients."""
    arguments = EXERCISES[name].arguments(Draw(0))
    return any(getattr(value, "requires_grad", False) for value in arguments.values())


def check(exercise: Exercise, path: Path, limit: float = LIMIT, work: bool = True) -> Report:
    """Check a learner's file in a process of its own; without `work` the engine does not run.

    What the file prints goes where errors go. Raises UsageError where there is no such file or it
    is none that can be checked, and where it takes longer than `limit` seconds.
    """
    read(path)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "report"
        told.touch()
        words = [exercise.name, str(path), str(told), str(limit), *(["work"] if work else [])]
        command = [sys.executable, "-W", "ignore", "-m", __name__, *words]
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, timeout=limit)
            status = ended.returncode
        except subprocess.TimeoutExpired:
            status = None
        said: dict[str, Any] = {"doing": "the start"}
        for line in told.read_text().splitlines():
            said |= json.loads(line)
    if status is None:
        raise UsageError(f"{path}: not done after {limit:g} s, stopped in {said['doing']}")
    if not said.keys() & {"error", "passed"}:
        raise UsageError(f"{path}: ended the check itself (status {status}) in {said['doing']}")
    return report(exercise, said)


def report(exercise: Exercise, said: Mapping[str, Any]) -> Report:
    """The report of what `checked` said. Raises UsageError where that is an error."""
    if "error" in said:
        raise UsageError(said["error"])
    comparison = said["comparison"] and Comparison(**said["comparison"])
    rows = said["right"], said["yours"]
    return Report(exercise.name, said["passed"], said["reason"], comparison, *rows)


def read(path: Path) -> bytes:
    """The learner's file. Raises UsageError where it cannot be read."""
    try:
        return read_file(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error


def load(exercise: Exercise, path: Path) -> Any:
    """What the learner's file made of the function or class. Raises UsageError."""
    try:
        defined = own.run(path, read(path))
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


def checked(exercise: Exercise, path: Path, told: Path, work: bool) -> dict[str, Any]:
    """What came of the check, in this process."""

    def doing(what: str) -> None:
        with told.open("a") as file:
            file.write(json.dumps({"doing": what}) + "\n")

    def case(arguments: str) -> None:
        doing(f"the case {arguments}")

    result: dict[str, Any] = {"passed": False, "reason": "", "comparison": None}
    result |= {"right": {}, "yours": {}}
    shipped = exercise.shipped, *exercise.replaces
    try:
        with engine.in_place_of(shipped, engine.out_of_reach(exercise)):
            doing("running the file")
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
        doing("the training")
        try:
            result["right"], result["yours"] = engine.both(exercise, made)
        except Exception as error:
            result |= {"passed": False, "reason": f"in the engine it raises {in_a_line(error)}"}
    return result


def main(words: list[str]) -> None:
    """What `check` starts: the name of the exercise, the file, where to write, the limit."""
    name, path, told, limit, *work = words
    with open(os.devnull, "w") as nowhere:  # where nobody is left to stop it, it ends itself
        faulthandler.dump_traceback_later(float(limit) + 5, exit=True, file=nowhere)
        check_here(EXERCISES[name], Path(path), Path(told), bool(work))


def check_here(exercise: Exercise, path: Path, told: Path, work: bool) -> None:
    """Check the exercise, and write what came of it."""
    result = checked(exercise, path, told, work)
    with told.open("a") as file:
        file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
