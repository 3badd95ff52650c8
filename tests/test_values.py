"""Dataclasses are values that stay as they are; the state of a training is the exception."""

import pkgutil
from dataclasses import is_dataclass
from importlib import import_module

import pytest

from tinytrain.train import Training

ROOMS = ("nn", "optim", "data", "nets", "train", "store", "runs", "workers")


@pytest.mark.parametrize("room", ROOMS)
def test_dataclasses_are_frozen(room):
    package = import_module(f"tinytrain.{room}")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        kinds = [kind for kind in vars(import_module(module.name)).values() if is_dataclass(kind)]
        for kind in kinds:
            assert kind is Training or kind.__dataclass_params__.frozen, kind
