"""`tinytrain.run`: train by a call from Python, with all that the command `train` keeps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinytrain.cli import main
from tinytrain.errors import UsageError
from tinytrain.results.trained_run import TrainedRun, load_run
from tinytrain.store.files import AnyPath


def run(run_dir: AnyPath, **flags: Any) -> TrainedRun:
    """Train in the folder `run_dir`, or go on with the run there, and return the trained run.

    `flags` are those of the command `train`, with _ for -: `net="net7"`, `lr=0.02`, `seed=3`. A
    function of a file, such as `net=my_net`, stands for FILE.py:FUNCTION: that file is run again
    to find it, so guard what trains with `if __name__ == "__main__"`. Raises TinytrainError for
    what the command reports, UsageError where the folder has a run with another recipe.
    """
    words = [f"--{name.replace('_', '-')}={as_text(value)}" for name, value in flags.items()]
    options = main.parse(["train", f"--run-dir={run_dir}", *words])
    options.again = (Path(run_dir) / "run.json").exists()
    main.execute(options)
    return load_run(run_dir)


def as_text(value: Any) -> str:
    """The value of a flag as it stands on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return named(value) if inspect.isfunction(value) else str(value)


def named(function: Callable[..., Any]) -> str:
    """FILE.py:FUNCTION for a function; raises UsageError where no file has it at its top."""
    name, file = function.__qualname__, inspect.getsourcefile(function)
    if not (name.isidentifier() and file and Path(file).is_file()):
        raise UsageError(f"{name}: expected a function at the top of a file, found none")
    return f"{file}:{name}"
