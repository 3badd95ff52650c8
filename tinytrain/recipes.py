"""A recipe is everything about a run that is not the data, the seed or the machine.

It is a handful of plain values, so that it can be printed, compared, kept in a file and changed
from the command line, field by field; each named recipe states what it changes, and in which.
`train/build.py` turns one into a net, an optimizer and a schedule.
"""

from __future__ import annotations

import json
from dataclasses import Field, dataclass, field, replace
from typing import Any


def setting(default: Any, help: str, **limits: tuple[Any, ...]) -> Any:
    """A field of a recipe, of which the command line makes a flag.

    `limits`: `choices`, all values that it may have, or `range`, the lowest and the highest.
    """
    metadata = {"help": help, "choices": None, "range": None, **limits}
    return field(default=default, metadata=metadata)


def checked(field: Field[Any], value: Any) -> Any:
    """The value, as the field has it. Raises ValueError where the field cannot have it."""
    kind: Any = type(field.default)
    choices, limits = field.metadata["choices"], field.metadata["range"]
    kinds = (int, float) if kind is float else (kind,)
    fits = isinstance(value, kinds) and isinstance(value, bool) == (kind is bool)
    if fits and (value in choices if choices else not limits or limits[0] <= value <= limits[1]):
        return kind(value)
    nouns = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    expected = nouns[kind]
    if choices:
        expected = f"one of {', '.join(map(str, choices))}"
    elif limits:
        expected += f" from {limits[0]} to {limits[1]}"
    raise ValueError(f"{field.name}: expected {expected}, found {shown(value)}")


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"


@dataclass(frozen=True)
class Recipe:
    """How a net is trained. The defaults are a plain run: no augmentation, no averaging."""

    net: str = setting("net9_3", "the net: one of nets.NETS, or FILE.py:FUNCTION")
    epochs: int = setting(15, "times through the training images", range=(1, 10**6))
    batch_size: int = setting(128, "images a step", range=(1, 10**6))
    dropout: float = setting(
        0.0, "probability to silence a channel, in nets that can", range=(0, 1)
    )
    optimizer: str = setting("adam", "how a gradient becomes a step", choices=("adam", "sgd"))
    lr: float = setting(0.01, "the learning rate, at its highest", range=(1e-30, 1e30))
    momentum: float = setting(0.0, "momentum of SGD", range=(0, 1))
    nesterov: bool = setting(False, "Nesterov's kind of momentum")
    weight_decay: float = setting(0.0, "how much weights are pulled to zero", range=(0, 1e30))
    schedule: str = setting(
        "constant",
        "the rate over the run: constant; step, times gamma every step-size epochs; or "
        "warmup-linear, up over the first warmup share of the epochs, then down to zero",
        choices=("constant", "step", "warmup-linear"),
    )
    step_size: int = setting(6, "epochs between two steps of the rate", range=(1, 10**6))
    gamma: float = setting(0.1, "what a step multiplies the rate by", range=(0, 1e30))
    warmup: float = setting(0.2, "share of the epochs in which the rate rises", range=(0, 1))
    deskew: bool = setting(False, "make all digits upright first, those of the test, too")
    rotation: float = setting(0.0, "turn by up to so many degrees", range=(0, 180))
    shift: float = setting(0.0, "move by up to so many pixels", range=(0, 10**6))
    scale: float = setting(0.0, "size by a factor of up to e to the power of this", range=(0, 100))
    shear: float = setting(0.0, "slant by up to this share of the height", range=(0, 100))
    ema: float = setting(
        0.0, "decay of the exponential moving average of the weights, 0 for none", range=(0, 1)
    )
    shards: int = setting(
        0,
        "sum every batch in so many parts, in order: 1, 2, 4, … workers then give the same bits",
        range=(0, 1024),
    )
    tta: int = setting(
        1, "test-time augmentation: average over 1 or 5 one-pixel shifts", choices=(1, 5)
    )


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
    "averaged": {"ema": 0.996},
    "wide": {"net": "net9_3_wide2"},
    "final": {"dropout": 0.0, "rotation": 8, "shift": 1.5, "scale": 0.08, "shear": 0.15},
    "late7500": {"net": "late7500"},
}


def accumulated(changes: dict[str, dict[str, Any]]) -> dict[str, Recipe]:
    """The recipe of every rung, from its changes against the one before."""
    recipe, recipes = Recipe(), {}
    for name, change in changes.items():
        recipe = recipes[name] = replace(recipe, **change)
    return recipes


PLAIN_IMAGES: dict[str, Any] = {"rotation": 0, "shift": 0, "scale": 0, "shear": 0}

# What each ingredient of `final` is worth: the same recipe with that one taken away or replaced,
# and at last all augmentation, with averaging and without.
ABLATION: dict[str, dict[str, Any]] = {
    "without-averaging": {"ema": 0.0},
    "without-wide-view": {"net": "net9_3"},
    "without-rotation": {"rotation": 0},
    "without-shift": {"shift": 0},
    "without-scale": {"scale": 0},
    "without-shear": {"shear": 0},
    "no-augmentation": PLAIN_IMAGES,
    "no-augmentation-or-averaging": PLAIN_IMAGES | {"ema": 0.0},
    "constant-rate": {"schedule": "constant"},
}

# How wide a net should look: Net9 as the curriculum trains it, and the final net, by dilation.
VIEWS: dict[str, dict[str, Any]] = {
    "net9-dilation-2": {"net": "net9_wide2"},
    "net9-dilation-3": {"net": "net9_wide3"},
    "dilation-3": {"net": "net9_3_wide3"},
    "dilation-4": {"net": "net9_3_wide4"},
}

FEW_EPOCHS: dict[str, Any] = {
    **{"net": "framed7500", "tta": 5, "epochs": 3, "batch_size": 32},
    **{"lr": 0.015, "ema": 0.995},
    **{"rotation": 5, "shift": 1, "scale": 0.05, "shear": 0.08},
}

FEWER_EPOCHS = FEW_EPOCHS | {"net": "net9_3_wide3", "deskew": True}

FEW_PARAMETERS: dict[str, Any] = {
    **{"deskew": True, "tta": 5, "batch_size": 32, "lr": 0.015, "ema": 0.999},
    **{"rotation": 5, "shift": 1, "scale": 0.05, "shear": 0.08},
}

# Other limits: upright digits, more looks, fewer parameters or epochs.
FRONTIER: dict[str, dict[str, Any]] = {
    "upright": {"net": "net9_3", "deskew": True},
    "five-looks": {"net": "net9_3", "tta": 5},
    "fewest-parameters": {"net": "framed2791", "deskew": True, "tta": 5},
    "below-2000": FEW_PARAMETERS | {"net": "separable1908"},
    "below-1000": FEW_PARAMETERS | {"net": "separable942"},
    "three-epochs": FEW_EPOCHS,
    "two-epochs": FEWER_EPOCHS | {"epochs": 2, "batch_size": 16, "lr": 0.01, "ema": 0.997},
    "one-epoch": FEWER_EPOCHS | {"epochs": 1, "ema": 0.99},
}

RECIPES = accumulated(LADDER)
# What each of the others changes something in: the final recipe, or a rung.
BASES = dict.fromkeys(ABLATION | VIEWS | FRONTIER, "final")
BASES |= dict.fromkeys(("net9-dilation-2", "net9-dilation-3"), "net9")
RECIPES |= {
    name: replace(RECIPES[BASES[name]], **change)
    for name, change in (ABLATION | VIEWS | FRONTIER).items()
}
# One of your own: RECIPES["mine"] = replace(RECIPES["final"], lr=0.02)
