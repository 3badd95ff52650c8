"""A run and its folder: what is needed to repeat it, what it measured, and where it stands.

`run.json` names everything that decides the outcome, `history.jsonl` has a line an epoch, and
`checkpoint.pt` holds the state after the last finished epoch (or, after Ctrl-C, after the last
step). Each is there whole or not at all, so a run that is killed at any moment leaves a folder
that `--resume` continues.
"""

from __future__ import annotations

import io
import itertools
import json
import platform
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from tinytrain import __version__
from tinytrain.data.files import cannot_write, make_folder, write_file
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import Recipe
from tinytrain.train.state import Epoch, Training

CHECKPOINT_VERSION = 1
ANY_EPOCH = asdict(Epoch(1, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0, 0.0))


@dataclass(frozen=True)
class Settings:
    """All that decides the outcome of a run, as it stands in `run.json` and in the checkpoint.

    `data_digest` is that of the files in use, `mean` and `std` what the images were normalised
    by; `device` and `threads` decide the last bits of a sum.
    """

    recipe: Recipe
    dataset: str
    data_digest: str
    mean: float
    std: float
    holdout: int
    seed: int
    device: str
    threads: int


def fresh_folder(parent: Path, name: str) -> Path:
    """A new folder `parent/name`, or `name-2`, `name-3`, … where the ones before are taken.

    Raises UsageError where it cannot be made.
    """
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)  # one step: of two runs that begin at once, one goes on
            return folder
        except FileExistsError:
            if not parent.is_dir():
                raise UsageError(f"{parent}: not a folder; choose another --run-dir") from None
        except OSError as error:
            raise cannot_write(folder, error) from error


def require_unused(folder: Path) -> None:
    """Raise UsageError where `folder` holds something, or cannot be looked into.

    What a start leaves that was killed before its run.json does not count: no step was done.
    """
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        used = names and not (
            names <= {"checkpoint.pt", "history.jsonl"}
            and "history.jsonl" in names
            and not (folder / "history.jsonl").stat().st_size
        )
    except OSError as error:
        raise cannot_write(folder, error) from error
    if used:
        raise UsageError(
            f"{folder} is in use: continue its run with --resume, or name another --run-dir"
        )


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
    }
    save(folder, settings, training)
    write_file(folder / "run.json", json.dumps(description, indent=2) + "\n")


def parse_settings(text: str) -> Settings:
    """Settings from JSON; what recipes could not say yet when it was written has its default.

    Raises ValueError, KeyError, TypeError or RecursionError where it is something else.
    """
    content = json.loads(text)
    names = [name for name in Settings.__dataclass_fields__ if name != "recipe"]
    return Settings(Recipe(**content["recipe"]), **{name: content[name] for name in names})


def read_settings(folder: Path) -> Settings:
    """The settings in run.json, which must be those of the checkpoint beside it.

    Raises DataError where either is missing or damaged.
    """
    path = folder / "run.json"
    try:
        settings = parse_settings(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: no run to read ({error.strerror}); check --run-dir") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not the run.json of this version: {error}") from error
    read_checkpoint(folder, settings)
    return settings


def read_history(folder: Path) -> list[Epoch]:
    """The epochs in history.jsonl. Raises DataError where it is missing or damaged."""
    path = folder / "history.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    except OSError as error:
        raise DataError(f"{path}: no history to read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not the history of a run: {error}") from error
    require_same_form([ANY_EPOCH] * len(lines), lines, str(path))
    return [Epoch(**line) for line in lines]


def save(folder: Path, settings: Settings, training: Training) -> None:
    """Write the history and the checkpoint, each whole or not at all.

    The history first: `restore` makes it agree with the checkpoint again if a kill comes between.
    """
    write_history(folder, training)
    content = {
        "version": CHECKPOINT_VERSION,
        "settings": json.dumps(asdict(settings)),
        "state": training.state_dict(),
    }
    buffer = io.BytesIO()  # torch.save reports a full disk in its own way, and not as an OSError
    torch.save(content, buffer)
    write_file(folder / "checkpoint.pt", buffer.getvalue())


def write_history(folder: Path, training: Training) -> None:
    """Write history.jsonl."""
    lines = [json.dumps(asdict(epoch), allow_nan=False) + "\n" for epoch in training.history]
    write_file(folder / "history.jsonl", "".join(lines))


def read_checkpoint(folder: Path, settings: Settings, device: str = "cpu") -> dict[str, Any]:
    """The state in the folder's checkpoint, its tensors on `device`.

    Raises DataError where it is missing, damaged, of another version or not of `settings`.
    """
    path = folder / "checkpoint.pt"
    try:
        with zipfile.ZipFile(path) as archive:  # as which torch.save writes, with checksums
            if damaged := archive.testzip():
                raise DataError(f"{path}: damaged ({damaged} does not fit its checksum)")
        content = torch.load(path, weights_only=True, map_location=device)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no checkpoint there; check --run-dir") from error
    except DataError:
        raise
    except Exception as error:
        # Both raise errors of many types, and long ones, for bytes that they cannot read.
        raise DataError(f"{path}: damaged or not a checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict) or content.get("version") != CHECKPOINT_VERSION:
        raise DataError(f"{path}: expected a checkpoint of version {CHECKPOINT_VERSION}")
    try:
        same = parse_settings(content.get("settings")) == settings
    except (ValueError, KeyError, TypeError, RecursionError):
        same = False
    if not same:
        raise DataError(f"{path}: belongs to another run than the run.json beside it")
    return content.get("state")


def restore(folder: Path, settings: Settings, training: Training) -> None:
    """Bring a `training` that was just built from `settings` to where the folder's run stands.

    The checkpoint is checked whole before anything changes. Raises DataError as `read_checkpoint`.
    """
    state = read_checkpoint(folder, settings, training.weights.device)
    own = training.state_dict()
    if isinstance(state, dict) and isinstance(state.get("history"), list):
        own["history"] = [ANY_EPOCH] * len(state["history"])
    require_same_form(own, state, f"{folder / 'checkpoint.pt'}: state")
    training.load_state_dict(state)


def require_same_form(expected: Any, found: Any, place: str) -> None:
    """Raise DataError where `found` first differs in names, types, shapes or lengths."""
    if type(expected) is not type(found):
        raise DataError(
            f"{place}: expected {type(expected).__name__}, found {type(found).__name__}"
        )
    if isinstance(expected, torch.Tensor):
        if expected.shape != found.shape or expected.dtype != found.dtype:
            raise DataError(
                f"{place}: expected {expected.dtype} {tuple(expected.shape)}, "
                f"found {found.dtype} {tuple(found.shape)}"
            )
    elif isinstance(expected, dict):
        if expected.keys() != found.keys():
            different = sorted(map(str, expected.keys() ^ found.keys()))
            raise DataError(f"{place}: names missing or unknown: {', '.join(different)}")
        for name, value in expected.items():
            require_same_form(value, found[name], f"{place}.{name}")
    elif isinstance(expected, list):
        if len(expected) != len(found):
            raise DataError(f"{place}: expected {len(expected)} entries, found {len(found)}")
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            require_same_form(one, other, f"{place}[{index}]")
