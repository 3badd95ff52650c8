"""Nets and other functions from a user's file, and the start of a training, with or without them.

A recipe names a function as "FILE.py:FUNCTION"; the file is run as a program. A net's function is
given what it takes of `generator` and `dropout` and, if it takes `classes`, the data's number of
them, of `channels`, and the `size`, (height, width). torch's own generator is seeded for the call
and put back after it, so that the seed also decides weights drawn without `generator`. What the
other functions are given is in `ARGUMENTS`; a schedule's also gets `optimizer` if it takes it.
Nets, optimizers and schedulers of torch's own are taken, too. A run keeps a copy of each file,
which must not need other files beside it.
"""

import copy
import hashlib
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from tinytrain import from_torch, nets
from tinytrain.data.augment import Augment
from tinytrain.errors import TinytrainError, UsageError
from tinytrain.nets import Task
from tinytrain.nn import Module
from tinytrain.recipes import Recipe
from tinytrain.recipes import build as from_recipe
from tinytrain.runs.torch_state import preserve_torch_state
from tinytrain.store.files import read_file
from tinytrain.train import Training

# Fields of a recipe that may name a function, besides its net, and what the function is given.
ARGUMENTS = {
    "optimizer": "params, lr",
    "schedule": "epochs",
    "loss": "outputs, labels",
    "augmentation": "images, generator",
}
BY_NAME = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
PREFIX = "tinytrain_user_file_"  # module names of such files begin with it


class UserFileError(UsageError):
    """An error that the code of a user's file has raised, in one line."""


def is_own(value: str) -> bool:
    """Whether the value of a recipe's field names a function in a file."""
    return ".py" in value


@dataclass(frozen=True)
class Function:
    """A function in a file: the `value` "FILE.py:FUNCTION" of a recipe's `field`."""

    field: str
    value: str

    def __str__(self) -> str:
        return f"--{self.field} {self.value}"

    def split(self) -> tuple[Path, str]:
        """The file and the name of the function; raises UsageError."""
        path, _, name = self.value.rpartition(":")
        if not (path.endswith(".py") and name.isidentifier()):
            raise UsageError(f"{self}: expected FILE.py:FUNCTION")
        return Path(path), name

    def read(self) -> bytes:
        """The content of the file; raises UsageError where it cannot be read."""
        path, _ = self.split()
        try:
            return read_file(path)
        except OSError as error:
            raise UsageError(f"{self}: {path} cannot be read ({error.strerror})") from error

    def digest(self) -> str:
        """The sha256 (hex) of the file."""
        return hashlib.sha256(self.read()).hexdigest()

    def load(self) -> Callable[..., Any]:
        """Run the file and return its function, which must take the `ARGUMENTS` of its field."""
        path, name = self.split()
        function = run(path, self.read()).get(name)
        if not callable(function):
            raise UsageError(f"{self}: there is no function {name} in {path}")
        arguments = ARGUMENTS.get(self.field, "")
        try:
            signature = inspect.signature(function)
            if arguments:
                more = accepted(function, optimizer=None) if self.field == "schedule" else {}
                signature.bind(*arguments.split(", "), **more)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self}: expected {name}({arguments}): {error}") from error
        return function


def own(recipe: Recipe) -> list[Function]:
    """The functions in files that the fields of a recipe name."""
    named = [Function(field, getattr(recipe, field)) for field in ("net", *ARGUMENTS)]
    return [function for function in named if is_own(function.value)]


def build(
    net: str,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
    task: Task | None = None,
) -> Module:
    """The net of the package called `net`, or what the function of "FILE.py:FUNCTION" returns.

    Raises UsageError where that is no `Module` that can be trained, and for what the file raises.
    Without a `task` a function keeps its own defaults, and all else is for MNIST. torch's own
    generator is seeded by a draw from `generator`, which therefore gives other weights here than
    where the function is called by hand.
    """
    if not is_own(net):
        return nets.build(net, dropout, generator, task or nets.MNIST)
    named = Function("net", net)
    with guarded(str(named)):
        return build_from_file(named, dropout, generator, task)


