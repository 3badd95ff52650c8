"""Inspect a net: the shapes and parameters of its layers.

A blank image is run through a copy of the net, in which every module notes its calls. So any
module that defines `forward` can be inspected, and the net itself stays as it is.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tinytrain.errors import UsageError
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


class DoesNotFit(UsageError, ValueError):
    """A layer cannot take what it is given; the message names layer, shape and reason."""


def layer_rows(net: Module, input_shape: Shape = (1, 28, 28)) -> list[Row]:
    """Every call of a module below `net`, a stage before its layers, or of a net that has none."""
    rows, _ = run_copy(net, input_shape)
    return rows[1:] or rows


def output_of(net: Module, input_shape: Shape = (1, 28, 28), training: bool = False) -> Tensor:
    """The output (1, ...) of a copy of `net` for one blank float32 input (1, *input_shape)."""
    return run_copy(net, input_shape, training)[1]


def run_copy(net: Module, input_shape: Shape, training: bool = False) -> tuple[list[Row], Tensor]:
    """Run a copy of `net` on a blank input: all calls, that of the net first, and the output.

    Raises DoesNotFit where `input_shape` does not fit, or one input alone does not in `training`.
    """
    twin = copy.deepcopy(net).train(training)
    rows: list[Row] = []
    noted: set[int] = set()
    for (name, layer), module in zip(net.named_modules(), list(twin.modules()), strict=True):
        if id(module) not in noted:  # a shared layer goes by its first name
            noted.add(id(module))
            vars(module)["forward"] = noting(name, layer, module.forward, rows)
    device = next((tensor.device for tensor in twin.state_dict().values()), torch.device("cpu"))
    elsewhere = [] if device.type == "cpu" else [device]
    with torch.no_grad(), torch.random.fork_rng(elsewhere, device_type=device.type):
        return rows, twin(torch.zeros(1, *input_shape, device=device))


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


def parameter_count(module: Module) -> int:
    """The number of parameters of the module and all below it, learned or frozen."""
    return sum(parameter.numel() for parameter in module.parameters())
