"""Records: the measured runs of a recipe, every epoch of every seed, as a file of JSON Lines.

The first line says what was run (recipe, data, command) and on what (device, threads, versions,
date); then comes a line for each seed. Every published number is computed from the records in
`course/records`, one for each recipe. A record keeps its recipe and a fingerprint of its net:
where either differs from today's, the record is stale and counts as not measured.
"""

import hashlib
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tinytrain import streams
from tinytrain.errors import DataError, UsageError
from tinytrain.nn import AvgPool2d, MaxPool2d, Module
from tinytrain.nn.functional import pair
from tinytrain.nn.inspect import layer_rows, parameter_count
from tinytrain.recipes import Recipe
from tinytrain.report.target import LAST_EPOCHS
from tinytrain.results.statistics import Summary, summarise
from tinytrain.runs import run_folder, user_file
from tinytrain.runs.checkpoints import require_same_form
from tinytrain.runs.settings import Settings, parse_settings
from tinytrain.store import files

FOLDER = Path(__file__).parent.parent / "course" / "records"
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "raw_test_accuracy")
MEASURED = (*SCORES, "seconds")


@dataclass(frozen=True, kw_only=True)
class Record(Settings):
    """The measured runs of a recipe, with the settings that all of them share but `seed`.

    `seeds[seed][name]` has a number for each epoch of the run with that seed.
    """

    seed: int = 0
    command: str
    date: str
    versions: dict[str, str]
    machine: str
    fingerprint: str
    seeds: dict[int, dict[str, list[float]]]

    def column(self, name: str) -> list[list[float]]:
        """One of the MEASURED columns: a list of epochs for each seed."""
        return [seed[name] for seed in self.seeds.values()]

    @property
    def summary(self) -> Summary:
        """Mean and spread over seeds of the accuracies of the last five epochs."""
        return summarise(self.column("test_accuracy"))

    @property
    def gap(self) -> float:
        """Training accuracy minus test accuracy, in points, over the last five epochs."""
        trained, tested = (
            statistics.mean(value for seed in self.column(name) for value in seed[-LAST_EPOCHS:])
            for name in ("train_accuracy", "test_accuracy")
        )
        return trained - tested

    @property
    def chosen_on_test(self) -> tuple[float, float, float]:
        """Accuracies as chosen on the test set: best epoch of each seed, best seed, best epoch.

        The first is a mean over seeds, the second a mean over the last five epochs.
        """
        accuracies = self.column("test_accuracy")
        best_epochs = [max(seed) for seed in accuracies]
        means = [statistics.mean(seed[-LAST_EPOCHS:]) for seed in accuracies]
        return statistics.mean(best_epochs), max(means), max(best_epochs)

    def is_of(self, recipe: Recipe) -> bool:
        """Whether `recipe`, and the net that it builds today, are those that were measured."""
        stamp = fingerprint(user_file.build(recipe.net, generator=streams.generator(0, "look")))
        return self.recipe == recipe and self.fingerprint == stamp


def fingerprint(net: Module, image_shape: tuple[int, ...] = (1, 28, 28)) -> str:
    """Sixteen hexadecimal digits that change with any layer, its geometry or its shape.

    Dilation and groups count only where they are not 1: the first records knew neither.
    """
    described = [
        (
            row.name,
            type(row.layer).__name__,
            *(size(row.layer, name) for name in ("kernel_size", "stride", "padding")),
            *(
                value
                for name in ("dilation", "groups")
                if (value := vars(row.layer).get(name)) not in (None, 1, (1, 1))
            ),
            row.output_shape,
            parameter_count(row.layer),
        )
        for row in layer_rows(net, image_shape)
    ]
    return hashlib.blake2b(repr(described).encode(), digest_size=8).hexdigest()


def size(layer: Module, name: str) -> object:
    """An argument of a layer, None where it has none; those of poolings as pairs."""
    value: Any = getattr(layer, name, None)
    return pair(value) if isinstance(layer, MaxPool2d | AvgPool2d) else value


def collect(places: Sequence[Path], command: str) -> Record:
    """Make the record of the runs in these folders, dated by the last epoch.

    Raises DataError where a run cannot be read, UsageError where more than the seed differs.
    """
    shared, seeds = kind_of_all(places)
    histories = map(run_folder.read_history, places)
    settings = run_folder.read_settings(places[0])
    recipe = run_folder.recipe_of(places[0], settings)
    net = user_file.build(recipe.net, 0.0, streams.generator(0, "look"), settings.task)
    latest = max((place / "history.jsonl").stat().st_mtime for place in places)
    return Record(
        command=command,
        date=time.strftime("%Y-%m-%d", time.gmtime(latest)),
        fingerprint=fingerprint(net, settings.image_shape),
        seeds={
            seed: {
                name: [round(getattr(epoch, name), 4) for epoch in history] for name in MEASURED
            }
            for seed, history in zip(seeds, histories, strict=True)
        },
        **shared,
    )


