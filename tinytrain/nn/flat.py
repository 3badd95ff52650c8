"""All the weights of a net as one vector.

An optimizer step treats every weight alike, so it need not know where one tensor ends and the next
begins. Laid end to end in one vector, with the net's parameters as views into it, a step is a few
operations on 7,934 numbers instead of a few for each of 23 tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tinytrain.nn.module import Module


def flatten_parameters(net: Module) -> Tensor:
    """Move the parameters of `net` into one vector (P,), and return it: they become views of it.

    Changing the vector changes the net and the other way round; each is a leaf of autograd with a
    gradient of its own (`flatten` makes a vector of the gradients). Do it after `Module.to`, which
    would part the two.
    """
    parameters = list(net.parameters())
    vector = flatten([parameter.detach() for parameter in parameters]).requires_grad_()
    pieces = torch.split(vector.detach(), [parameter.numel() for parameter in parameters])
    views = {
        id(parameter): piece.view(parameter.shape).requires_grad_()
        for parameter, piece in zip(parameters, pieces, strict=True)
    }
    for _, module, attribute in list(net.named_tensors()):
        held = getattr(module, attribute)
        setattr(module, attribute, views.get(id(held), held))
    return vector


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors laid end to end in one new vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