@contextmanager
def guarded(place: str) -> Iterator[None]:
    """Put torch's global state back at the end, and explain what the file's code raises."""
    with preserve_torch_state(place):
        try:
            yield
        except BaseException as error:  # SystemExit is none of Exception's
            if found := explained(error):
                raise found from error
            raise


def accepted(function: Callable[..., Any], **offered: Any) -> dict[str, Any]:
    """Those of the `offered` arguments that the function takes by name."""
    parameters = inspect.signature(function).parameters
    taken = {name for name, parameter in parameters.items() if parameter.kind in BY_NAME}
    return {name: value for name, value in offered.items() if name in taken}


def build_from_file(
    net: Function, dropout: float, generator: torch.Generator | None, task: Task | None
) -> Module:
    """Run the file, with torch's own generator seeded, and call its function."""
    if generator:
        torch.manual_seed(generator.initial_seed())  # the file may draw while it is run
    (_, name), function = net.split(), net.load()
    if hasattr(function, "state_dict") and not isinstance(function, type):
        raise UsageError(
            f"{net}: expected a function that returns a net, so that each seed has its weights, "
            "found a net"
        )
    signature = inspect.signature(function)
    classes, (channels, *size) = task or nets.MNIST
    of_data = accepted(function, classes=classes, channels=channels, size=tuple(size))
    given = accepted(function, dropout=dropout, generator=generator)
    for key, value in of_data.items():
        needed = signature.parameters[key].default is inspect.Parameter.empty
        if needed or (task and "classes" in of_data):  # else its own default stays
            given[key] = value
    if dropout and "dropout" not in given:
        raise UsageError(f"--dropout {dropout:g}: {name} takes no dropout; leave the flag out")
    try:
        signature.bind(**given)
    except TypeError as error:
        raise UsageError(f"{net}: {name}: {error}; give it a default") from error
    if generator:
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
    built = function(**given)
    if hasattr(built, "named_parameters") and not isinstance(built, Module | type):
        built = from_torch.Net(built)
    if not isinstance(built, Module):
        kind = f"{type(built).__module__}.{type(built).__name__}"
        raise UsageError(f"{net}: expected {name} to return an nn.Module, found {kind}")
    try:
        copy.deepcopy(built.to("cpu"))
    except Exception as error:  # of many types: of files, locks and tensors without numbers
        reason = "a module holds itself" if isinstance(error, RecursionError) else error
        raise UsageError(f"{net}: the net cannot be copied: {reason}") from error
    return built


def run(path: Path, source: bytes) -> dict[str, object]:
    """Run the file and return its names with their values."""
    try:
        code = compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise UsageError(f"{path}{line}: not a Python program ({reason})") from error
    module = ModuleType(module_name(source))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where classes look for the file that they come from
    exec(code, vars(module))
    return vars(module)


def require_alone(recipe: Recipe) -> None:
    """Raise UsageError where a file that has been run imports one of the user's beside it.

    A run would keep no copy of that, and go on with another net where it has changed.
    """
    for function in own(recipe):
        path = function.split()[0].resolve()
        module = sys.modules.get(module_name(function.read()))
        if module is None:
            raise UsageError(f"{function}: has changed while it was read; start again")
        for held in [*vars(module).values()]:
            attribute = "__name__" if isinstance(held, ModuleType) else "__module__"
            name = str(getattr(held, attribute, ""))
            file = Path(getattr(sys.modules.get(name), "__file__", None) or path).resolve()
            installed = file.is_relative_to(sys.prefix) or f"{name}.".startswith("tinytrain.")
            if file != path and file.is_relative_to(path.parent) and not installed:
                raise UsageError(
                    f"{function}: needs {file}, of which a run keeps no copy; put all that "
                    "it needs into one file"
                )


def module_name(source: bytes) -> str:
    """The name under which a file with that content is run."""
    return PREFIX + hashlib.sha256(source).hexdigest()[:16]


