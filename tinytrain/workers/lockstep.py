"""Run several parts of a batch through a net in one process, layer by layer.

A sum of floating-point numbers depends on its order, so two workers that halve a batch get other
last bits than one. Where the batch is always cut into the same parts, and sums over parts are
made in one order, the bits are the same wherever the parts are computed. A worker that has several
parts cannot finish one before the next: batch norm needs the statistics of all of them before any
can go on. So they go through the net together, as a list of inputs to replicas of the net.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from tinytrain.nn import BatchNorm2d, Dropout, Dropout2d, Module, Sequential
from tinytrain.workers import parts as batch_parts
from tinytrain.workers.parts import Part

ALONE = "train without --workers and --shards"
# `forward` of layers that are the same for parts of a batch.
KNOWN = {Sequential.forward, BatchNorm2d.forward, Dropout.forward, Dropout2d.forward}


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
            f"numbers; {ALONE}"
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
            f"same numbers; {ALONE}"
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


@torch.no_grad()
def require_separable(
    net: Module, images: Tensor, count: int, here: int, generator: torch.Generator
) -> None:
    """Raise ValueError where training on a batch is not the same as on `count` parts of it.

    `here` of the parts are computed in one process, by replicas that share their buffers. In a
    copy of `net` every layer gets its input for `images` (N, C, H, W) whole and in parts. Outputs
    and buffers must be the same but for rounding, which they are not where a layer of one's own
    takes statistics over the images or draws. `generator` is dropout's.
    """
    parts = [Part(number, count, len(images), lambda rows: rows) for number in range(count)]
    twin = copy.deepcopy(net).train()
    twin.set_generator(generator)
    untouched = dict(copy.deepcopy(twin).named_modules())

    def comparing(name: str, module: Module) -> Callable[[Tensor], Tensor]:
        place = f"{name} ({type(module).__name__})".strip()
        forward_whole, before = module.forward, untouched[name]

        def compared(input: Tensor) -> Tensor:
            pieces = [input[part.rows].clone() for part in parts]
            another = replica if here > 1 else copy.deepcopy
            nets = [before, *(another(before) for _ in parts[1:])]
            for one in nets:
                one.set_generator(generator.clone_state())
            whole = forward_whole(input)  # compares the layers in it first, and so names them
            try:
                outputs = forward(nets, pieces, parts)
                full = [output for output, part in zip(outputs, parts, strict=True) if part.size]
                buffers = [[buffer for _, buffer in one.named_buffers()] for one in nets]
                wanted = [buffer for _, buffer in module.named_buffers()]
                pairs = [(wanted, found) for found in buffers] + [([whole], [torch.cat(full)])]
                if not all(all(map(same, *pair)) for pair in pairs):
                    raise RuntimeError("its output or buffers depend on the images together")
            except RuntimeError as error:
                raise ValueError(f"{place}: {error}; {ALONE}") from error
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            vars(module)["forward"] = forward_whole  # once is enough, where a net runs it twice
            return whole

        return compared

    for name, module in list(twin.named_modules()):
        # Batch norm in a layer of one's own needs a process for each part: it is trusted there.
        _, *inside = module.modules()
        norms = any(isinstance(inner, BatchNorm2d) for inner in inside)
        if type(module).forward not in KNOWN and not (norms and here == 1):
            vars(module)["forward"] = comparing(name, module)
    twin(images)


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal but for rounding."""
    if one.shape != other.shape:
        return False
    kind = one.dtype if one.is_floating_point() else torch.float32
    equal = (one == other) | (one.isnan() & other.isnan())  # infinities, too
    change = torch.where(equal, 0, one.to(kind) - other.to(kind))
    size = torch.linalg.vector_norm(one.to(kind).nan_to_num(0, 0, 0))
    return bool(torch.linalg.vector_norm(change) <= torch.finfo(kind).eps ** 0.5 * size)
