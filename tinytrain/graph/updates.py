"""Optimizer steps whose changing numbers are tensors, as a captured graph needs them.

A graph repeats the same kernels on the same memory: a learning rate that was a Python number when
it was captured stays that number. So each step of `optim` is parted in two here. `numbers` are
worked out in Python, in double precision as ever, and count the step; `update` takes them as
tensors of no dimension and computes, bit for bit on a CPU, what the optimizer's own `step` does.
Both use the optimizer's own state, so that it can be saved at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.optim import SGD, Adam, ExponentialMovingAverage, Muon
from tinytrain.optim.muon import scale_of, size

Numbers = Iterator[float]
Tensors = Iterator[Tensor]


def sgd_numbers(sgd: SGD) -> Numbers:
    """Minus the rate, and the gradient's share of the velocity, for each stretch."""
    for group in sgd.groups:
        for some in group.stretches():
            yield -sgd.lr
            yield 1.0 if some.steps == 0 else 1 - sgd.dampening
        if sgd.momentum:
            group.count()


def sgd_update(sgd: SGD, numbers: Tensors) -> None:
    """`SGD.step`."""
    for group, velocities in zip(sgd.groups, sgd.velocity, strict=True):
        for some in group.stretches():
            param, grad = some.values(), some.gradients()
            rate, share = next(numbers).to(param), next(numbers).to(param)
            if sgd.weight_decay:
                grad.add_(param, alpha=sgd.weight_decay)
            if sgd.momentum:
                velocity = velocities[some.place]
                velocity.mul_(sgd.momentum).addcmul_(grad, share)
                grad = grad.add_(velocity, alpha=sgd.momentum) if sgd.nesterov else velocity
            some.write(param.addcmul_(grad, rate))


def adam_numbers(adam: Adam) -> Numbers:
    """Minus the corrected rate, the root of the square's correction, and 1 − lr · decay."""
    beta1, beta2 = adam.betas
    for group in adam.groups:
        for some in group.stretches():
            steps = some.steps + 1
            yield -adam.lr / (1 - beta1**steps)
            yield (1 - beta2**steps) ** 0.5
            yield 1 - adam.lr * adam.weight_decay
        group.count()


def adam_update(adam: Adam, numbers: Tensors) -> None:
    """`Adam.step`."""
    beta1, beta2 = adam.betas
    for group, means, squares in zip(adam.groups, adam.mean, adam.square, strict=True):
        for some in group.stretches():
            param, grad = some.values(), some.gradients()
            rate, root, kept = (next(numbers).to(param) for _ in range(3))
            if adam.weight_decay and adam.decoupled_weight_decay:
                param.mul_(kept)
            elif adam.weight_decay:
                grad.add_(param, alpha=adam.weight_decay)
            mean, square = means[some.place], squares[some.place]
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            divisor = square.sqrt().div_(root).add_(adam.eps)
            some.write(param.addcdiv_(mean * rate, divisor))


def muon_numbers(muon: Muon) -> Numbers:
    """Adam's numbers; then 1 − lr · decay, and minus the scaled rate for each matrix."""
    if muon.adam is not None:
        muon.adam.lr = muon.lr * muon.adam_ratio
        yield from adam_numbers(muon.adam)
    for group in muon.groups:
        for index in group:
            matrix = muon.matrices[index]
            if matrix.grad is not None:
                yield 1 - muon.lr * muon.weight_decay
                yield -muon.lr * scale_of(*size(matrix), muon.adjust_lr_fn)


def muon_update(muon: Muon, numbers: Tensors) -> None:
    """`Muon.step`."""
    if muon.adam is not None:
        adam_update(muon.adam, numbers)
    for matrix, direction, _ in muon.directions():
        kept, rate = next(numbers).to(matrix), next(numbers).to(matrix)
        if muon.weight_decay:
            matrix.mul_(kept)
        matrix.addcmul_(direction, rate)


def ema_numbers(ema: ExponentialMovingAverage) -> Numbers:
    """How far the averages move towards the weights."""
    yield ema.next_weight()


def ema_update(ema: ExponentialMovingAverage, numbers: Tensors) -> None:
    """`ExponentialMovingAverage.update`."""
    weight = next(numbers)
    for average, value in ema.pairs:
        if value.is_floating_point():
            average.lerp_(value, weight.to(value))
        else:
            average.copy_(value)


KINDS: dict[type, tuple[Callable[[Any], Numbers], Callable[[Any, Tensors], None]]] = {
    SGD: (sgd_numbers, sgd_update),
    Adam: (adam_numbers, adam_update),
    Muon: (muon_numbers, muon_update),
    ExponentialMovingAverage: (ema_numbers, ema_update),
}


class Updates:
    """One step of several of `KINDS`, from one vector of numbers on the device."""

    def __init__(self, steppers: list[Any], device: torch.device) -> None:
        for stepper in steppers:
            if type(stepper) not in KINDS:
                raise UsageError(
                    f"compute graph: {type(stepper).__name__} is not known here, whose step has "
                    "numbers that change; train with an optimizer of tinytrain, or without a graph"
                )
        self.steppers = steppers
        self.device = device
        self.numbers = torch.empty(0)

    def prepare(self) -> None:
        """Count the step, and put its numbers where `update` reads them."""
        values = [number for one in self.steppers for number in KINDS[type(one)][0](one)]
        numbers = torch.tensor(values, dtype=torch.float64)
        if not len(self.numbers):
            self.numbers = numbers.to(self.device)
        self.numbers.copy_(numbers, non_blocking=True)

    @torch.no_grad()
    def update(self) -> None:
        """Take the step: operations on tensors alone."""
        numbers = iter(self.numbers.unbind())
        for stepper in self.steppers:
            KINDS[type(stepper)][1](stepper, numbers)
