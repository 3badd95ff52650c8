"""Build net, optimizer, schedule, augmentation and average from a recipe."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tinytrain import nets, optim, streams
from tinytrain.data.augment import Augmentation
from tinytrain.errors import UsageError
from tinytrain.nn import Module, functional
from tinytrain.nn.functional import Loss
from tinytrain.optim.schedules import Schedule
from tinytrain.recipes import Recipe
from tinytrain.train.checks import require_found
from tinytrain.train.state import Training

BuildNet = Callable[[str, float, torch.Generator], Module]  # of a name, a rate of dropout


def start(
    recipe: Recipe, seed: int, device: torch.device | str = "cpu", build_net: BuildNet = nets.build
) -> Training:
    """A `Training` at its start: the recipe's net with the seed's initial weights.

    Raises UsageError for a value that the recipe cannot have.
    """
    try:
        net = build_net(recipe.net, recipe.dropout, streams.generator(seed, "weights")).to(device)
        require_found(net)  # before an optimizer is made of what is found
        return Training(
            net=net,
            optimizer=new_optimizer(recipe, net),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            schedule=new_schedule(recipe),
            augmentation=new_augmentation(recipe),
            ema=optim.ExponentialMovingAverage(net, recipe.ema) if recipe.ema else None,
            loss=new_loss(recipe),
            clip=recipe.clip,
            seed=seed,
            tta=recipe.tta,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def new_optimizer(recipe: Recipe, net: Module) -> optim.Optimizer:
    """The optimizer that the recipe names, for the parameters of `net`."""
    common: dict[str, Any] = {"params": net.parameters(), "lr": recipe.lr}
    common["weight_decay"] = recipe.weight_decay
    if recipe.optimizer == "adam":
        if recipe.momentum or recipe.nesterov:
            raise ValueError("optimizer adam: has no momentum; set --momentum 0 --nesterov no")
        return optim.Adam(**common)
    if recipe.optimizer == "sgd":
        return optim.SGD(**common, momentum=recipe.momentum, nesterov=recipe.nesterov)
    if recipe.optimizer == "muon":
        momentum = recipe.momentum or 0.95
        return optim.Muon(**common, momentum=momentum, adjust_lr_fn="match_rms_adamw")
    raise ValueError(f"optimizer {recipe.optimizer}: expected adam, sgd or muon")


def new_augmentation(recipe: Recipe) -> Augmentation | None:
    """The recipe's augmentation, or None where it has none."""
    augmentation = Augmentation(recipe.rotation, recipe.shift, recipe.scale, recipe.shear)
    return None if augmentation == Augmentation() else augmentation


def new_loss(recipe: Recipe) -> Loss:
    """The loss that the recipe names."""
    if recipe.loss == "nll":
        return functional.nll_loss
    share = float(recipe.loss.removeprefix("label-smoothing="))
    if not 0 <= share < 1:
        raise ValueError(f"loss {recipe.loss}: expected a share of at least 0 and below 1")
    return partial(functional.smoothed_nll_loss, label_smoothing=share)


def new_schedule(recipe: Recipe) -> Schedule:
    """The schedule that the recipe names."""
    schedules: dict[str, Schedule] = {
        "constant": optim.Constant(),
        "step": optim.StepLR(recipe.step_size, recipe.gamma),
        "warmup-linear": optim.WarmupLinear(recipe.epochs, recipe.warmup),
        "cosine": optim.Cosine(recipe.epochs),
        "one-cycle": optim.Cosine(recipe.epochs, recipe.warmup, first=1 / 25, last=1 / 25e4),
    }
    if recipe.schedule not in schedules:
        raise ValueError(f"schedule {recipe.schedule}: expected one of {', '.join(schedules)}")
    return schedules[recipe.schedule]
