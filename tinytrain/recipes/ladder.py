"""The curriculum, rung by rung: each states its changes to the one before.

SGD's learning rate and momentum and the angle are this project's choices, where the curriculum
gives none.
"""

from typing import Any

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
    "muon": {"optimizer": "muon"},
    "dense": {"net": "net9_3_dense"},
    "late7500": {"net": "late7500", "optimizer": "adam"},
}
