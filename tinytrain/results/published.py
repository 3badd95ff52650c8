"""The trained final net that comes with the package: weights of one finished run.

The file is a plain state dict, as `python -m tinytrain export` writes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from tinytrain import nets
from tinytrain.errors import DataError
from tinytrain.nn import Module
from tinytrain.results.records import FOLDER
from tinytrain.results.variations import RECIPES

WEIGHTS = FOLDER / "final.pt"
MEAN_STD = 0.1307, 0.3081  # of MNIST's pixels, from 0 to 1


def final_net(path: Path = WEIGHTS) -> Module:
    """Load the final net, in evaluation mode.

    Raises DataError where the weights are missing, damaged or of another net.
    """
    net = nets.build(RECIPES["final"].net)
    try:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:
        # torch raises errors of many types for bytes that it cannot read.
        raise DataError(f"{path}: no weights of the final net ({type(error).__name__})") from error
    return net.eval()


def digest() -> str:
    """Return sixteen hexadecimal digits that change with the published weights."""
    return hashlib.blake2b(WEIGHTS.read_bytes(), digest_size=8).hexdigest()
