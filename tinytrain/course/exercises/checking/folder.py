"""The learner's folder: one file for each exercise, and a file of what is reached.

`progress.json` has the digest of each file that passed, and how many hints were asked for. It says
nothing that a check would not say again, and may be deleted. No learner's file is overwritten.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinytrain.course.exercises import NAMES, file_name
from tinytrain.errors import UsageError
from tinytrain.store.files import make_folder, read_file, write_file

PROGRESS = "progress.json"
UNWRITTEN = "raise NotImplementedError"  # the line of a new file in place of the body


class Folder:
    """The folder `path`. Raises UsageError where it holds something else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names = visible(path) if path.exists() else []
        if names and not {PROGRESS, *map(file_name, NAMES)}.intersection(names):
            found = f"expected a folder of exercises, found {names[0]}"
            raise UsageError(f"{path}: {found}; choose another with --folder")

    def file(self, name: str) -> Path:
        """The learner's file for that exercise, which may not be there."""
        return self.path / file_name(name)

    def has(self, name: str) -> bool:
        """Whether there is a file, or a link, for that exercise."""
        return os.path.lexists(self.file(name))

    def progress(self) -> dict[str, Any]:
        """The progress: exercise → `passed` (a digest) and `hints` (a count)."""
        path = self.path / PROGRESS
        if not path.exists():
            return {}
        try:
            found = json.loads(read(path))
        except ValueError:
            found = None
        rows = found.values() if isinstance(found, dict) else [None]
        if not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"{path}: not a file that tinytrain wrote; delete it and check again")
        return dict(found)

    def note(self, name: str, **reached: Any) -> None:
        """Keep what is reached in that exercise."""
        progress = self.progress()
        progress[name] = progress.get(name, {}) | reached
        make_folder(self.path)
        write_file(self.path / PROGRESS, json.dumps(progress, indent=1) + "\n")

    def digest(self, name: str) -> str:
        """The digest of the learner's file as it is; "" where it cannot be read."""
        with suppress(UsageError):
            return hashlib.sha256(read(self.file(name))).hexdigest()
        return ""

    def state(self, name: str) -> str:
        """open, started or done; a file that changed since it passed is started again."""
        if not self.file(name).exists():
            return "open"
        passed = self.progress().get(name, {}).get("passed")
        return "done" if passed == self.digest(name) else "started"


def visible(path: Path) -> list[str]:
    """The names in a folder, without hidden ones and Python's. Raises UsageError."""
    try:
        return sorted(name for name in os.listdir(path) if not name.startswith((".", "__")))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: cannot be read as a folder ({reason})") from error


def read(path: Path) -> bytes:
    """The content of a file in the folder. Raises UsageError where it cannot be read."""
    try:
        return read_file(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
