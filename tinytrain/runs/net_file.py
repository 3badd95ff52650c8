"""Nets from a user's file, named "FILE.py:FUNCTION".

The file is run as a program; the function returns the net, a `Module`, and is given `generator`
and `dropout` if it takes them. torch's own generator is seeded for the call and put back after it,
so that the seed also decides weights drawn without `generator`. A run keeps a copy of the file,
which therefore must not need other files beside it.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from tinytrain import nets, train
from tinytrain.errors import UsageError, no_program
from tinytrain.nn import Module
from tinytrain.recipes import Recipe
from tinytrain.store.files import read_file
from tinytrain.train import Training

PREFIX = "tinytrain_net_file_"  # module names of such files begin with it


def is_own(net: str) -> bool:
    """Whether a recipe's net is from a file."""
    return ".py" in net


def split(net: str) -> tuple[Path, str]:
    """The file and the name of the function; raises UsageError."""
    path, _, function = net.rpartition(":")
    if not (path.endswith(".py") and function.isidentifier()):
        raise UsageError(f"--net {net}: expected FILE.py:FUNCTION")
    return Path(path), function


def read(net: str) -> bytes:
    """The content of the file; raises UsageError where it cannot be read."""
    path, _ = split(net)
    try:
        return read_file(path)
    except OSError as error:
        raise UsageError(f"--net {net}: {path} cannot be read ({error.strerror})") from error


def digest(net: str) -> str:
    """The sha256 (hex) of the file that the net comes from, "" for a net of the package."""
    return hashlib.sha256(read(net)).hexdigest() if is_own(net) else ""


def build(net: str, dropout: float = 0.0, generator: torch.Generator | None = None) -> Module:
    """The net of the package called `net`, or what the function of "FILE.py:FUNCTION" returns.

    Raises UsageError where that is no `Module`. Errors of the file's own code pass through;
    `explained` makes a line of them.
    """
    if not is_own(net):
        return nets.build(net, dropout, generator)
    path, function = split(net)
    maker = run(path, read(net)).get(function)
    if not callable(maker):
        raise UsageError(f"--net {net}: there is no function {function} in {path}")
    taken = inspect.signature(maker).parameters
    if dropout and "dropout" not in taken:
        raise UsageError(f"--dropout {dropout:g}: {function} takes no dropout; leave the flag out")
    given = {"dropout": dropout, "generator": generator}
    for name, parameter in taken.items():
        if name not in given and parameter.default is parameter.empty:
            raise UsageError(f"--net {net}: {function} must not need {name}: give it a default")
    arguments = {name: given[name] for name in given if name in taken}
    made = seeded(lambda: maker(**arguments), generator)
    if not isinstance(made, Module):
        kind = f"{type(made).__module__}.{type(made).__name__}"
        raise UsageError(f"--net {net}: expected {function} to return an nn.Module, found {kind}")
    return made


def run(path: Path, source: bytes) -> dict[str, object]:
    """Run the file and return its names with their values."""
    try:
        code = compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise no_program(path, error) from error
    module = ModuleType(PREFIX + hashlib.sha256(source).hexdigest()[:16])
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where classes look for the file that they come from
    exec(code, vars(module))
    return vars(module)


def seeded(make: Callable[[], object], generator: torch.Generator | None) -> object:
    """Call `make` with torch's own generator seeded from `generator`, and put it back."""
    if generator is None:
        return make()
    with torch.random.fork_rng([]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return make()


def explained(error: Exception) -> UsageError | None:
    """The one-line error for an exception from a net file's own code, else None."""
    codes = [
        (frame.f_code, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(PREFIX)
    ]
    if not codes:
        return None
    message = " ".join(str(error).split())
    places = "; ".join(f"line {number}, in {code.co_name}" for code, number in codes)
    return UsageError(f"{codes[-1][0].co_filename}: {type(error).__name__}: {message} ({places})")


def start(recipe: Recipe, seed: int, device: torch.device | str = "cpu") -> Training:
    """`train.build.start`, also for a recipe whose net comes from a file."""
    return train.build.start(recipe, seed, device, build)
