"""Named recipes besides the ladder's: one thing changed in the final recipe, and its limits.

`ABLATION` removes or replaces one ingredient of the final recipe, `VIEWS` changes the receptive
field, `FRONTIER` has other limits: upright digits, test-time augmentation, fewer parameters or
epochs, `OTHER_DATA` is for images of any kind.
"""

from typing import Any

PLAIN_IMAGES: dict[str, Any] = {"rotation": 0, "shift": 0, "scale": 0, "shear": 0}
LITTLE_AUGMENTATION: dict[str, Any] = {"rotation": 5, "shift": 1, "scale": 0.05, "shear": 0.08}

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

VIEWS: dict[str, dict[str, Any]] = {
    "net9-dilation-2": {"net": "net9_wide2"},
    "net9-dilation-3": {"net": "net9_wide3"},
    "dilation-3": {"net": "net9_3_wide3"},
    "dilation-4": {"net": "net9_3_wide4"},
}

SMALL_BATCHES = {"tta": 5, "batch_size": 32, "lr": 0.015} | LITTLE_AUGMENTATION
FEW_EPOCHS = {"net": "framed7500", "epochs": 3, "ema": 0.995} | SMALL_BATCHES
FEWER_EPOCHS = FEW_EPOCHS | {"ema": 0.997, "deskew": True, "optimizer": "muon", "tta": 9}
FEW_PARAMETERS = {"deskew": True, "ema": 0.999} | SMALL_BATCHES

FRONTIER: dict[str, dict[str, Any]] = {
    "upright": {"net": "net9_3", "deskew": True},
    "five-looks": {"net": "net9_3", "tta": 5},
    "fewest-parameters": {"net": "framed2791", "deskew": True, "tta": 5},
    "below-2000": FEW_PARAMETERS | {"net": "separable1908", "optimizer": "muon"},
    "below-1500": FEW_PARAMETERS | {"net": "separable1494", "optimizer": "muon"},
    "below-1000": FEW_PARAMETERS | {"net": "separable942"},
    "below-700": FEW_PARAMETERS | PLAIN_IMAGES | {"net": "separable695", "optimizer": "muon"},
    "three-epochs": FEW_EPOCHS,
    "two-epochs": FEWER_EPOCHS
    | {"net": "net9_3_wide3", "epochs": 2, "batch_size": 128, "lr": 0.045},
    "one-epoch": FEWER_EPOCHS
    | {"net": "net9_3_dense", "epochs": 1, "batch_size": 16, "warmup": 0.1},
}

# Which images stay what they are when they are turned or moved, only their owner knows.
OTHER_DATA: dict[str, dict[str, Any]] = {
    "own-data": PLAIN_IMAGES | {"net": "late7500", "optimizer": "muon", "batch_size": 32}
}