def explained(error: BaseException) -> UsageError | None:
    """The one-line error, with file and line, for what a user's code raises, else None.

    None also for Ctrl-C and for what is no fault of the file's, such as a disk that is full.
    """
    no_fault = isinstance(error, (KeyboardInterrupt, TinytrainError))
    if no_fault and not isinstance(error, UsageError):
        return None
    cause: BaseException | None = error
    while cause and not isinstance(cause, UserFileError):
        places = [
            (frame.f_code.co_filename, f"line {number}, in {frame.f_code.co_name}")
            for frame, number in traceback.walk_tb(cause.__traceback__)
            if str(frame.f_globals.get("__name__")).startswith(PREFIX)
        ]
        if places:
            kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
            lines = "; ".join(line for _, line in places[-3:])
            return UserFileError(f"{places[-1][0]}: {kind}{text_of(error)[:300]} ({lines})")
        cause = cause.__cause__
    return None


def text_of(error: BaseException) -> str:
    """The error's text in one line; "" where its class is a user's and fails at that."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return ""


def start(
    recipe: Recipe,
    seed: int,
    device: torch.device | str = "cpu",
    freeze: str = "",
    task: Task | None = None,
) -> Training:
    """`recipes.build.start`, also for a recipe with functions from files, or for another `task`.

    The layers named in `freeze`, with a comma between them, do not learn.
    """

    def build_net(net: str, dropout: float, generator: torch.Generator) -> Module:
        built = build(net, dropout, generator, task)
        freeze_layers(built, freeze)
        return built

    named = own(recipe)
    with guarded(", ".join(map(str, named))) if named else nullcontext():
        if named:
            torch.manual_seed(seed)  # the files may draw while they are run
        found: dict[str, Any] = {
            function.field: function.load() for function in named if function.field != "net"
        }
        if "optimizer" in found and (recipe.momentum or recipe.nesterov or recipe.weight_decay):
            raise UsageError(
                f"--optimizer {recipe.optimizer}: is given --lr alone; set --momentum 0 "
                "--nesterov no --weight-decay 0"
            )
        unset: dict[str, Any] = {name: getattr(Recipe(), name) for name in found}
        training = from_recipe.start(replace(recipe, **unset), seed, device, build_net)
        optimizer: Any = training.optimizer
        if "optimizer" in found:
            optimizer = found["optimizer"](training.parameters, recipe.lr)
            theirs = hasattr(optimizer, "param_groups")
            found["optimizer"] = from_torch.Optimizer(optimizer) if theirs else optimizer
        if schedule := found.get("schedule"):
            made = schedule(recipe.epochs, **accepted(schedule, optimizer=optimizer))
            found["schedule"] = as_schedule(made, recipe)
        if "augmentation" in found:
            found["augmentation"] = of_one_shape(found["augmentation"])
        return replace(training, **found)


def freeze_layers(net: Module, layers: str) -> None:
    """Freeze these layers, or groups of layers.

    Raises UsageError for one without weights, or where nothing is left to learn.
    """
    for layer in filter(None, layers.split(",")):
        named = dict(net.named_parameters())
        frozen = [named[name] for name in named if name.startswith(f"{layer}.")]
        if not frozen:
            names = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in named))
            raise UsageError(f"--freeze {layer}: expected layers of the net, {names}")
        for parameter in frozen:
            parameter.requires_grad_(False)
    if layers and not any(parameter.requires_grad for parameter in net.parameters()):
        raise UsageError(f"--freeze {layers}: expected layers that leave others to learn")


def of_one_shape(augmentation: Augment) -> Augment:
    """The augmentation, raising UsageError where it returns images of another shape or dtype."""

    def augment(images: Tensor, generator: torch.Generator) -> Tensor:
        result = augmentation(images, generator)
        found, expected = (
            f"{each.dtype} {tuple(each.shape)}"
            if isinstance(each, Tensor)
            else type(each).__name__
            for each in (result, images)
        )
        if found != expected:
            raise UsageError(f"--augmentation: expected {expected}, found {found}")
        return result

    return augment


def as_schedule(made: Any, recipe: Recipe) -> Callable[[float], float]:
    """The schedule that a file's function has made; raises UsageError where it is none."""
    if hasattr(made, "get_last_lr"):
        return from_torch.Schedule(made)
    factor = made(0.5) if callable(made) else made
    if not (callable(made) and isinstance(factor, Real) and 0 <= float(factor) < math.inf):
        raise UsageError(
            f"--schedule {recipe.schedule}: expected a function from the epochs done to a factor "
            f"of at least 0, found {factor!r}"
        )
    schedule: Callable[[float], float] = made
    return schedule
