"""The settings of a run, as they stand in run.json.

They decide the outcome of a run, so that it can be repeated on another machine and years later.
All values are checked for type and range when they are read.
"""

import json
import math
from dataclasses import asdict, dataclass, field, fields

from tinytrain.errors import DataError
from tinytrain.nets import Task
from tinytrain.recipes import OLD_NAMES, Recipe, checked
from tinytrain.report.target import reason_not_judged
from tinytrain.runs import user_file
from tinytrain.runs.checkpoints import require_same_form

# Of taking a step: kernel by kernel, as a CUDA graph, or as one of kernels that were compiled.
WAYS = ("plain", "graph", "compiled")


@dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a run, as in `run.json` and in the checkpoint.

    `data_digest` is that of the files in use; `mean` and `std` normalise the images; `device` and
    `threads` (of each worker) decide the last bits of a sum; `fold` is "K/N" where part K of N of
    the training images is held out. `image_shape` is (C, H, W), and `digests` the sha256 (hex) of
    the files that functions of the recipe come from, by field. `workers` is the number of
    processes that the run was started with, `from_digest` the sha256 (hex) of the checkpoint that
    its first weights come from, and `freeze` names layers that do not learn. `classes` is the
    data's number of them, 0 in a run of an earlier version, whose net was not told. `compute` is
    how its steps are taken, one of `WAYS`, and `tf32` whether a GPU may round to TF32.
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
    digests: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    from_digest: str = ""
    freeze: str = ""
    classes: int = 0
    compute: str = "plain"
    tf32: bool = False

    @property
    def task(self) -> Task | None:
        """The task that the run's net was made for, None where it was not told."""
        return Task(self.classes, self.image_shape) if self.classes else None

    @property
    def reason_not_judged(self) -> str | None:
        """The reason why such runs cannot be judged by the target, or None where they can."""
        if self.from_digest:
            return "begun from another run's weights"
        return reason_not_judged(self.dataset, self.holdout, self.recipe.epochs)


ANY_SETTINGS = asdict(Settings(Recipe(), "", "", 0.0, 0.0, 0, 0, "", 0)) | {"image_shape": [1] * 3}


LATER = {"fold": "", "image_shape": [1, 28, 28], "digests": {}, "workers": 1}
LATER |= {"from_digest": "", "freeze": "", "classes": 0, "compute": "plain", "tf32": False}


def parse_settings(text: str, place: str) -> Settings:
    """Settings from the JSON text of the file `place`, also of an earlier version.

    What came `LATER`, and fields of the recipe, may be missing, and the recipe's fields may have
    their old names. Raises DataError.
    """
    try:
        content = LATER | json.loads(text)
        if digest := content.get("net_digest"):  # of an earlier version
            content["digests"] = {"net": digest}
        values = {name: content.get(name) for name in Settings.__dataclass_fields__}
        named = {OLD_NAMES.get(name, name): value for name, value in values["recipe"].items()}
        recipe = Recipe(**{"net": None} | named)  # a net is never missing
        for one in fields(recipe):
            checked(one, getattr(recipe, one.name))
        expected = ANY_SETTINGS | {"digests": {own.field: "" for own in user_file.own(recipe)}}
        require_same_form(expected, values | {"recipe": ANY_SETTINGS["recipe"]}, place)
        shape, fold = tuple(values["image_shape"]), values["fold"]
        if not 0 < math.prod(shape) < 1 << 31:
            raise ValueError(f"image_shape: expected (C, H, W), found {shape}")
        if not 0 <= values["classes"] <= 256:
            raise ValueError(f"classes: expected 0 to 256, found {values['classes']}")
        if values["compute"] not in WAYS:
            raise ValueError(f"compute: expected one of {WAYS}, found {values['compute']!r}")
        part, parts = map(int, fold.split("/")) if fold else (1, 1)
        if not 1 <= part <= parts:
            raise ValueError(f"fold: expected part K of N, found {fold}")
        return Settings(**values | {"recipe": recipe, "image_shape": shape})
    except (AttributeError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{place}: not the run.json of this version: {error}") from error
