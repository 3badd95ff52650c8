"""A net made of `torch.nn`, as one module of tinytrain's."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.nn import Module


class Net(Module):
    """A `torch.nn.Module` as one layer, which holds its tensors under the names they have there.

    The tensors are shared until this is moved to a device. Raises UsageError for a net whose
    weights are not there yet, as those of lazy layers.
    """

    def __init__(self, net: Any) -> None:
        named = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        try:
            shapes = {name: tensor.shape for name, tensor in named.items()}
        except RuntimeError as error:
            raise UsageError(f"net: run an image through it first: {error}") from error
        vars(self).update(named)
        self.names = list(shapes)
        self.buffer_names = tuple(name for name, _ in net.named_buffers())
        self.call = partial(torch.func.functional_call, net)
        self.set_mode = net.train  # a bound method, so that a copy of this has a copy of the net
        self.text = repr(net)

    def forward(self, input: Tensor) -> Tensor:
        self.set_mode(self.training)
        held = {name: vars(self)[name] for name in self.names}
        output: Tensor = self.call(held, (input,))
        vars(self).update(held)  # among them buffers that the net has replaced
        return output

    def __repr__(self) -> str:
        return f"Net({self.text})"
