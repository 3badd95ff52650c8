"""Checkpoints: written whole, and checked whole before anything is loaded.

A file can be cut off, damaged, of another version or of another run. So names, types, shapes and
ranges of everything in it are compared with a fresh state, and only then does anything change.
"""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain.errors import DataError
from tinytrain.recipes import OLD_NAMES
from tinytrain.store.files import open_file, write_file
from tinytrain.train.state import Training

VERSION = 1


def write_checkpoint(path: Path, settings: str, state: dict[str, Any]) -> None:
    """Write the settings of a run and the state of its training, whole or not at all.

    Raises UsageError where the folder cannot be written.
    """
    buffer = io.BytesIO()  # torch.save reports a full disk in its own way, and not as an OSError
    torch.save({"version": VERSION, "settings": settings, "state": state}, buffer)
    write_file(path, buffer.getvalue())


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> tuple[str, Any]:
    """The settings and the state in the checkpoint `path`, with tensors on `device`.

    Raises DataError where it is missing, damaged or of another version. The caller compares the
    form of the state.
    """
    try:
        with open_file(path) as file:
            with zipfile.ZipFile(file) as archive:  # as which torch.save writes, with checksums
                entries = archive.infolist()  # which overlap, or are packed, only in a bomb
                if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
                    raise DataError(f"{path}: damaged (it holds more than its size)")
                if damaged := archive.testzip():
                    raise DataError(f"{path}: damaged ({damaged} does not fit its checksum)")
            file.seek(0)
            content = torch.load(file, weights_only=True, map_location=device)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no checkpoint there; check --run-dir") from error
    except DataError:
        raise
    except Exception as error:  # of many types, and long ones, for bytes that cannot be read
        raise DataError(f"{path}: damaged or not a checkpoint ({type(error).__name__})") from error
    known = {"version": int, "settings": str, "state": dict}
    fits = type(content) is dict and {name: type(content[name]) for name in content} == known
    if not fits or content["version"] != VERSION:
        raise DataError(f"{path}: expected a checkpoint of version {VERSION}")
    return content["settings"], content["state"]


def of_this_version(state: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The state with today's names, where an earlier version wrote it; `own` is a fresh state.

    Earlier versions called the average of the weights "average", held the state of an optimizer as
    one vector for all weights, with one step count at first, and could not change the rate.
    """
    named = {OLD_NAMES.get(name, name): value for name, value in state.items()}
    state = {"lr": own["lr"]} | named
    if isinstance(state.get("optimizer"), dict):
        state["optimizer"] = by_weight(state["optimizer"], own["optimizer"])
    return state


def by_weight(found: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer with an entry for each weight, as has `own`, a fresh one."""
    if "adam" in own and isinstance(found.get("adam"), dict):  # within Muon
        return found | {"adam": by_weight(found["adam"], own["adam"])}
    steps = found.get("steps")
    if not ("steps" in own and isinstance(steps, list) and len(steps) == 1):
        return found
    counts = steps[0] if isinstance(steps[0], list) else steps * len(own["steps"])
    found = found | {"steps": counts}
    for name in own.keys() & {"velocity", "mean", "square"}:
        vector = torch.cat([weight.flatten() for weight in own[name]])
        if form(found.get(name)) == "list of 1" and form(found[name][0]) == form(vector):
            parts = found[name][0].split([weight.numel() for weight in own[name]])
            pairs = zip(parts, own[name], strict=True)
            found[name] = [part.view_as(weight) for part, weight in pairs]
    return found


def require_same_form(expected: Any, found: Any, place: str) -> None:
    """Raise DataError where `found` differs in names, types, shapes or lengths.

    Also where a number is not finite, or a whole number is outside 0 to 2⁶³ - 1.
    """
    if form(expected) != form(found):
        raise DataError(f"{place}: expected {form(expected)}, found {form(found)}")
    if isinstance(found, int) and not 0 <= found < 1 << 63:
        raise DataError(f"{place}: expected a whole number from 0 to 2⁶³ - 1, found another")
    if isinstance(found, Tensor | float) and not torch.as_tensor(found).isfinite().all():
        raise DataError(
            f"{place}: not finite: the run diverged; begin another one, with a smaller rate (--lr)"
        )
    if isinstance(expected, dict):
        if different := sorted(map(str, expected.keys() ^ found.keys())):
            raise DataError(f"{place}: names missing or unknown: {', '.join(different)[:200]}")
        for name, value in expected.items():
            require_same_form(value, found[name], f"{place}.{name}")
    elif isinstance(expected, list):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            require_same_form(one, other, f"{place}[{index}]")


def form(value: Any) -> str:
    """The type as text, with a tensor's dtype, shape and kind, and a list's length.

    A plain tensor is dense and has no attributes of its own, which could hide code.
    """
    kind = type(value).__name__
    if isinstance(value, Tensor):
        dense = value.layout is torch.strided and not value.is_nested
        plain = "plain" if dense and not (value.requires_grad or vars(value)) else "other"
        shape = tuple(value.shape) if dense else "of another layout"
        return f"{kind} {value.dtype} {shape}, {plain}, on {value.device.type}"
    return f"{kind} of {len(value)}" if isinstance(value, list) else kind


def require_finite(training: Training) -> None:
    """Raise Diverged where anything in the state of a training is not finite."""
    training.require_finite(training.loss_sum, *tensors_in(training.state_dict()))


def tensors_in(state: Any) -> Iterator[Tensor]:
    """All tensors in a state dict, at any depth of dicts and lists."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (dict, list, tuple)):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors_in(part)
