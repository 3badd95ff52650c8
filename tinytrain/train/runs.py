"""A run and its folder: what is needed to repeat it, what it measured, and where it stands.

`run.json` names everything that decides the outcome, `history.jsonl` has a line an epoch, and
`checkpoint.pt` holds the state after the last finished epoch (or, after Ctrl-C, after the last
step). Each is there whole or not at all, so a run that is killed at any moment leaves a folder
that `--resume` continues.
"""

from __future__ import annotations

import itertools
import json
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from tinytrain import __version__
from tinytrain.data.files import cannot_write, make_folder, read_file, write_file
from tinytrain.errors import DataError, UsageError
from tinytrain.nets import own
from tinytrain.recipes import Recipe
from tinytrain.train import locks
from tinytrain.train.checkpoints import read_checkpoint, require_same_form, write_checkpoint
from tinytrain.train.state import Epoch, Training

ANY_EPOCH = asdict(Epoch(1, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0, 0.0))
NET_FILE = "net_file.py"  # a run's copy of the file that its net came from
MALFORMED = (ValueError, KeyError, TypeError, RecursionError)  # what parsing can raise


@dataclass(frozen=True)
class Settings:
    """All that decides the outcome of a run, as it stands in `run.json` and in the checkpoint.

    `data_digest` is that of the files in use, `mean` and `std` what the images were normalised
    by; `device` and `threads` decide the last bits of a sum; `fold` is "K/N" where part K of N of
    the training images is held out. `image_shape` is (C, H, W), and `net_digest` the sha256 (hex)
    of the file that the net comes from, "" for a net of the package.
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
    fold: str = ""
    image_shape: tuple[int, ...] = (1, 28, 28)
    net_digest: str = ""


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
    """Raise UsageError where `folder` holds something, or cannot be looked into.

    What a start leaves that was killed before its run.json does not count: no step was done.
    """
    try:
        paths = folder.iterdir() if folder.is_dir() else ()
        sizes = {path.name: path.lstat().st_size for path in paths}
    except OSError as error:
        raise cannot_write(folder, error) from error
    left = {name for name in sizes if name != locks.NAME and not name.endswith(".part")}
    known = left <= {"checkpoint.pt", "history.jsonl", NET_FILE}
    killed_at_start = known and sizes.get("history.jsonl") == 0
    if left and not killed_at_start:
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
    if settings.net_digest:
        write_file(folder / NET_FILE, own.read(settings.recipe.net))
    write_file(folder / "run.json", json.dumps(description, indent=2) + "\n")


def save(folder: Path, settings: Settings, training: Training) -> None:
    """Write the history and the checkpoint, each whole or not at all.

    The history first: `restore` makes it agree with the checkpoint again if a kill comes between.
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
    try:
        same = parse_settings(text) == settings
    except MALFORMED:
        same = False
    if not same:
        raise DataError(f"{path}: belongs to another run than the run.json beside it")
    own = training.state_dict()
    if isinstance(state, dict) and isinstance(state.get("history"), list):
        own["history"] = [ANY_EPOCH] * len(state["history"])
    require_same_form(own, state, f"{path}: state")
    training.load_state_dict(state)


def recipe_of(folder: Path, settings: Settings) -> Recipe:
    """The run's recipe; where its net came from a file, with the folder's copy of that file.

    Raises DataError where the copy is missing or another one.
    """
    if not settings.net_digest:
        return settings.recipe
    net = f"{folder / NET_FILE}:{own.split(settings.recipe.net)[1]}"
    try:
        digest = own.digest(net)
    except UsageError as error:
        raise DataError(f"{folder / NET_FILE}: the run's copy of its net file is gone") from error
    if digest != settings.net_digest:
        raise DataError(f"{folder / NET_FILE}: not the net file that the run was begun with")
    return replace(settings.recipe, net=net)


def require_unchanged(settings: Settings) -> None:
    """Raise UsageError where the file that the net came from is there, and has changed."""
    net = settings.recipe.net
    there = bool(settings.net_digest) and own.split(net)[0].exists()
    if there and own.digest(net) != settings.net_digest:
        raise UsageError(
            f"--net {net}: the file has changed since the run began; put it back, or start a new "
            "run in another --run-dir"
        )


def read_settings(folder: Path) -> Settings:
    """The settings in run.json. Raises DataError where it is missing or damaged."""
    path = folder / "run.json"
    try:
        return parse_settings(read_file(path).decode())
    except OSError as error:
        raise DataError(f"{path}: no run to read ({error.strerror}); check --run-dir") from error
    except MALFORMED as error:
        raise DataError(f"{path}: not the run.json of this version: {error}") from error


def parse_settings(text: str) -> Settings:
    """Settings from JSON, those of earlier versions, too. Raises what is MALFORMED."""
    later = {"fold": "", "image_shape": [1, 28, 28], "net_digest": ""}
    content = later | json.loads(text)
    values = {name: content[name] for name in Settings.__dataclass_fields__}
    values["recipe"] = parse_recipe(values["recipe"])
    values["image_shape"] = tuple(values["image_shape"])
    return Settings(**values)


def parse_recipe(content: dict[str, Any]) -> Recipe:
    """A recipe from its fields; a field that was not there yet has its default.

    Until version 0.2 looks were part of some nets, and a recipe could erase rectangles.
    """
    if "looks" not in content:
        if content.get("erase"):
            raise ValueError("random erasing (erase) is gone since tinytrain 0.2")
        looks = 5 if content["net"] in ("net9_3_looks", "framed7500", "framed2791") else 1
        net = content["net"].removesuffix("_looks")
        content = content | {"net": net, "looks": looks}
        content.pop("erase", None)
    return Recipe(**content)


def read_history(folder: Path) -> list[Epoch]:
    """The epochs in history.jsonl. Raises DataError where it is missing or damaged."""
    path = folder / "history.jsonl"
    try:
        lines = [json.loads(line) for line in read_file(path).decode().splitlines()]
    except OSError as error:
        raise DataError(f"{path}: no history to read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not the history of a run: {error}") from error
    require_same_form([ANY_EPOCH] * len(lines), lines, str(path))
    return [Epoch(**line) for line in lines]
