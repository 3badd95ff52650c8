"""Inspect a net: the shapes, parameters and multiplications of its layers.

A blank image is run through a copy of the net, in which every module notes its calls. So any
module that defines `forward` can be inspected, and the net itself stays as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tinytrain.nn.activations import LogSoftmax
from tinytrain.nn.layers import Conv2d, Flatten, Linear
from tinytrain.nn.module import Module

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A call of a module: its place in the net, and the shapes in and out, without batch axis."""

    name: str
    depth: int
    layer: Module
    input_shape: Shape
    output_shape: Shape


class DoesNotFit(ValueError):
    """A layer cannot take what it is given; the message names layer, shape and reason."""


def layer_rows(net: Module, input_shape: Shape = (1, 28, 28)) -> list[Row]:
    """Every call of a module below `net`, a stage before its layers, or of a net that has none.
    Raises ValueError where `input_shape`, without the batch axis, does not fit.
    """
    rows, _ = run_copy(net, input_shape)
    return rows[1:] or rows


def output_of(net: Module, input_shape: Shape = (1, 28, 28), training: bool = False) -> Tensor:
    """The output (1, ...) of a copy of `net` for one blank float32 input (1, *input_shape).

    Raises ValueError where `input_shape` does not fit, or one input alone does not in `training`;
    it names the innermost layer.
    """
    return run_copy(net, input_shape, training, torch.float32)[1]


def run_copy(
    net: Module, input_shape: Shape, training: bool = False, dtype: torch.dtype | None = None
) -> tuple[list[Row], Tensor]:
    """Run a copy of `net` on a blank input: all calls, that of the net first, and the output.

    The input is of `dtype`, by default that of the net's tensors, float32 where they have several.
    """
    twin = copy.deepcopy(net).train(training)
    rows: list[Row] = []
    noted: set[int] = set()
    for (name, layer), module in zip(net.named_modules(), list(twin.modules()), strict=True):
        if id(module) not in noted:  # a shared layer goes by its first name
            noted.add(id(module))
            vars(module)["forward"] = noting(name, layer, module.forward, rows)
    tensors = [tensor for tensor in twin.state_dict().values() if tensor.is_floating_point()]
    if len({tensor.dtype for tensor in tensors}) > 1:
        dtype = dtype or torch.float32
    blank = (tensors[0] if tensors else torch.empty(0)).new_zeros((1, *input_shape), dtype=dtype)
    elsewhere = [] if blank.device.type == "cpu" else [blank.device]
    with torch.no_grad(), torch.random.fork_rng(elsewhere, device_type=blank.device.type):
        return rows, twin(blank)


def noting(
    name: str, layer: Module, forward: Callable[[Tensor], Tensor], rows: list[Row]
) -> Callable[[Tensor], Tensor]:
    """A `forward` that adds its calls to `rows`; what it cannot take raises `DoesNotFit`."""

    def noted(input: Tensor) -> Tensor:
        shape, place = tuple(input.shape[1:]), len(rows)
        try:
            output = forward(input)
            if not isinstance(output, Tensor):
                raise TypeError(f"expected an output that is a tensor, found {type(output)}")
        except DoesNotFit:
            raise
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            kind, reason = type(layer).__name__, " ".join(str(error).split())
            where = f"{name} ({kind})" if name else kind
            raise DoesNotFit(f"{where}: does not take the shape {shape}: {reason}") from error
        depth = name.count(".") + bool(name)
        rows.insert(place, Row(name, depth, layer, shape, tuple(output.shape[1:])))
        return output

    return noted


def multiply_adds(row: Row) -> int:
    """Multiplications by a weight of a convolution or linear layer, for one look at one input."""
    if isinstance(row.layer, Conv2d):
        return row.layer.weight.numel() * math.prod(row.output_shape[1:])
    if isinstance(row.layer, Linear):
        return row.layer.weight.numel() * math.prod(row.output_shape[:-1])
    return 0


def parameter_count(module: Module) -> int:
    """The number of parameters of the module and all below it, learned or frozen."""
    return sum(parameter.numel() for parameter in module.parameters())


def learned_count(module: Module) -> int:
    """The number of parameters that are learned: those that require a gradient."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def own_parameters(module: Module) -> int:
    """The number of parameters that the module holds directly, without the modules below it."""
    held = vars(module).items()
    own = [tensor for name, tensor in held if name not in module.buffer_names]
    return sum(tensor.numel() for tensor in own if isinstance(tensor, Tensor))


def summary(net: Module, input_shape: Shape = (1, 28, 28)) -> str:
    """The table of layers, output shapes and parameters, and the totals.

    Megabytes are 2²⁰ bytes of float32; the pass size is twice (forward and backward) the outputs
    of the layers with parameters. Flattening and log-softmax have no row; a layer that is called
    again counts once. ≥ stands where layers of one's own may multiply, too.
    """
    rows = layer_rows(net, input_shape)
    table = [row for row in rows if not isinstance(row.layer, (Flatten, LogSoftmax))]
    rule = "=" * 90
    lines = [rule, f"{'Layer (type:depth-idx)':<41}{'Output Shape':<26}Param #", rule]
    indices: dict[int, int] = {}
    seen: set[int] = set()
    for row in table:
        index = indices[row.depth] = indices.get(row.depth, 0) + 1
        branch = "├─" if row.depth == 1 else "|    " * (row.depth - 1) + "└─"
        label = f"{branch}{type(row.layer).__name__}: {row.depth}-{index}"
        shape = str([-1, *row.output_shape])
        own = own_parameters(row.layer)
        count = "(again)" if id(row.layer) in seen else f"{own:,}" if own else "--"
        seen.add(id(row.layer))
        lines.append(f"{label:<41}{shape:<26}{count}")
    total = parameter_count(net)
    weighted = [row for row in table if own_parameters(row.layer)]
    known = all(type(row.layer).__module__.startswith("tinytrain.nn.") for row in weighted)
    outputs = sum(math.prod(row.output_shape) for row in weighted)
    numbers = math.prod(input_shape), 2 * outputs, total
    input_size, pass_size, parameter_size = (number * 4 / 2**20 for number in numbers)
    lines += [
        rule,
        f"Total params: {total:,}",
        f"Trainable params: {learned_count(net):,}",
        f"Non-trainable params: {total - learned_count(net):,}",
        f"Total mult-adds (M): {'' if known else '≥ '}{sum(map(multiply_adds, table)) / 1e6:.2f}",
        rule,
        f"Input size (MB): {input_size:.2f}",
        f"Forward/backward pass size (MB): {pass_size:.2f}",
        f"Params size (MB): {parameter_size:.2f}",
        f"Estimated Total Size (MB): {input_size + pass_size + parameter_size:.2f}",
        rule,
    ]
    return "\n".join(lines)
