"""List the runs below a folder: every run with its recipe, its results and its verdict.

A run's folder keeps the values of its recipe and no name, so a run is said to be of the named
recipe that differs from it in the fewest fields.
"""

import os
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinytrain.errors import TinytrainError
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes.changes import nearest
from tinytrain.report.target import LAST_EPOCHS, verdict
from tinytrain.runs import run_folder
from tinytrain.runs.settings import Settings
from tinytrain.train import Epoch

FILES = {"run.json", "history.jsonl", "checkpoint.pt"}


@dataclass(frozen=True)
class Run:
    """A run and its results; accuracies in percent, None where there is no such epoch.

    `changes`: what differs from the named recipe `recipe`, and the layers that are frozen.
    `parameters` is None where the net cannot be built. `last_five` is the mean over the last five
    epochs, where there are five; `seconds` those of all epochs together.
    """

    folder: str
    recipe: str
    changes: dict[str, str]
    parameters: int | None
    dataset: str
    holdout: int
    fold: str
    seed: int
    epochs: int
    epochs_done: int
    last_five: float | None
    last_accuracy: float | None
    last_loss: float | None
    verdict: str
    seconds: float


def run_folders(top: Path) -> list[Path]:
    """The folders of runs at or below `top`, seed-2 before seed-10."""
    places = []
    for place, below, names in os.walk(top):
        if FILES.intersection(names):
            below.clear()
            places.append(Path(place))
    return sorted(places, key=lambda place: natural_order(str(place)))


def natural_order(text: str) -> list[tuple[int, str]]:
    """A key by which numbers in texts sort as numbers."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def read(folder: Path) -> Run:
    """The run in a folder. Raises DataError where it is damaged."""
    settings, history = run_folder.read_settings(folder), run_folder.read_history(folder)
    recipe, changed = nearest(settings.recipe)
    if settings.freeze:
        changed["freeze"] = settings.freeze
    accuracies = [epoch.test_accuracy for epoch in history]
    long = len(accuracies) >= LAST_EPOCHS
    parameters = parameters_of(folder, settings)
    return Run(
        folder=str(folder),
        recipe=recipe,
        changes=changed,
        parameters=parameters if isinstance(parameters, int) else None,
        dataset=settings.dataset,
        holdout=settings.holdout,
        fold=settings.fold,
        seed=settings.seed,
        epochs=settings.recipe.epochs,
        epochs_done=len(history),
        last_five=statistics.mean(accuracies[-LAST_EPOCHS:]) if long else None,
        last_accuracy=history[-1].test_accuracy if history else None,
        last_loss=history[-1].test_loss if history else None,
        verdict=judged(settings, history, parameters),
        seconds=sum(epoch.seconds for epoch in history),
    )


def tested_on(run: Run | Settings) -> str:
    """The data set of a run, and which part of its training images played the test set."""
    held_out = f", {run.holdout:,} held out" if run.holdout else ""
    return run.dataset + (f", fold {run.fold}" if run.fold else held_out)


def parameters_of(folder: Path, settings: Settings) -> int | str:
    """The number of parameters of the run's net, or why the net cannot be built."""
    try:
        return parameter_count(run_folder.rebuilt(folder, settings).net)
    except TinytrainError as error:
        return str(error)


def judged(settings: Settings, history: Sequence[Epoch], parameters: int | str) -> str:
    """Whether the run meets the target, in a word, or why that cannot be said."""
    if reason := settings.reason_not_judged:
        return f"not judged ({reason})"
    if len(history) < settings.recipe.epochs:
        return "unfinished"
    if isinstance(parameters, str):
        return f"not judged ({parameters})"
    met = verdict([epoch.test_accuracy for epoch in history], parameters).met
    return "met" if met else "not met"