def kind_of_all(places: Sequence[Path]) -> tuple[dict[str, Any], list[int]]:
    """The settings that the runs in these folders share (`kind_of`), and the seed of each.

    Where each holds out the fold of its seed, the fold is "all/N". Raises UsageError where more
    than the seed differs, or two have the same.
    """
    settings = [run_folder.read_settings(place) for place in places]
    seeds = [own.seed for own in settings]
    parts = settings[0].fold.rpartition("/")[2]
    if len(places) > 1 and all(own.fold == f"{own.seed}/{parts}" for own in settings):
        held_out = settings[0].holdout  # the parts' sizes differ by one image at most
        settings = [replace(own, fold=f"all/{parts}", holdout=held_out) for own in settings]
    kinds = [kind_of(place, own) for place, own in zip(places, settings, strict=True)]
    for place, kind, seed in zip(places, kinds, seeds, strict=True):
        if other := [name for name in kind if kind[name] != kinds[0][name]]:
            advice = "expected runs that differ in their seed alone"
            raise UsageError(f"{place}: other {', '.join(other)} than {places[0]}; {advice}")
        if (first := places[seeds.index(seed)]) != place:
            raise UsageError(f"{place}: expected a seed of its own, found that of {first}")
    return kinds[0], seeds


def kind_of(place: Path, settings: Settings) -> dict[str, Any]:
    """The settings that all runs of a record share, without the seed; versions and machine.

    `classes`, which follow from the data and which earlier versions did not keep, are left out.
    """
    content = json.loads((place / "run.json").read_text())
    try:
        shared = vars(settings) | {name: content[name] for name in ("versions", "machine")}
    except KeyError as error:
        raise DataError(f"{place / 'run.json'}: does not say {error}") from error
    del shared["seed"], shared["classes"]
    return shared


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all. Raises UsageError."""
    head = asdict(record)
    seeds, _ = head.pop("seeds"), head.pop("seed")
    lines = [head, *({"seed": seed} | columns for seed, columns in seeds.items())]
    files.write_file(path, "".join(json.dumps(line) + "\n" for line in lines))


def read_record(name: str, folder: Path = FOLDER) -> Record | None:
    """Read the record called `name`; None where there is none. Raises DataError if damaged."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return None
    try:
        head, *lines = map(json.loads, files.read_file(path).decode().splitlines())
        fold = head.get("fold", "")  # a run has one of the parts of all/N
        one_run = head | {"seed": 0, "fold": fold.replace("all/", "1/")}
        settings = parse_settings(json.dumps(one_run), str(path))
        own = {name: head[name] for name in ("command", "date", "machine", "fingerprint")}
        require_same_form(dict.fromkeys(own, ""), own, "head")
        require_same_form(dict.fromkeys(head["versions"], ""), head["versions"], "versions")
        seeds = {line.pop("seed"): line for line in lines}
        epochs = dict.fromkeys(MEASURED, [0.0] * settings.recipe.epochs)
        require_same_form([epochs] * len(lines), [*seeds.values()], "seeds")
        require_same_form([1] * max(1, len(lines)), [*seeds], "seeds")
        return Record(
            **vars(settings) | own | {"fold": fold}, versions=head["versions"], seeds=seeds
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not a record of this version: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def read_current(name: str, recipe: Recipe, folder: Path = FOLDER) -> Record | None:
    """Read the record called `name`; None where net or recipe have changed since."""
    record = read_record(name, folder)
    return record if record is not None and record.is_of(recipe) else None


def pooled(record: Record) -> str:
    """Accuracy with its standard error, and loss, of the last epoch over the images of all folds.

    Five runs that each hold out another fifth of 60,000 training images test all of them: an
    accuracy of 99.4 % then has a standard error of 0.03 points, and the test set stays unused.
    """
    accuracy, loss = (
        statistics.mean(values[-1] for values in record.column(name))
        for name in ("test_accuracy", "test_loss")
    )
    share, images = accuracy / 100, record.holdout * len(record.seeds)
    error = 100 * math.sqrt(share * (1 - share) / images)
    return (
        f"all images of the folds, last epoch: accuracy {accuracy:.3f} (standard error "
        f"{error:.3f}), loss {loss:.5f}"
    )
