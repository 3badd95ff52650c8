"""Optimizer steps whose changing numbers are tensors, as a captured graph needs them.

A graph repeats the same kernels on the same memory: a learning rate that was a Python number when
it was captured stays that number. So each step of `optim` is parted in two here. `numbers` are
worked out in Python, in double precision as ever, and count the step; `update` takes them as
tensors of no dimension and computes, bit for bit on a CPU, what the optimizer's own `step` does.
Both use the optimizer's own state, so that it can be saved at any time. Of all tensors that take
the same step, `torch._foreach_…` computes an operation in a kernel or two, where a loop over
net9_3's 23 tensors would launch 23, most of them for a handful of numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.optim import SGD, Adam, ExponentialMovingAverage, Muon
from tinytrain.optim.muon import scale_of, size

Numbers = Iterator[float]
Tensors = Iterator[Tensor]


def alike(optimizer: SGD | Adam) -> list[list[int]]:
    """The parameters with a gradient, by number: of one dtype and device, after as many steps."""
    groups: dict[Any, list[int]] = {}
    for index, param in enumerate(optimizer.params):
        if param.grad is not None:
            kind = param.dtype, param.device, optimizer.steps[index]
            groups.setdefault(kind, []).append(index)
    return list(groups.values())


def held(optimizer: SGD | Adam, group: list[int], *names: str) -> Iterator[tuple[Tensor, ...]]:
    """The parameters of a group, their gradients, and of the optimizer's state what is named.

    Convolutions give gradients that lie channels last. One kernel for many tensors needs all of
    them to lie as their parameters do.
    """
    params = [optimizer.params[index] for index in group]
    yield tuple(params)
    yield tuple(param.grad.contiguous() for param in params if param.grad is not None)
    for name in names:
        yield tuple(getattr(optimizer, name)[index] for index in group)


def spread(number: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of these shapes with `number` in every place: a kernel takes no tensor for many."""
    sizes = [tensor.numel() for tensor in tensors]
    pieces = torch.split(number.to(tensors[0]).expand(sum(sizes)).contiguous(), sizes)
    return [piece.view_as(tensor) for piece, tensor in zip(pieces, tensors, strict=True)]


def sgd_numbers(sgd: SGD) -> Numbers:
    """Minus the rate, and the gradient's share of the velocity, for each group."""
    for group in alike(sgd):
        yield -sgd.lr
        yield 1.0 if sgd.steps[group[0]] == 0 else 1 - sgd.dampening
        for index in group if sgd.momentum else []:
            sgd.steps[index] += 1


def sgd_update(sgd: SGD, numbers: Tensors) -> None:
    """`SGD.step`."""
    for group in alike(sgd):
        params, grads, velocities = held(sgd, group, "velocity")
        rate, share = (spread(next(numbers), params) for _ in range(2))
        if sgd.weight_decay:
            grads = torch._foreach_add(grads, params, alpha=sgd.weight_decay)
        if sgd.momentum:
            torch._foreach_mul_(velocities, sgd.momentum)
            torch._foreach_addcmul_(velocities, grads, share)
            if sgd.nesterov:
                grads = torch._foreach_add(grads, velocities, alpha=sgd.momentum)
            else:
                grads = velocities
        torch._foreach_addcmul_(params, grads, rate)


def adam_numbers(adam: Adam) -> Numbers:
    """Minus the corrected rate, the root of the square's correction, and 1 − lr · decay."""
    beta1, beta2 = adam.betas
    for group in alike(adam):
        steps = adam.steps[group[0]] + 1
        yield -adam.lr / (1 - beta1**steps)
        yield (1 - beta2**steps) ** 0.5
        yield 1 - adam.lr * adam.weight_decay
        for index in group:
            adam.steps[index] = steps


def adam_update(adam: Adam, numbers: Tensors) -> None:
    """`Adam.step`."""
    beta1, beta2 = adam.betas
    for group in alike(adam):
        params, grads, means, squares = held(adam, group, "mean", "square")
        rate, root, kept = (next(numbers).to(params[0]) for _ in range(3))
        if adam.weight_decay and adam.decoupled_weight_decay:
            torch._foreach_mul_(params, kept)
        elif adam.weight_decay:
            grads = torch._foreach_add(grads, params, alpha=adam.weight_decay)
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
        divisors = torch._foreach_sqrt(squares)
        torch._foreach_div_(divisors, root)
        torch._foreach_add_(divisors, adam.eps)
        torch._foreach_addcdiv_(params, torch._foreach_mul(means, rate), divisors)


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
    for dtype in dict.fromkeys(value.dtype for _, value in ema.pairs):
        pairs = [pair for pair in ema.pairs if pair[1].dtype == dtype]
        averages, values = zip(*pairs, strict=True)
        if dtype.is_floating_point:
            torch._foreach_lerp_(averages, values, spread(weight, values))
        else:
            torch._foreach_copy_(averages, values)


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
        self.numbers.copy_(numbers, non_blocking=True)  # as few do not wait for what a GPU is at

    @torch.no_grad()
    def update(self) -> None:
        """Take the step: operations on tensors alone."""
        numbers = iter(self.numbers.unbind())
        for stepper in self.steppers:
            KINDS[type(stepper)][1](stepper, numbers)
