"""How a gradient becomes a step: SGD and Adam, side by side.

Both read `.grad` and change the parameters in place, as torch's do; `change` is all in which they
differ. Both see a list of tensors; that the list may hold one vector with all the weights of a net
(`nn.flat`) makes a step a handful of operations instead of a handful for each tensor.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


class Optimizer:
    """What both hold: parameters, how many steps each has made, and a few tensors for each.

    `memory` names the attributes with those tensors, which are zero at first. Raises TypeError
    for a bare tensor, as torch does, and ValueError for no parameters.
    """

    memory: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params: expected an iterable, such as [vector], got a tensor")
        require_range(lr=lr, weight_decay=weight_decay)
        self.params = list(params)
        if not self.params:
            raise ValueError("params: expected at least one tensor, got an empty list")
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = [0] * len(self.params)
        for name in self.memory:
            setattr(self, name, [torch.zeros_like(param) for param in self.params])

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for index, param in enumerate(self.params):
            if param.grad is not None:
                self.steps[index] += 1
                self.change(index, param, param.grad)

    def change(self, index: int, param: Tensor, grad: Tensor) -> None:
        """Change `params[index]`, which is `param`, in place; never its gradient `grad`."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero in place with `set_to_none=False`."""
        for param in self.params:
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """What a later step depends on, besides the parameters."""
        return {name: getattr(self, name) for name in ("steps", *self.memory)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a copy of the state that `state_dict` gave."""
        for name in self.state_dict():
            setattr(self, name, copy.deepcopy(state[name]))


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as torch's own.

    With gradient g (plus weight_decay · θ), momentum μ and dampening τ:

        v ← μ v + (1 − τ) g          (the first v is g itself)
        θ ← θ − lr · v               (Nesterov: θ − lr · (g + μ v))

    Sutskever et al., "On the importance of initialization and momentum", 2013. Raises ValueError
    for values outside their range, and for Nesterov without momentum or with dampening.
    """

    velocity: list[Tensor]
    memory = ("velocity",)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        require_range(momentum=momentum)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, lr, weight_decay)
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov

    def change(self, index: int, param: Tensor, grad: Tensor) -> None:
        if self.weight_decay:
            grad = grad.add(param, alpha=self.weight_decay)
        if self.momentum:
            velocity = self.velocity[index]
            first = self.steps[index] == 1
            velocity.mul_(self.momentum).add_(grad, alpha=1 if first else 1 - self.dampening)
            grad = grad.add(velocity, alpha=self.momentum) if self.nesterov else velocity
        param.add_(grad, alpha=-self.lr)


class Adam(Optimizer):
    """Adam, as torch's own; with `decoupled_weight_decay`, as torch's AdamW.

    With gradient g (plus weight_decay · θ) at step t:

        m ← β₁ m + (1 − β₁) g        the mean gradient
        s ← β₂ s + (1 − β₂) g²       the mean squared gradient
        θ ← θ − lr · m̂ / (√ŝ + eps)   with m̂ = m / (1 − β₁ᵗ) and ŝ = s / (1 − β₂ᵗ)

    Both means start at zero; dividing by 1 − βᵗ takes that bias out. Kingma and Ba, "Adam", 2015.
    Decoupled, weight decay shrinks θ by lr · weight_decay · θ instead of joining the gradient:
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. Raises ValueError for
    values outside their range.
    """

    mean: list[Tensor]
    square: list[Tensor]
    memory = ("mean", "square")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
    ) -> None:
        require_range(eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas: expected two values in [0, 1), got {betas}")
        super().__init__(params, lr, weight_decay)
        self.betas = betas
        self.eps = eps
        self.decoupled_weight_decay = decoupled_weight_decay

    def change(self, index: int, param: Tensor, grad: Tensor) -> None:
        if self.weight_decay and self.decoupled_weight_decay:
            param.mul_(1 - self.lr * self.weight_decay)
        elif self.weight_decay:
            grad = grad.add(param, alpha=self.weight_decay)
        (beta1, beta2), step = self.betas, self.steps[index]
        mean, square = self.mean[index], self.square[index]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        divisor = square.sqrt().div_((1 - beta2**step) ** 0.5).add_(self.eps)
        param.addcdiv_(mean, divisor, value=-self.lr / (1 - beta1**step))


def require_range(**values: float) -> None:
    """Raise ValueError, as torch does, where a value is negative (or not a number)."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name}: expected at least 0, got {value}")
