"""`tinytrain.run`: train by a call from Python, with all that the command `train` keeps."""

import inspect
import sys
import sysconfig
from contextlib import suppress
from numbers import Number
from os import PathLike
from pathlib import Path
from types import CodeType
from typing import Any

from tinytrain.cli import main
from tinytrain.errors import Interrupted, UsageError
from tinytrain.results.trained_run import TrainedRun, load_run
from tinytrain.runs import user_file
from tinytrain.store.files import AnyPath


def run(run_dir: AnyPath, **flags: Any) -> TrainedRun:
    """Train in the folder `run_dir`, or go on with the run there, and return the trained run.

    `flags` are those of the command `train`, with _ for -: `net="net7"`, `lr=0.02`, `seed=3`. A
    function or class, as in `net=MyNet`, stands for FILE.py:FUNCTION: that file is run again
    to find it, so guard what trains with `if __name__ == "__main__"`. Raises TinytrainError for
    what the command reports, UsageError where the folder has a run of another recipe, seed or
    data. Ctrl-C ends the program as it ends the command, with status 130. `from_` is `--from`.
    """
    named = {name.rstrip("_").replace("_", "-"): value for name, value in flags.items()}
    words = [f"--{name}={as_text(name, value)}" for name, value in named.items()]
    options = main.parse(["train", f"--run-dir={run_dir}", *words])
    options.again = (options.run_dir / "run.json").exists()
    try:
        main.execute(options)
    except Interrupted as error:  # ends the program as it ends the command, without a traceback
        print(f"tinytrain: {error}", file=sys.stderr)
        sys.exit(error.status)
    return load_run(options.run_dir)


def as_text(flag: str, value: Any) -> str:
    """The value of a flag as it stands on the command line: for a function, FILE.py:FUNCTION.

    Raises UsageError for a function or class that no file of the user's has at its top, for one
    whose file is being read and trains without a guard, and for other objects, as a `Dataset`.
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
    if str(getattr(value, "__module__", "")).startswith(user_file.PREFIX):
        guard = "if __name__ == '__main__'"
        raise UsageError(
            f"{name}: its file is run again to find it, and trains; put {guard}: before that"
        )
    file = Path()
    with suppress(OSError, TypeError):  # of a class in a notebook, of an object with __call__
        file = Path(inspect.getsourcefile(value) or "")
    if not (name.isidentifier() and file.is_file()):
        raise UsageError(f"{name}: expected a function or class at the top of a file, found none")
    if file.is_relative_to(sysconfig.get_path("purelib")):
        raise UsageError(
            f"{name}: is of the package {value.__module__}; call it in a function of your own file"
        )
    require_same_values(vars(sys.modules[value.__module__]), file)
    return f"{file}:{name}"


def require_same_values(names: dict[str, Any], path: Path) -> None:
    """Raise UsageError where functions of a file use a number or text that has changed since.

    Where the file is run again, it is what it was: the net would have another width than meant.
    """
    source = path.read_bytes()
    with user_file.guarded(str(path)):
        again = user_file.run(path, source)
    program = compile(source, str(path), "exec")
    for name in used_below(program) & again.keys() & names.keys() - {"__name__", "__file__"}:
        here, there = names[name], again[name]
        if isinstance(here, (str, Number)) and isinstance(there, (str, Number)) and here != there:
            raise UsageError(
                f"{path}: {name} is {here!r} here, and {there!r} where the file is run again to "
                "find its functions; write a function for each value"
            )


def used_below(code: CodeType) -> set[str]:
    """The names that functions and classes in the code use, at any depth."""
    parts = [part for part in code.co_consts if isinstance(part, CodeType)]
    return {name for part in parts for name in (*part.co_names, *used_below(part))}
