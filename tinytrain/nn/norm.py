"""The layers batch norm, layer norm and group norm: give numbers mean 0 and variance 1.

A deep net trains faster if the inputs of a layer keep their scale while the layers before it
learn. Batch norm takes the mean and variance of a channel over all images of a batch, and keeps
running ones for evaluation; layer norm and group norm take those of one image, over all or some of
its channels, in training as in evaluation. Each then multiplies by a weight and adds a bias, which
are learned.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tinytrain.nn import fast
from tinytrain.nn.module import Module


class BatchNorm2d(Module):
    """Normalise every channel of (N, C, H, W), then scale and shift it; C is `num_features`.

    See `functional.batch_norm`. Raises ValueError for an `eps` that is not positive, and for the
    momentum None that torch has, a mean over all batches.
    """

    buffer_names = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        if momentum is None or not eps > 0:
            raise ValueError(f"expected a momentum and eps above 0, found {momentum} and {eps}")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = torch.ones(num_features, requires_grad=True)
        self.bias = torch.zeros(num_features, requires_grad=True)
        self.running_mean = torch.zeros(num_features)
        self.running_var = torch.ones(num_features)
        self.num_batches_tracked = torch.tensor(0)

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked += 1
        numbers = self.running_mean, self.running_var, self.weight, self.bias
        return fast.batch_norm(input, *numbers, self.training, self.momentum, self.eps)


class LayerNorm(Module):
    """Normalise the last axes of (N, ..., *normalized_shape) together, then scale and shift.

    (x − mean) / √(variance + eps) · weight + bias, with the biased variance; weight and bias are
    of `normalized_shape`, or not there. Ba et al., "Layer normalization", 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        shape = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = torch.ones(*shape, requires_grad=True) if elementwise_affine else None
        shifted = elementwise_affine and bias
        self.bias = torch.zeros(*shape, requires_grad=True) if shifted else None

    def forward(self, input: Tensor) -> Tensor:
        return torch.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class GroupNorm(Module):
    """Normalise each group of channels of each image of (N, C, ...), then scale and shift.

    As `LayerNorm`, over a group; weight and bias are (C,), or not there. C is `num_channels`, and
    `num_groups` must divide it, or ValueError is raised, as for a group that is one value in all.
    Wu and He, "Group normalization", 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_groups: {num_groups} must divide num_channels, {num_channels}")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = torch.ones(num_channels, requires_grad=True) if affine else None
        self.bias = torch.zeros(num_channels, requires_grad=True) if affine and bias else None

    def forward(self, input: Tensor) -> Tensor:
        if input.numel() == self.num_groups:
            raise ValueError(f"group norm: expected several values, found {tuple(input.shape)}")
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
