"""A run's folder: run.json to repeat it, history.jsonl with its results, and a checkpoint.

`run.json` names everything that decides the outcome, `history.jsonl` has a line an epoch, and
`checkpoint.pt` holds the state after the last finished epoch, or after the last step before an
interruption. Each is written whole or not at all, so a run that is killed at any moment leaves a
folder that `--resume` continues.
"""

import hashlib
import itertools
import json
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from tinytrain import __version__
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import Recipe
from tinytrain.runs import locks, user_file
from tinytrain.runs.checkpoints import (
    of_this_version,
    read_checkpoint,
    require_same_form,
    write_checkpoint,
)
from tinytrain.runs.settings import Settings, parse_settings
from tinytrain.runs.torch_state import kernels
from tinytrain.store.files import cannot_write, make_folder, read_file, write_file, writing
from tinytrain.train.state import Epoch, Training

ANY_EPOCH = asdict(Epoch(1, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0, 0.0))
LONGEST = 1e7  # seconds of an epoch
# A run's copies of the files that functions of its recipe come from, by field of the recipe.
COPIES = {field: f"{field}_file.py" for field in ("net", *user_file.ARGUMENTS)}


def fresh_folder(parent: Path, name: str) -> Path:
    """A new folder `parent/name`, or `name-2`, `name-3`, … where the ones before are taken.

    Raises UsageError where it cannot be made.
    """
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)  # one step: of two runs that begin at once, one goes on
            break
        except FileExistsError:
            if not parent.is_dir():
                raise UsageError(f"{parent}: not a folder; choose another --run-dir") from None
        except OSError as error:
            raise cannot_write(folder, error) from error
    return folder


def require_unused(folder: Path) -> None:
    """Raise UsageError where `folder` is in use or cannot be read.

    Files of a run that was killed before its run.json was written do not count: it did no step.
    """
    with writing(folder):
        paths = folder.iterdir() if folder.is_dir() else ()
        sizes = {path.name: path.lstat().st_size for path in paths}
    left = {name for name in sizes if name != locks.NAME and not name.endswith(".part")}
    known = left <= {"checkpoint.pt", "history.jsonl", *COPIES.values()}
    killed_at_start = known and sizes.get("history.jsonl") == 0
    if left and not killed_at_start:
        way = "continue its run with --resume, or " if "run.json" in left else ""
        raise UsageError(f"{folder} is in use ({min(left)}): {way}name another --run-dir")


