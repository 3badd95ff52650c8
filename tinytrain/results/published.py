"""The net of one finished run, published with the code: trained, ready to be looked at.

Its weights are a plain state dict, the one that `python -m tinytrain export` makes of a run.
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
MEAN_STD = 0.1307, 0.3081  # of MNIST's pixels, 0 … 1, by which its images are normalised


def digest() -> str:
    """Sixteen digits that change with the published weights."""
    return hashlib.blake2b(WEIGHTS.read_bytes(), digest_size=8).hexdigest()


def final_net(path: Path = WEIGHTS) -> Module:
    """The final net in evaluation mode, with the published weights.

    Raises DataError where they are missing, damaged or of another net.
    """
    net = nets.build(RECIPES["final"].net)
    try:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:
        # torch raises errors of many types for bytes that it cannot read.
        raise DataError(f"{path}: no weights of the final net ({type(error).__name__})") from error
    return net.eval()
