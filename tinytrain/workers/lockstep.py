"""Several parts of a batch in one process, layer by layer, so that they meet at batch norm.

A sum of floating-point numbers depends on its order, so two workers that halve a batch get other
last bits than one. Cut into the same parts, each computed by itself, with the sums over parts made
in one order, the bits are the same wherever the parts are. A worker with several of them cannot do
one after the other: batch norm needs the statistics of all before any can go on. So they go
through the net together, as a list; where a layer treats every image by itself, one by one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor

from tinytrain.nn.module import Module, Sequential
from tinytrain.nn.norm import BatchNorm2d
from tinytrain.workers.parts import Part


def replica(net: Module) -> Module:
    """A net on the weights and buffers of `net`, in the same memory, with gradients of its own."""
    shared: dict[int, Tensor] = {id(buffer): buffer for _, buffer in net.named_buffers()}
    for parameter in net.parameters():
        shared[id(parameter)] = parameter.detach().requires_grad_(parameter.requires_grad)
    return copy.deepcopy(net, shared)


def forward(
    nets: Sequence[Module], inputs: Sequence[Tensor], parts: Sequence[Part]
) -> list[Tensor]:
    """What replicas of a net, one a part, give for the parts of a batch.

    Raises ValueError where a net with batch norm is not made of `Sequential` down to it, and there
    are several parts.
    """
    for net, part in zip(nets, parts, strict=True):
        net.set_part(part)
    try:
        return together(nets, list(inputs))
    finally:
        for net in nets:
            net.set_part(None)


def together(nets: Sequence[Module], inputs: list[Tensor]) -> list[Tensor]:
    """`forward`, of nets or layers that know their parts."""
    first = nets[0]
    if isinstance(first, BatchNorm2d) and len(nets) > 1 and first.training:
        return first.together(nets, inputs)
    if type(first).forward is Sequential.forward:
        for layers in zip(*(net for net in nets if isinstance(net, Sequential)), strict=True):
            inputs = together(layers, inputs)
        return inputs
    if len(nets) > 1 and any(isinstance(module, BatchNorm2d) for module in first.modules()):
        raise ValueError(
            f"{type(first).__name__}: several parts of a batch go through batch norm together, "
            "and can where all that holds it is a Sequential"
        )
    return [net(input) for net, input in zip(nets, inputs, strict=True)]
