"""A recipe is everything about a run that is not the data, the seed or the machine.

It is a handful of plain values, so that it can be printed, compared, kept in a file and changed
from the command line; each named recipe states what it is for. `build.py` turns it into a net, an
optimizer and a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How a net is trained. The defaults are a plain run: no augmentation, no averaging.

    `schedule` is "constant", "step" (×`gamma` every `step_size` epochs) or "warmup-linear" (up
    over the first `warmup` share of the epochs, then down to zero). `deskew` makes all digits
    upright, those of the test, too, before anything else. `rotation` is in degrees,
    `shift` in pixels, `scale` and `shear` as in `augment.Augmentation`. `average` is the decay of
    the exponential average of the weights, 0 for none. `looks` is how many times evaluation looks
    at an image, 1 or 5.
    """

    net: str = "net9_3"
    epochs: int = 15
    batch_size: int = 128
    dropout: float = 0.0
    optimizer: str = "adam"
    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    step_size: int = 6
    gamma: float = 0.1
    warmup: float = 0.2
    deskew: bool = False
    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    average: float = 0.0
    looks: int = 1


# The curriculum, rung by rung: what each changes in the recipe of the one before. The rate of SGD,
# its momentum and the angle are this project's choices, where the curriculum gives none.
LADDER: dict[str, dict[str, Any]] = {
    "net1": {"net": "net1", "optimizer": "sgd", "lr": 0.03, "momentum": 0.9, "schedule": "step"},
    "net2": {"net": "net2"},
    "net3": {"net": "net3"},
    "net4": {"net": "net4"},
    "net5": {"net": "net5"},
    "net6": {"net": "net6"},
    "net7": {"net": "net7"},
    "net8": {"net": "net8", "dropout": 0.1},
    "net8_1": {"dropout": 0.01},
    "net9": {"net": "net9"},
    "net9-rotation": {"rotation": 7},
    "net9_3": {"net": "net9_3"},
    "reference": {"optimizer": "adam", "lr": 0.01, "momentum": 0.0},
    # Here the curriculum ends, and tinytrain's own rungs begin.
    "falling": {"schedule": "warmup-linear", "lr": 0.03},
    "averaged": {"average": 0.996},
    "final": {"dropout": 0.0, "rotation": 8, "shift": 1.5, "scale": 0.08, "shear": 0.15},
    "late7500": {"net": "late7500"},
}


def accumulated(changes: dict[str, dict[str, Any]]) -> dict[str, Recipe]:
    """The recipe of every rung, from its changes against the one before."""
    recipe, recipes = Recipe(), {}
    for name, change in changes.items():
        recipe = recipes[name] = replace(recipe, **change)
    return recipes


# What each ingredient of `final` is worth: the same recipe with that one taken away.
ABLATION: dict[str, dict[str, Any]] = {
    "without-averaging": {"average": 0.0},
    "without-rotation": {"rotation": 0},
    "without-shift": {"shift": 0},
    "without-scale": {"scale": 0},
    "without-shear": {"shear": 0},
    "constant-rate": {"schedule": "constant"},
    "batch-64": {"batch_size": 64},
    "with-dropout": {"dropout": 0.01},
}

FEW_EPOCHS: dict[str, Any] = {
    **{"net": "framed7500", "epochs": 3, "batch_size": 32, "lr": 0.015, "average": 0.995},
    **{"rotation": 5, "shift": 1, "scale": 0.05, "shear": 0.08, "looks": 5},
}

# Beyond the final recipe: upright digits, more arithmetic, fewer parameters, fewer epochs.
FRONTIER: dict[str, dict[str, Any]] = {
    "upright": {"deskew": True},
    "five-looks": {"looks": 5},
    "fewest-parameters": {"net": "framed2791", "deskew": True, "looks": 5},
    "three-epochs": FEW_EPOCHS,
    "two-epochs": FEW_EPOCHS | {"epochs": 2, "deskew": True},
}

RECIPES = accumulated(LADDER)
RECIPES |= {
    name: replace(RECIPES["final"], **change) for name, change in (ABLATION | FRONTIER).items()
}
# One of your own: RECIPES["mine"] = replace(RECIPES["final"], lr=0.02)
