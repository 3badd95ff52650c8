"""A recipe: everything about a run except the data, the seed and the machine, as plain values.

It can be printed, compared, kept in a file and changed from the command line field by field.
"""

import json
import re
from dataclasses import Field, dataclass, field
from typing import Any

OWN = "FILE.py:FUNCTION"


def setting(default: Any, help: str, **limits: tuple[Any, ...]) -> Any:
    """A field of a recipe, which is also a flag of the command line.

    `limits`: `choices`, all allowed values, where NAME=… takes a number, or `range`, the ends.
    """
    metadata = {"help": help, "choices": None, "range": None, **limits}
    return field(default=default, metadata=metadata)


def checked(field: Field[Any], value: Any) -> Any:
    """The value in the type of the field. Raises ValueError where the field cannot have it."""
    kind: Any = type(field.default)
    choices, limits = field.metadata["choices"], field.metadata["range"]
    kinds = (int, float) if kind is float else (kind,)
    fits = isinstance(value, kinds) and isinstance(value, bool) == (kind is bool)
    if choices:
        name = OWN if ".py" in str(value) else re.sub(r"=\d*\.?\d+$", "=…", str(value))
        fits = fits and (value in choices or name in choices)
    if fits and (not limits or limits[0] <= value <= limits[1]):
        return kind(value)
    nouns = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    expected = f"one of {', '.join(map(str, choices))}" if choices else nouns[kind]
    if limits:
        expected += f" from {limits[0]} to {limits[1]}"
    raise ValueError(f"{field.name}: expected {expected}, found {shown(value)}")


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"


OLD_NAMES = {"average": "ema", "looks": "tta"}  # of fields, as earlier versions wrote them


@dataclass(frozen=True)
class Recipe:
    """How a net is trained. The defaults are a plain run: no augmentation, no averaging."""

    net: str = setting("net9_3", "the net: one of nets.NETS, or FILE.py:FUNCTION")
    epochs: int = setting(15, "times through the training images", range=(1, 10**6))
    batch_size: int = setting(128, "images a step", range=(1, 10**6))
    dropout: float = setting(0.0, "share of channels to zero, in nets with dropout", range=(0, 1))
    optimizer: str = setting(
        "adam",
        "the optimizer: adam, sgd, muon (for matrices and convolutions, with Adam for all other "
        "weights), or a function of (params, lr) that returns an optim.Optimizer",
        choices=("adam", "sgd", "muon", OWN),
    )
    lr: float = setting(0.01, "the learning rate, at its highest", range=(1e-30, 1e30))
    momentum: float = setting(0.0, "momentum of SGD or Muon (with Muon 0 is 0.95)", range=(0, 1))
    nesterov: bool = setting(False, "Nesterov momentum (Muon always has it)")
    weight_decay: float = setting(0.0, "weight decay, as in the optimizer", range=(0, 1e30))
    schedule: str = setting(
        "constant",
        "the learning rate over the run: constant; step, times gamma every step-size epochs; "
        "warmup-linear, up over the first warmup share of the epochs, then down to zero; "
        "one-cycle, the same in half waves; cosine, down in one; or a function of (epochs) that "
        "returns one from the epochs done to a factor",
        choices=("constant", "step", "warmup-linear", "cosine", "one-cycle", OWN),
    )
    step_size: int = setting(6, "epochs between two steps of the learning rate", range=(1, 10**6))
    gamma: float = setting(0.1, "factor of the learning rate at each step", range=(0, 1e30))
    warmup: float = setting(0.2, "share of the epochs in which the rate rises", range=(0, 1))
    clip: float = setting(0.0, "largest norm of all gradients, 0 for any", range=(0, 1e30))
    loss: str = setting(
        "nll",
        "loss: nll; label-smoothing=0.1, a tenth for all; or a function of (outputs, labels)",
        choices=("nll", "label-smoothing=…", OWN),
    )
    augmentation: str = setting(
        "affine",
        "augmentation: affine, by the four after deskew, or a function of (images, generator)",
        choices=("affine", OWN),
    )
    deskew: bool = setting(False, "make all digits upright first, also those of the test set")
    rotation: float = setting(0.0, "rotate by up to this many degrees", range=(0, 180))
    shift: float = setting(0.0, "shift by up to this many pixels", range=(0, 10**6))
    scale: float = setting(0.0, "resize by a random factor between e^-S and e^S", range=(0, 100))
    shear: float = setting(0.0, "shear by up to this share of the height", range=(0, 100))
    ema: float = setting(0.0, "decay of the weights' moving average, 0 for none", range=(0, 1))
    shards: int = setting(
        0,
        "cut every batch into this many parts and add up their gradients in a fixed order, so "
        "that the result does not depend on the number of workers; 0: do not",
        range=(0, 1024),
    )
    tta: int = setting(
        1,
        "test-time augmentation: average over so many views of an image: 5, as it is and moved by "
        "a pixel each way; 9, also turned by 8 degrees each way and resized by e^0.08 and e^-0.08",
        choices=(1, 5, 9),
    )
