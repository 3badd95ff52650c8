"""The settings of a run, as they stand in run.json.

They decide the outcome of a run, so that it can be repeated on another machine and years later.
All values are checked for type and range when they are read.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields

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


LATER = {"fold": "", "image_shape": [1, 28, 28], "net_digest": "", "workers": 1}


def parse_settings(text: str, place: str) -> Settings:
    """Settings from the JSON text of the file `place`, also of an earlier version.

    What came `LATER`, and fields of the recipe, may be missing, and the recipe's fields may have
    their old names. Raises DataError.
    """
    try:
        content = LATER | json.loads(text)
        values = {name: content.get(name) for name in Settings.__dataclass_fields__}
        named = {OLD_NAMES.get(name, name): value for name, value in values["recipe"].items()}
        recipe = Recipe(**{"net": None} | named)  # a net is never missing
        for field in fields(recipe):
            checked(field, getattr(recipe, field.name))
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
    except (AttributeError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{place}: not the run.json of this version: {error}") from error
