"""Grade a class: check the files of each student, and count points."""

import os
from pathlib import Path
from typing import Any

from tinytrain.course.exercises import file_name
from tinytrain.course.exercises.checking import process
from tinytrain.course.exercises.checking.folder import visible
from tinytrain.errors import UsageError, printable


def students(folder: Path) -> list[Path]:
    """The folders of the students. Raises UsageError where there is none."""
    if found := [folder / name for name in visible(folder) if os.path.isdir(folder / name)]:
        return found
    raise UsageError(f"{folder}: expected a folder for each student, found no folder in it")


def grade(student: Path, worth: dict[str, int], limit: float) -> dict[str, Any]:
    """The row of a student, whose files are in the folder or below it in `exercises`.

    `worth` has the points of each exercise; a check ends after `limit` seconds. `mistakes` of the
    row are the known ones, or why else one is not passed.
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
            mistakes[name] = printable(report.mistake or reason or report.error or differing)
    passed = worth.keys() - mistakes.keys()
    return {
        "student": printable(student.name),
        "passed": len(passed),
        "exercises": len(worth),
        "points": sum(worth[name] for name in passed),
        "possible": sum(worth.values()),
        "mistakes": mistakes,
    }


def in_words(mistakes: dict[str, str]) -> str:
    """The mistakes in a line, each once, after the exercises that it is in."""
    alike: dict[str, list[str]] = {}
    for name, mistake in mistakes.items():
        alike.setdefault(mistake, []).append(name)
    return "; ".join(f"{', '.join(names)}: {mistake}" for mistake, names in alike.items())
