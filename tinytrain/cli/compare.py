"""Two runs beside each other: what differs between them, and what came of it.

Two runs are two numbers. What another seed alone would change they cannot say, so there is a
difference here and no interval.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tinytrain.cli.runs import list_runs, read, text
from tinytrain.course.ladder import meaning, shown
from tinytrain.errors import UsageError
from tinytrain.recipes import Recipe
from tinytrain.runs import run_folder as folders
from tinytrain.train.target import LAST_EPOCHS

RESULTS = {
    "epochs_done": ("epochs done", ""),
    "last_five": (f"mean accuracy of the last {LAST_EPOCHS} epochs, %", ".3f"),
    "last_accuracy": ("accuracy of the last epoch, %", ".2f"),
    "last_loss": ("loss of the last epoch", ".4f"),
    "seconds": ("seconds of training and testing", ".0f"),
    "verdict": ("verdict", ""),
}


def runs(options: argparse.Namespace) -> None:
    """List the runs below some folders, or compare two."""
    (compare if options.folders[:1] == ["compare"] else list_runs)(options)


def compare(options: argparse.Namespace) -> None:
    """Print what differs between two runs, setting by setting, and what came of it."""
    if len(options.folders) != 3:
        raise UsageError("runs compare: expected two runs, such as: runs compare runs/a runs/b")
    one, other = map(Path, options.folders[1:])
    runs, settings = (read(one), read(other)), (everything(one), everything(other))
    names = dict.fromkeys(name for run in settings for name in run)
    pairs = {name: [run.get(name) for run in settings] for name in names}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    results = {name: [getattr(run, name) for run in runs] for name in RESULTS}
    if options.json:
        content = {"runs": [str(one), str(other)], "settings": differing, "results": results}
        print(json.dumps(content, indent=2))
        return
    meanings = {field.name: f" ({meaning(field)})" for field in fields(Recipe)}
    print(f"{one} → {other}\n\nSettings{'' if differing else ': the same'}")
    for name, (old, new) in differing.items():
        print(f"  {name}: {shown(old)} → {shown(new)}{meanings.get(name, '')}")
    print("\nResult")
    for name, (said, form) in RESULTS.items():
        old, new = results[name]
        change = f" ({new - old:+{form}})" if form and None not in (old, new) else ""
        print(f"  {said}: {text(old, form) or 'none'} → {text(new, form) or 'none'}{change}")
    print()
    if {"dataset", "data_digest", "holdout", "fold"} & differing.keys():
        print("Tested on different images: what came of it cannot be compared.")
    print(
        "One run each: how much another seed alone would change, they do not say; "
        "python -m tinytrain seeds does."
    )


def everything(folder: Path) -> dict[str, Any]:
    """The settings in a run.json by name, those of the recipe among them, versions and machine."""
    settings = asdict(folders.read_settings(folder))
    content = json.loads((folder / "run.json").read_text())
    said = content.get("versions")
    versions = said.items() if isinstance(said, dict) else ()
    recipe: dict[str, Any] = settings.pop("recipe")
    machine = {"machine": content.get("machine")}
    return recipe | settings | {f"{name} version": found for name, found in versions} | machine
