"""Parameters laid end to end in one vector: an optimizer step is a dozen operations in all.

A step treats every number alike, so it need not know where one tensor ends and the next begins. A
dozen operations on each of net9_3's 23 tensors would be 276, most of them on a handful of numbers;
on one vector of 7,934 numbers they are a dozen. Gathering values and gradients, and writing the
values back, costs less than that saves. Net and loop never hear of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stretch:
    """Neighbours in a vector that take the next step together.

    `place` is where in the vector they lie, and `steps` how many steps they have taken.
    """

    params: Sequence[Tensor]
    place: slice
    steps: int

    def values(self) -> Tensor:
        """A copy of the parameters, as one vector."""
        return flatten(self.params)

    def gradients(self) -> Tensor:
        """A copy of their gradients, as one vector."""
        return flatten([param.grad for param in self.params if param.grad is not None])

    def write(self, values: Tensor) -> None:
        """Copy the vector `values` into the parameters."""
        pieces = torch.split(values, [param.numel() for param in self.params])
        for param, piece in zip(self.params, pieces, strict=True):
            param.copy_(piece.view_as(param))


class Group:
    """Parameters of one dtype on one device, and how many steps each has taken."""

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = params
        self.steps = [0] * len(params)
        ends = list(itertools.accumulate(param.numel() for param in params))
        self.bounds = [0, *ends]

    def zeros(self) -> Tensor:
        """A new vector with a number for each of the parameters' numbers."""
        return self.params[0].new_zeros(self.bounds[-1])

    def stretches(self) -> Iterator[Stretch]:
        """The parameters with a gradient: one stretch, unless some have none or lag behind."""

        def kind(index: int) -> tuple[bool, int]:
            return self.params[index].grad is not None, self.steps[index]

        for (ready, steps), run in itertools.groupby(range(len(self.params)), kind):
            if ready:
                members = list(run)
                first, end = members[0], members[-1] + 1
                place = slice(self.bounds[first], self.bounds[end])
                yield Stretch(self.params[first:end], place, steps)

    def count(self) -> None:
        """Note that every parameter with a gradient has taken a step."""
        for index, param in enumerate(self.params):
            self.steps[index] += param.grad is not None


def grouped(params: Sequence[Tensor]) -> list[Group]:
    """The parameters by dtype and device, in the order in which these first appear."""
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for param in params:
        groups.setdefault((param.dtype, param.device), []).append(param)
    return [Group(members) for members in groups.values()]


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors laid end to end in one new vector."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
