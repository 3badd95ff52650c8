"""Build net, optimizer, schedule, augmentation and average from a recipe."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from tinytrain import nets, streams
from tinytrain.data.augment import Augmentation
from tinytrain.errors import UsageError
from tinytrain.nn import Module, functional
from tinytrain.optim import (
    SGD,
    Adam,
    Constant,
    Cosine,
    ExponentialMovingAverage,
    Muon,
    Optimizer,
    StepLR,
    WarmupLinear,
)
from tinytrain.recipes import Recipe
from tinytrain.train.checks import require_found
from tinytrain.train.state import Training

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
        require_found(net)  # before an optimizer is made of what is found
        return Training(
            net=net,
            optimizer=new_optimizer(recipe, net),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            schedule=new_schedule(recipe),
            augmentation=new_augmentation(recipe),
            ema=ExponentialMovingAverage(net, recipe.ema) if recipe.ema else None,
            loss=new_loss(recipe),
            clip=recipe.clip,
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


def new_loss(recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss that the recipe names."""
    if recipe.loss == "nll":
        return functional.nll_loss
    share = float(recipe.loss.removeprefix("label-smoothing="))
    if not 0 <= share < 1:
        raise ValueError(f"loss {recipe.loss}: expected a share of at least 0 and below 1")
    return partial(functional.smoothed_nll_loss, label_smoothing=share)


def new_schedule(recipe: Recipe) -> Callable[[float], float]:
    """The schedule that the recipe names."""
    schedules: dict[str, Callable[[], Callable[[float], float]]] = {
        "constant": Constant,
        "step": lambda: StepLR(recipe.step_size, recipe.gamma),
        "warmup-linear": lambda: WarmupLinear(recipe.epochs, recipe.warmup),
        "cosine": lambda: Cosine(recipe.epochs),
        "one-cycle": lambda: Cosine(recipe.epochs, recipe.warmup, first=1 / 25, last=1 / 25e4),
    }
    if recipe.schedule not in schedules:
        raise ValueError(f"schedule {recipe.schedule}: expected one of {', '.join(schedules)}")
    return schedules[recipe.schedule]()
