"""Optimizers of `torch.optim` and their schedulers, as tinytrain's."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from tinytrain import optim
from tinytrain.errors import UsageError
from tinytrain.train import Epoch


class Optimizer(optim.Optimizer):
    """A `torch.optim.Optimizer`; `lr` is that of its first group, the others keep their ratio.

    Raises UsageError for one that asks for more than gradients, as LBFGS, or for sparse ones, and
    for rates that are tensors.
    """

    def __init__(self, optimizer: Any) -> None:
        groups, kind = optimizer.param_groups, type(optimizer).__name__
        rates = first_rates(optimizer)
        if tensors := [rate for rate in rates if isinstance(rate, Tensor)]:
            raise UsageError(f"optimizer: {kind}: expected numbers as rates, found {tensors[0]}")
        super().__init__([param for group in groups for param in group["params"]], rates[0])
        self.optimizer = optimizer
        self.ratios = [rate / self.lr if self.lr else 1.0 for rate in rates]
        # torch makes the state of a parameter in its first step. A copy takes one, so that a
        # checkpoint has the same form before and after it.
        memo: dict[int, Any] = {}
        twin = copy.deepcopy(optimizer, memo)
        more = {name: value for name, value in vars(optimizer).items() if name not in vars(twin)}
        vars(twin).update(copy.deepcopy(more, memo))  # what a class of one's own holds besides
        for param in (param for group in twin.param_groups for param in group["params"]):
            param.grad = torch.zeros_like(param) if param.requires_grad else None
        try:
            type(twin).step(twin)  # a scheduler has wrapped the original's own `step`
        except (TypeError, RuntimeError) as error:
            raise UsageError(f"optimizer: {kind} cannot step: {error}") from error
        self.form = twin.state_dict()

    def step(self) -> None:
        for group, ratio in zip(self.optimizer.param_groups, self.ratios, strict=True):
            group["lr"] = self.lr * ratio
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        state = self.optimizer.state_dict()
        begun = bool(state["state"])
        return {"begun": begun, **state, "state": (state if begun else self.form)["state"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["begun"]:
            self.optimizer.load_state_dict({name: state[name] for name in self.form})


def first_rates(optimizer: Any) -> list[Any]:
    """The rates of the groups as they were before a scheduler set its first ones, as warm-up."""
    return [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]


class Schedule:
    """A scheduler of `torch.optim.lr_scheduler`, stepped after every epoch.

    One that needs a metric, as ReduceLROnPlateau, gets the training loss: the test set decides
    nothing. Raises UsageError for one to be stepped after every batch, and where the rates of the
    optimizer's groups change by different factors.
    """

    def __init__(self, scheduler: Any) -> None:
        if hasattr(scheduler, "total_steps") or hasattr(scheduler, "total_size"):
            kind = type(scheduler).__name__
            raise UsageError(f"schedule: {kind} is stepped every batch; take optim.Cosine")
        self.scheduler = scheduler
        self.stepped = 0
        self.first = first_rates(scheduler.optimizer)
        self.rates = [group["lr"] for group in scheduler.optimizer.param_groups]

    def __call__(self, epochs: float) -> float:
        return self.rates[0] / self.first[0] if self.first[0] else 1.0

    def see(self, history: Sequence[Epoch]) -> None:
        """Step once for each epoch that is new; on resuming, for all."""
        groups = self.scheduler.optimizer.param_groups
        needs_metric = "metrics" in signature(self.scheduler.step).parameters
        for epoch in history[self.stepped :]:
            for group, rate in zip(groups, self.rates, strict=True):
                group["lr"] = rate  # of an epoch, where the optimizer may have another since
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on resuming the optimizer has not stepped yet
                self.scheduler.step(*[epoch.train_loss] * needs_metric)
            self.rates = [group["lr"] for group in groups]
        self.stepped = len(history)
        factors = [
            rate / first for rate, first in zip(self.rates, self.first, strict=True) if first
        ]
        if factors and max(factors) - min(factors) > 1e-6 * max(factors):
            raise UsageError(f"schedule: expected one factor for all groups, found {factors}")
