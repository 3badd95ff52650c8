"""The learner's folder: a file an exercise, and beside them what was reached.

What is reached is read from `progress.json`: the digest of each file that passed, and how many
hints were asked for. It says nothing that a check would not say again, and may be deleted. The
files are the learner's: nothing here ever writes over one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinytrain.course.exercises import EXERCISES, Exercise
from tinytrain.course.exercises.apart import read
from tinytrain.course.exercises.stub import stub
from tinytrain.errors import UsageError
from tinytrain.store.files import cannot_write, make_folder, write_file

PROGRESS = "progress.json"
STATES = ("open", "started", "done")


class Folder:
    """The folder `path`. Raises UsageError where that holds something else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            there = {one.name for one in path.iterdir()} if path.exists() else set()
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{path}: cannot be read as a folder ({reason})") from error
        ours = {PROGRESS, *(exercise.file for exercise in EXERCISES.values())}
        visible = {name for name in there if not name.startswith((".", "__"))}
        if visible and not ours & visible:
            found = f"expected a folder of exercises, found {sorted(visible)[0]}"
            raise UsageError(f"{path}: {found}; choose another with --folder")

    def file(self, exercise: Exercise) -> Path:
        """The learner's file of that exercise, which may not be there."""
        return self.path / exercise.file

    def progress(self) -> dict[str, Any]:
        """What was reached: by name, `passed` (a digest) and `hints`."""
        path = self.path / PROGRESS
        if not path.exists():
            return {}
        try:
            found = json.loads(read(path))
        except ValueError:
            found = None
        rows = found.values() if isinstance(found, dict) else [None]
        if not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"{path}: not what tinytrain wrote; delete it and check again")
        return dict(found)

    def note(self, exercise: Exercise, **reached: Any) -> None:
        """Keep what was reached in that exercise."""
        progress = self.progress()
        progress[exercise.name] = progress.get(exercise.name, {}) | reached
        make_folder(self.path)
        write_file(self.path / PROGRESS, json.dumps(progress, indent=1) + "\n")

    def digest(self, exercise: Exercise) -> str:
        """Of the learner's file as it is."""
        return hashlib.sha256(read(self.file(exercise))).hexdigest()

    def state(self, exercise: Exercise, progress: Mapping[str, Any]) -> str:
        """One of `STATES`: a file that changed since it passed is to be checked again."""
        if not self.file(exercise).exists():
            return "open"
        passed = progress.get(exercise.name, {}).get("passed")
        return "done" if passed == self.digest(exercise) else "started"

    def started(self) -> list[Exercise]:
        """The exercises that have a file here."""
        return [one for one in EXERCISES.values() if os.path.lexists(self.file(one))]

    def start(self, exercise: Exercise) -> Path:
        """Write the stub, where there is no file yet. Raises UsageError where there is one."""
        path = self.file(exercise)
        if os.path.lexists(path):
            raise UsageError(f"{path}: is there already, and stays as it is")
        make_folder(self.path)
        write_file(path, stub(exercise))
        return path

    def reset(self, exercise: Exercise) -> tuple[Path, Path]:
        """Put the learner's file beside a new stub; the stub's path, and that of the old file."""
        path = self.file(exercise)
        numbers = range(1, len(list(self.path.iterdir())) + 2)
        names = (path.with_name(f"{path.stem}.old{number}.py") for number in numbers)
        kept = next(name for name in names if not os.path.lexists(name))
        try:
            path.rename(kept)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self.start(exercise), kept
