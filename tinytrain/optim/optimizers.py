"""SGD and Adam: how a gradient becomes a step.

Both hold their parameters as torch's do, read `.grad` and change the parameters in place, and both
are written out even where they repeat each other, so that either can be read alone. A parameter
without a gradient, such as a frozen one, stays as it is.
"""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor


class Optimizer:
    """The base of optimizers, also of one's own: parameters, a rate, and a state to be saved.

    Subclasses define `step`, which reads `.grad` of `params`, and name in `state_names` the
    attributes that a later step depends on: lists of tensors, or of numbers.
    Raises ValueError for a rate below 0, and what `tensors` raises.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        require_range(lr=lr)
        self.params = tensors(params)
        self.lr = lr

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        raise TypeError(f"{type(self).__name__} does not define step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero in place with `set_to_none=False`."""
        for param in self.params:
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state that a later step depends on, besides the parameters."""
        return {name: getattr(self, name) for name in self.state_names}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy the state that `state_dict` gave into this optimizer's own tensors and lists."""
        for name in self.state_names:
            own = getattr(self, name)
            for index, (held, saved) in enumerate(zip(own, state[name], strict=True)):
                expected, found = (tuple(torch.as_tensor(each).shape) for each in (held, saved))
                if expected != found:
                    raise ValueError(f"{name}[{index}]: expected {expected}, found {found}")
                own[index] = held.copy_(saved) if isinstance(held, Tensor) else saved


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as torch's own.

    With gradient g (plus weight_decay · θ), momentum μ and dampening τ:

        v ← μ v + (1 − τ) g          (the first v is g itself)
        θ ← θ − lr · v               (Nesterov: θ − lr · (g + μ v))

    Sutskever et al., "On the importance of initialization and momentum", 2013. Raises ValueError
    for values outside their range, and for Nesterov without momentum or with dampening.
    """

    state_names = ("steps", "velocity")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        require_range(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        self.momentum = momentum
        self.dampening = dampening
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.steps = [0] * len(self.params)
        self.velocity = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for index, (param, velocity) in enumerate(zip(self.params, self.velocity, strict=True)):
            grad = param.grad
            if grad is None:
                continue
            if self.weight_decay:
                grad = grad.add(param, alpha=self.weight_decay)
            if self.momentum:
                share = 1 if self.steps[index] == 0 else 1 - self.dampening
                velocity.mul_(self.momentum).add_(grad, alpha=share)
                grad = grad.add(velocity, alpha=self.momentum) if self.nesterov else velocity
                self.steps[index] += 1  # only those with momentum: the first begins the velocity
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

    state_names = ("steps", "mean", "square")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, lr)
        require_range(eps=eps, weight_decay=weight_decay)
        require_betas(betas=betas)
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.decoupled_weight_decay = decoupled_weight_decay
        self.steps = [0] * len(self.params)
        self.mean = [torch.zeros_like(param) for param in self.params]
        self.square = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        beta1, beta2 = self.betas
        states = zip(self.params, self.mean, self.square, strict=True)
        for index, (param, mean, square) in enumerate(states):
            grad = param.grad
            if grad is None:
                continue
            if self.weight_decay and self.decoupled_weight_decay:
                param.mul_(1 - self.lr * self.weight_decay)
            elif self.weight_decay:
                grad = grad.add(param, alpha=self.weight_decay)
            self.steps[index] += 1
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            correction1 = 1 - beta1 ** self.steps[index]
            correction2 = 1 - beta2 ** self.steps[index]
            divisor = square.sqrt().div_(correction2**0.5).add_(self.eps)
            param.addcdiv_(mean, divisor, value=-self.lr / correction1)


def require_range(**values: float) -> None:
    """Raise ValueError where a value is negative, NaN, or no Python number, as a tensor is."""
    for name, value in values.items():
        if not (isinstance(value, Real) and value >= 0):
            raise ValueError(f"{name}: expected at least 0, found {value}")


def require_betas(**values: tuple[float, float]) -> None:
    """Raise ValueError where a value is no pair of numbers from 0 to below 1."""
    for name, betas in values.items():
        if len(betas) != 2 or not all(isinstance(beta, Real) and 0 <= beta < 1 for beta in betas):
            raise ValueError(f"{name}: expected two values in [0, 1), found {betas}")


def tensors(params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list.

    Raises TypeError for a bare tensor, a set, which has no order to save by, and torch's groups of
    parameters; ValueError for none, and for one that is there twice and would step twice.
    """
    if isinstance(params, Tensor | set):
        kind = type(params).__name__
        raise TypeError(f"params: expected an iterable in order, such as [vector], found a {kind}")
    params = list(params)
    if not params:
        raise ValueError("params: expected at least one tensor, found an empty list")
    if foreign := [type(param).__name__ for param in params if not isinstance(param, Tensor)]:
        raise TypeError(f"params: expected tensors, found {foreign[0]}")
    if len({*map(id, params)}) < len(params):
        raise ValueError("params: expected every tensor once, found one of them twice")
    return params
