"""The settings of a run, as they stand in run.json.

They decide the outcome of a run, so that it can be repeated on another machine and years later.
All values are checked for type and range when they are read; files of earlier versions are read.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from tinytrain.errors import DataError
from tinytrain.recipes import OLD_NAMES, Recipe, checked
from tinytrain.runs import net_file
from tinytrain.runs.checkpoints import require_same_form


@dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a run, as in `run.json` and in the checkpoint.

    `data_digest` is that of the files in use; `mean` and `std` normalise the images; `device` and
    `threads` (of each worker) decide the last bits of a sum; `fold` is "K/N" where part K of N of
    the training images is held out. `image_shape` is (C, H, W), and `net_digest` the sha256 (hex)
    of the file that the net comes from, "" for a net of the package. `workers` is the number of
    processes that the run was started with.
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
    workers: int = 1


ANY_SETTINGS = asdict(Settings(Recipe(), "", "", 0.0, 0.0, 0, 0, "", 0)) | {"image_shape": [1] * 3}


def parse_settings(text: str, place: str) -> Settings:
    """Settings from the JSON text of the file `place`. Raises DataError."""
    try:
        return parsed(text, place)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{place}: not the run.json of this version: {error}") from error


def parsed(text: str, place: str) -> Settings:
    """The settings in a JSON text. Raises DataError, ValueError, TypeError or RecursionError."""
    later = {"fold": "", "image_shape": [1, 28, 28], "net_digest": "", "workers": 1}
    content = later | json.loads(text)
    values = {name: content.get(name) for name in Settings.__dataclass_fields__}
    recipe = parse_recipe(values["recipe"])
    require_same_form(ANY_SETTINGS, values | {"recipe": ANY_SETTINGS["recipe"]}, place)
    shape, fold = tuple(values["image_shape"]), values["fold"]
    if not 0 < math.prod(shape) < 1 << 31:
        raise ValueError(f"image_shape: expected (C, H, W), found {shape}")
    part, parts = map(int, fold.split("/")) if fold else (1, 1)
    if not 1 <= part <= parts:
        raise ValueError(f"fold: expected part K of N, found {fold}")
    if net_file.is_own(recipe.net) != bool(values["net_digest"]):
        raise ValueError("net_digest: expected one exactly where the net is from a file")
    return Settings(**values | {"recipe": recipe, "image_shape": shape})


def parse_recipe(content: dict[str, Any]) -> Recipe:
    """A recipe from its fields, also under their old names; a missing field has its default."""
    if not (isinstance(content, dict) and isinstance(content.get("net"), str)):
        raise ValueError("recipe: expected an object with a net")
    recipe = Recipe(**{OLD_NAMES.get(name, name): value for name, value in content.items()})
    for field in fields(recipe):
        checked(field, getattr(recipe, field.name))
    return recipe
