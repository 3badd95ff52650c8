"""Build net, optimizer, schedule, augmentation and average from a recipe."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tinytrain import nets, streams
from tinytrain.data.augment import Augmentation
from tinytrain.errors import UsageError
from tinytrain.nn import Module
from tinytrain.optim import (
    SGD,
    Adam,
    Constant,
    ExponentialMovingAverage,
    Muon,
    Optimizer,
    StepLR,
    WarmupLinear,
)
from tinytrain.recipes import Recipe
from tinytrain.train.state import Training, require_found

BuildNet = Callable[[str, float, torch.Generator], Module]


def start(
    recipe: Recipe, seed: int, device: torch.device | str = "cpu", build_net: BuildNet = nets.build
) -> Training:
    """A `Training` at its start: the recipe's net with the seed's initial weights.

    `build_net` makes the net of a name, a dropout rate and a generator.
    Raises UsageError for a value that the recipe cannot have.
    """
    try:
        net = build_net(recipe.net, recipe.dropout, streams.generator(seed, "weights")).to(device)
        require_found(net)
        return Training(
            net=net,
            optimizer=new_optimizer(recipe, net),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            schedule=new_schedule(recipe),
            augmentation=new_augmentation(recipe),
            ema=ExponentialMovingAverage(net, recipe.ema) if recipe.ema else None,
            seed=seed,
            tta=recipe.tta,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def new_optimizer(recipe: Recipe, net: Module) -> Optimizer:
    """The optimizer that the recipe names, for the parameters of `net`."""
    if recipe.optimizer == "adam":
        if recipe.momentum or recipe.nesterov:
            raise ValueError("optimizer adam: has no momentum; set --momentum 0 --nesterov no")
        return Adam(net.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "sgd":
        return SGD(
            net.parameters(),
            recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
        )
    if recipe.optimizer == "muon":
        return Muon(
            net.parameters(),
            recipe.lr,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum or 0.95,
            adjust_lr_fn="match_rms_adamw",
        )
    raise ValueError(f"optimizer {recipe.optimizer}: expected adam, sgd or muon")


def new_augmentation(recipe: Recipe) -> Augmentation | None:
    """The recipe's augmentation, or None where it has none."""
    augmentation = Augmentation(recipe.rotation, recipe.shift, recipe.scale, recipe.shear)
    return None if augmentation == Augmentation() else augmentation


def new_schedule(recipe: Recipe) -> Callable[[float], float]:
    """The schedule that the recipe names."""
    if recipe.schedule == "constant":
        return Constant()
    if recipe.schedule == "step":
        return StepLR(recipe.step_size, recipe.gamma)
    if recipe.schedule == "warmup-linear":
        return WarmupLinear(recipe.epochs, recipe.warmup)
    raise ValueError(f"schedule {recipe.schedule}: expected constant, step or warmup-linear")
