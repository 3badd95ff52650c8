"""Run several parts of a batch through a net in one process, layer by layer.

A sum of floating-point numbers depends on its order, so two workers that halve a batch get other
last bits than one. Where the batch is always cut into the same parts, and sums over parts are
made in one order, the bits are the same wherever the parts are computed. A worker that has several
parts cannot finish one before the next: batch norm needs the statistics of all of them before any
can go on. So they go through the net together, as a list of inputs to replicas of the net.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from tinytrain.nn import BatchNorm2d, Dropout, Module, Sequential
from tinytrain.workers import parts as batch_parts
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
    """The outputs of replicas of a net, one a part, for the parts of a batch, in training.

    Raises ValueError where there are several parts and a net with batch norm is not made of
    `Sequential` down to it, or a layer other than dropout draws random numbers: every part would
    draw the same ones.
    """
    before = torch.default_generator.get_state()
    with layers_of_parts(nets, parts):
        outputs = together(nets, list(inputs), parts)
    if not torch.equal(before, torch.default_generator.get_state()):
        raise ValueError(
            "a layer draws from torch's own generator: parts of a batch would draw the same "
            "numbers; train without --workers and --shards"
        )
    return outputs


@contextmanager
def layers_of_parts(nets: Sequence[Module], parts: Sequence[Part]) -> Iterator[None]:
    """Within this context, layers that depend on the whole batch know their part of it.

    Those are batch norm and dropout: each gets a `forward` of its own, which is then taken away.
    """
    changed: list[Module] = []
    try:
        for net, part in zip(nets, parts, strict=True):
            for module in net.modules():
                if of_part := forward_of_part(module, part):
                    vars(module)["forward"] = of_part
                    changed.append(module)
        yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def forward_of_part(module: Module, part: Part) -> Callable[[Tensor], Tensor] | None:
    """`module.forward` for a part of a batch; None where the layer treats images one by one."""
    if isinstance(module, BatchNorm2d) and module.training:
        return lambda input: batch_parts.batch_norm([module], [input], [part])[0]
    if isinstance(module, Dropout):
        return partial(batch_parts.dropout, module, part) if module.training and module.p else None
    if isinstance(getattr(module, "generator", None), torch.Generator):
        raise ValueError(
            f"{type(module).__name__}: draws with its generator: parts of a batch would draw the "
            "same numbers; train without --workers and --shards"
        )
    return None


def together(nets: Sequence[Module], inputs: list[Tensor], parts: Sequence[Part]) -> list[Tensor]:
    """`forward`, of nets or layers that know their parts."""
    first = nets[0]
    if isinstance(first, BatchNorm2d) and first.training:
        norms = [net for net in nets if isinstance(net, BatchNorm2d)]
        return batch_parts.batch_norm(norms, inputs, parts)
    if type(first).forward is Sequential.forward:
        for layers in zip(*(net for net in nets if isinstance(net, Sequential)), strict=True):
            inputs = together(layers, inputs, parts)
        return inputs
    if len(nets) > 1 and any(isinstance(module, BatchNorm2d) for module in first.modules()):
        raise ValueError(
            f"{type(first).__name__}: with workers or shards batch norm may stand only in nested "
            "Sequentials; move it out of this layer, or leave out --workers and --shards"
        )
    return [net(input) for net, input in zip(nets, inputs, strict=True)]
