"""A recipe is everything about a run that is not the data, the seed or the machine.

It is a handful of plain values, so that it can be printed, compared, kept in a file and changed
from the command line; each named recipe states what it is for. `build.py` turns it into a net, an
optimizer and a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a net is trained. The defaults are a plain run: no augmentation, no averaging.

    `schedule` is "constant", "step" (×`gamma` every `step_size` epochs) or "warmup-linear" (up
    over the first `warmup` share of the epochs, then down to zero). `rotation` is in degrees,
    `shift` in pixels, `scale`, `shear` and `erase` as in `augment.Augmentation`. `average` is the
    decay of the exponential average of the weights, 0 for none.
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
    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    erase: float = 0.0
    average: float = 0.0


RECIPES = {
    # Holds the target: a rate that rises, then falls to zero, and weights averaged along the path.
    "final": Recipe(
        lr=0.03,
        schedule="warmup-linear",
        rotation=8,
        shift=1.5,
        scale=0.08,
        shear=0.15,
        average=0.996,
    ),
    # The curriculum's last rung: Adam, a rate that falls in steps, rotation only.
    "reference": Recipe(dropout=0.01, schedule="step", rotation=7),
}