def create(folder: Path, settings: Settings, training: Training, command: str) -> None:
    """Start a run in `folder`, which is new or empty: a first checkpoint, then run.json.

    Raises UsageError where the folder is in use or cannot be written.
    """
    require_unused(folder)
    make_folder(folder)
    description = asdict(settings) | {
        "command": command,
        "versions": {
            "tinytrain": __version__,
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
        "machine": platform.machine(),
        "kernels": kernels(settings.device),
    }
    save(folder, settings, training)
    for function in user_file.own(settings.recipe):
        write_file(folder / COPIES[function.field], function.read())
    write_file(folder / "run.json", json.dumps(description, indent=2) + "\n")


def save(folder: Path, settings: Settings, training: Training) -> None:
    """Write the history and the checkpoint, each whole or not at all.

    The history comes first: `restore` makes it agree with the checkpoint if a kill comes between.
    """
    write_history(folder, training)
    text = json.dumps(asdict(settings))
    write_checkpoint(folder / "checkpoint.pt", text, training.state_dict())


def write_history(folder: Path, training: Training) -> None:
    """Write history.jsonl, a line an epoch."""
    lines = [json.dumps(asdict(epoch), allow_nan=False) + "\n" for epoch in training.history]
    write_file(folder / "history.jsonl", "".join(lines))


def restore(folder: Path, settings: Settings, training: Training) -> None:
    """Bring a `training` that was just built from `settings` to where the folder's run stands.

    The checkpoint is checked whole before anything changes. Raises DataError where it is missing,
    damaged, foreign, or not of `settings`.
    """
    path = folder / "checkpoint.pt"
    text, state = read_checkpoint(path, training.device)
    if parse_settings(text, f"{path}: settings") != settings:
        raise DataError(f"{path}: belongs to another run than the run.json beside it")
    own = training.state_dict()
    state = of_this_version(state, own)
    if isinstance(state.get("history"), list):
        own["history"] = [ANY_EPOCH] * len(state["history"])
    require_same_form(own, state, f"{path}: state")
    require_epochs(state["history"], f"{path}: state.history")
    epoch, most = state["epoch"], state["batch"] * training.batch_size
    if epoch != len(state["history"]) + 1 or epoch > training.epochs + 1:
        raise DataError(f"{path}: state.epoch: expected the one after the history, found {epoch}")
    if state["correct"] > most or not 0 <= state["seconds"] <= LONGEST:
        raise DataError(
            f"{path}: state: more images correct than were seen, or seconds that no epoch takes"
        )
    if bool(state["loss_sum"]) > bool(most):
        raise DataError(f"{path}: state.loss_sum: expected 0 before the first step of an epoch")
    if not user_file.own(settings.recipe) and state["lr"] != own["lr"]:
        found = f"{own['lr']:g}, as in run.json, found {state['lr']:g}"
        raise DataError(f"{path}: state.lr: expected {found}")
    training.load_state_dict(state)


def recipe_of(folder: Path, settings: Settings) -> Recipe:
    """The run's recipe, where it names functions in files with the folder's copies of those.

    Raises DataError where a copy is missing or another one.
    """
    values: dict[str, Any] = {}
    for function in user_file.own(settings.recipe):
        field, copy = function.field, folder / COPIES[function.field]
        if not copy.is_file():
            raise DataError(f"{copy}: the run's copy of its {field} file is gone")
        values[field] = f"{copy}:{function.split()[1]}"
        if user_file.Function(field, values[field]).digest() != settings.digests[field]:
            raise DataError(f"{copy}: not the {field} file that the run was begun with")
    return replace(settings.recipe, **values)


def rebuilt(folder: Path, settings: Settings, device: torch.device | str = "cpu") -> Training:
    """The training of a run as it was at its start, but for weights from another run."""
    recipe = recipe_of(folder, settings)
    return user_file.start(recipe, settings.seed, device, settings.freeze, settings.task)


def begin_from(folder: Path, training: Training, classes: int) -> str:
    """Give a new `training` the weights that the run in `folder` was tested with.

    Tensors with a row for each class, of which the data has so many `classes`, stay as they were
    drawn where the run had another number. Returns the sha256 (hex) of the run's checkpoint.
    Raises DataError where the run cannot be read, UsageError where its net is another.
    """
    settings = read_settings(folder)
    source = rebuilt(folder, settings, training.device)
    restore(folder, settings, source)
    found, own = source.tested_net.state_dict(), training.net.state_dict()
    for name in sorted(own.keys() | found.keys()):
        one, other = (tuple(net[name].shape) if name in net else None for net in (own, found))
        if one == other:
            continue
        if not (one and other) or (one[0], one[1:]) != (classes, other[1:]):
            shape = "×".join(map(str, settings.image_shape))
            raise UsageError(
                f"--from {folder}: its net is another: {name}: expected {one}, found {other}; "
                f"take --net {settings.recipe.net}, and images like its own, {shape}"
            )
        found[name] = own[name]
    training.net.load_state_dict(found)
    if training.ema is not None:
        training.ema.net.load_state_dict(found)
    return hashlib.sha256(read_file(folder / "checkpoint.pt")).hexdigest()


def require_unchanged(settings: Settings) -> None:
    """Raise UsageError where a file that a function came from is there, and has changed."""
    for function in user_file.own(settings.recipe):
        there = function.split()[0].exists()
        if there and function.digest() != settings.digests[function.field]:
            raise UsageError(
                f"{function}: the file has changed since the run began; put it back, or start a "
                "new run in another --run-dir"
            )


def read_settings(folder: Path) -> Settings:
    """The settings in run.json. Raises DataError where it is missing or damaged."""
    path = folder / "run.json"
    try:
        return parse_settings(read_file(path).decode(errors="replace"), str(path))
    except OSError as error:
        raise DataError(f"{path}: no run to read ({error.strerror}); `runs` lists runs") from error


def read_history(folder: Path) -> list[Epoch]:
    """The epochs in history.jsonl. Raises DataError where it is missing or damaged."""
    path = folder / "history.jsonl"
    try:
        lines = [json.loads(line) for line in read_file(path).decode().splitlines()]
    except OSError as error:
        raise DataError(
            f"{path}: no history to read ({error.strerror}); `runs` lists runs"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not the history of a run: {error}") from error
    require_same_form([ANY_EPOCH] * len(lines), lines, str(path))
    require_epochs(lines, str(path))
    return [Epoch(**line) for line in lines]


def require_epochs(lines: list[dict[str, Any]], place: str) -> None:
    """Raise DataError for epochs that no run can have had: out of order, or of 101 per cent."""
    for number, line in enumerate(lines, 1):
        shares = [value for name, value in line.items() if name.endswith("_accuracy")]
        holds = line["epoch"] == number and line["test_correct"] <= line["test_total"]
        if not (
            holds
            and all(0 <= share <= 100 for share in shares)
            and 0 <= line["seconds"] <= LONGEST
        ):
            raise DataError(f"{place}: expected epoch {number} of a run, found {line}")
