"""`tinytrain.run`: train by a call from Python, with all that the command `train` keeps."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from numbers import Number
from os import PathLike
from pathlib import Path
from typing import Any

from tinytrain.cli import main
from tinytrain.errors import Interrupted, UsageError
from tinytrain.results.trained_run import TrainedRun, load_run
from tinytrain.runs.net_file import PREFIX
from tinytrain.store.files import AnyPath


def run(run_dir: AnyPath, **flags: Any) -> TrainedRun:
    """Train in the folder `run_dir`, or go on with the run there, and return the trained run.

    `flags` are those of the command `train`, with _ for -: `net="net7"`, `lr=0.02`, `seed=3`. A
    function or class, as in `net=MyNet`, stands for FILE.py:FUNCTION: that file is run again
    to find it, so guard what trains with `if __name__ == "__main__"`. Raises TinytrainError for
    what the command reports, UsageError where the folder has a run with another recipe. Ctrl-C
    ends the program as it ends the command, with status 130.
    """
    words = [f"--{name.replace('_', '-')}={as_text(name, value)}" for name, value in flags.items()]
    options = main.parse(["train", f"--run-dir={run_dir}", *words])
    options.again = (Path(run_dir) / "run.json").exists()
    try:
        main.execute(options)
    except Interrupted as error:  # ends the program as it ends the command, without a traceback
        print(f"tinytrain: {error}", file=sys.stderr)
        sys.exit(error.status)
    return load_run(run_dir)


def as_text(flag: str, value: Any) -> str:
    """The value of a flag as it stands on the command line: for a function, FILE.py:FUNCTION.

    Raises UsageError for a function or class that no file has at its top, for one whose file is
    being read and trains without a guard, and for other objects, such as a `Dataset`.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, Number, PathLike)):
        return str(value)
    name = getattr(value, "__qualname__", f"a {type(value).__name__}")
    if not callable(value):
        raise UsageError(
            f"{flag}: expected text, a number, a path or a function, found {name}; a Dataset and "
            "other objects are for train.Training and train.fit"
        )
    if str(getattr(value, "__module__", "")).startswith(PREFIX):
        guard = "if __name__ == '__main__'"
        raise UsageError(
            f"{name}: its file is run again to find it, and trains; put {guard}: before that"
        )
    with suppress(OSError, TypeError):  # of a class in a notebook, of an object with __call__
        if name.isidentifier() and Path(file := inspect.getsourcefile(value) or "").is_file():
            return f"{file}:{name}"
    raise UsageError(f"{name}: expected a function or class at the top of a file, found none")
