"""Grade a class: check the files of each student, and count points."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinytrain.course.exercises import file_name
from tinytrain.course.exercises.checking import process
from tinytrain.errors import UsageError


@dataclass(frozen=True)
class Grade:
    """The row of a student: `mistakes` has the known mistake, or why else it is not passed."""

    student: str
    passed: int
    exercises: int
    points: int
    possible: int
    mistakes: dict[str, str]  # exercise →

    def in_words(self) -> str:
        """The mistakes in a line, each once, after the exercises that it is in."""
        alike = {
            mistake: [name for name, found in self.mistakes.items() if found == mistake]
            for mistake in self.mistakes.values()
        }
        return "; ".join(f"{', '.join(names)}: {mistake}" for mistake, names in alike.items())


def students(folder: Path) -> list[Path]:
    """The folders of the students. Raises UsageError where there is none."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{folder}: cannot be read as a folder ({reason})") from error
    shown = [folder / name for name in names if not name.startswith((".", "__"))]
    if found := [path for path in shown if os.path.isdir(path)]:
        return found
    raise UsageError(f"{folder}: expected a folder for each student, found no folder in it")


def grade(
    student: Path, worth: dict[str, int], limit: float, checked: Callable[[], object]
) -> Grade:
    """Check the files of a student, which are in the folder or below it in `exercises`.

    `worth` has the points of each exercise. `checked` is called after each check, which ends after
    `limit` seconds.
    """
    home = student / "exercises"
    mistakes = {}
    for name in worth:
        path = (home if os.path.isdir(home) else student) / file_name(name)
        if not os.path.lexists(path):
            mistakes[name] = "no file"
        elif not (report := process.check(name, path, limit)).passed:
            reason = report.reason.removeprefix(str(path)).lstrip(":, ")
            differing = f"{report.differing} of {report.cases} cases differ"
            mistakes[name] = report.mistake or reason or report.error or differing
        checked()
    passed = worth.keys() - mistakes.keys()
    points = sum(worth[name] for name in passed)
    return Grade(student.name, len(passed), len(worth), points, sum(worth.values()), mistakes)
