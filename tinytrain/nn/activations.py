"""Layers without weights: activations, dropout and softmax.

Without an activation between them two linear layers would be one. ReLU is the cheapest; GELU and
SiLU are smooth and let small negative values pass; Sigmoid and Tanh are flat at both ends, where
the gradient vanishes. Dropout zeroes some numbers in training, so that none is relied upon alone.
Softmax turns scores into probabilities.
"""

from typing import Any

import torch
from torch import Tensor

from tinytrain.nn import functional
from tinytrain.nn.functional import Generator
from tinytrain.nn.module import Module


class Identity(Module):
    """The input unchanged; takes any arguments, so it can stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class ReLU(Module):
    """max(x, 0), element by element; in the memory of its input with `inplace=True`."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.relu(input, self.inplace)


class SiLU(Module):
    """x · sigmoid(x), element by element; in the memory of its input with `inplace=True`."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.silu(input, self.inplace)


class GELU(Module):
    """x Φ(x), element by element, or with `approximate="tanh"` nearly that: `functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return functional.gelu(input, self.approximate)


class Sigmoid(Module):
    """1 / (1 + exp(−x)), element by element: from 0 to 1."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, element by element: from −1 to 1."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.tanh(input)


class Dropout(Module):
    """In training, zero each number with probability `p`; see `functional.dropout`."""

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator = None
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability: expected 0 to 1, found {p}")
        self.p = p
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout(input, self.p, self.training, self.inplace, self.generator)


class Dropout2d(Dropout):
    """In training, zero each channel of each image with probability `p`."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout2d(input, self.p, self.training, self.inplace, self.generator)


class Softmax(Module):
    """Scores to probabilities along the axis `dim`: exp(x) / Σ exp(x).

    Without `dim` that is, as in torch, axis 1, or 0 where there are one or three axes.
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return torch.softmax(input, class_axis(input, self.dim))


class LogSoftmax(Softmax):
    """Scores to log-probabilities: the logarithm of `Softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, class_axis(input, self.dim))


def class_axis(input: Tensor, dim: int | None) -> int:
    """`dim`, or the axis of the classes, as torch guesses it."""
    if dim is None:
        return 0 if input.dim() in (0, 1, 3) else 1
    return dim
