"""Module, the base class of layers and nets, and Sequential.

Parameters are found by looking, with no registration behind the scenes: `vars(module)` is
everything that the module holds, so its parameters are the tensors in there, and its children the
modules in there, each under the name of its attribute. Walking down the children gives the dotted
names ("conv1.0.weight") that `torch.nn` gives, so weights move between the two with
`load_state_dict`.

A tensor is a parameter unless the class names it in `buffer_names`: buffers, such as running
averages, belong to the state but are not learned. Of the parameters those are learned that require
a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


class Module:
    """The base of all layers and nets: subclass it, hold tensors and modules, define `forward`.

    Nothing else is asked of a layer of your own. A residual block (He et al., "Deep residual
    learning for image recognition", 2016) learns what to add to its input: as long as that is
    little, the input reaches the next layer, and its gradient the layer before.

    >>> import torch
    >>> from tinytrain import nn
    >>> class Residual(nn.Module):
    ...     def __init__(self, channels, generator=None):
    ...         conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, generator=generator)
    ...         self.change = nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())
    ...
    ...     def forward(self, input):
    ...         return input + self.change(input)
    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), Residual(8), nn.MaxPool2d(2), Residual(8))
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 8, 13, 13])
    """

    buffer_names: tuple[str, ...] = ()
    training = True

    def forward(self, input: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define forward")

    def __call__(self, input: Tensor) -> Tensor:
        return self.forward(input)

    def __repr__(self) -> str:
        """The class, the plain values that it holds (None: it has no such thing), its modules."""
        plain = (bool, int, float, str, tuple, type(None))
        text = ", ".join(
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if isinstance(value, plain) and name not in ("training", "generator")
        )
        children = "".join(f"\n({name}): {child!r}" for name, child in self.named_children())
        end = "\n)" if children else ")"
        return f"{type(self).__name__}({text}" + children.replace("\n", "\n  ") + end

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that this one holds directly, with the names of their attributes."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (under the name `prefix`) and, depth first, all modules below it."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all modules below it."""
        return (module for _, module in self.named_modules())

    def named_tensors(self) -> Iterator[tuple[str, Module, str]]:
        """(dotted name, module that holds it, attribute) of every parameter and buffer.

        The order is torch's: module by module, a module's parameters before its buffers.
        """
        for prefix, module in self.named_modules():
            held = [name for name, value in vars(module).items() if isinstance(value, Tensor)]
            for name in sorted(held, key=lambda name: name in module.buffer_names):
                yield (f"{prefix}.{name}" if prefix else name), module, name

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Dotted name and tensor of every parameter, in the order of the state dict."""
        return self.named_once(buffers=False)

    def parameters(self) -> Iterator[Tensor]:
        """Every parameter, in the order of the state dict."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Dotted name and tensor of every buffer, in the order of the state dict."""
        return self.named_once(buffers=True)

    def named_once(self, buffers: bool) -> Iterator[tuple[str, Tensor]]:
        """The buffers, or the parameters; a shared one only under its first name."""
        seen: set[int] = set()
        for name, module, attribute in self.named_tensors():
            tensor = getattr(module, attribute)
            if (attribute in module.buffer_names) == buffers and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def train(self, mode: bool = True) -> Module:
        """Switch this module and all below it to training, or to evaluation with `mode=False`."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch this module and all below it to evaluation."""
        return self.train(False)

    def set_generator(self, generator: torch.Generator | None) -> None:
        """Let all modules here that draw random numbers draw them from `generator`.

        Those are the modules with an attribute `generator`, a generator or None for torch's own.
        """
        for module in self.modules():
            if isinstance(getattr(module, "generator", False), torch.Generator | None):
                vars(module)["generator"] = generator

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Move to a device or to a floating-point dtype, in place; arguments as of `Tensor.to`.

        Integer buffers keep their dtype. Move a net before an optimizer is given its parameters:
        a tensor that has moved is another tensor.
        """
        places = [(module, attribute) for _, module, attribute in self.named_tensors()]
        held = [getattr(module, attribute) for module, attribute in places]
        moved: dict[int, Tensor] = {}
        for old in held:
            new = old.detach().to(*args, **kwargs)
            new = new if old.is_floating_point() else new.to(old.dtype)
            moved[id(old)] = new.requires_grad_(old.requires_grad)
        for (module, attribute), old in zip(places, held, strict=True):
            setattr(module, attribute, moved[id(old)])
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Every parameter and buffer under its dotted name, sharing memory with the module."""
        return {
            name: getattr(module, attribute).detach()
            for name, module, attribute in self.named_tensors()
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy `state` into the module; names and shapes must be exactly its own.

        Everything is checked before anything changes: RuntimeError lists all that differs.
        """
        own, differing = self.state_dict(), []
        for name in {**own, **state}:
            shapes = [tuple(held[name].shape) if name in held else "none" for held in (own, state)]
            if shapes[0] != shapes[1]:
                differing.append(f"{name}: expected {shapes[0]}, found {shapes[1]}")
        if differing:
            raise RuntimeError("; ".join(differing))
        for name, tensor in own.items():
            tensor.copy_(state[name])


class Sequential(Module):
    """Modules applied one after the other: `Sequential(a, b)`, or named, `Sequential({"a": a})`.

    Unnamed modules are called "0", "1", …, as in torch, and so is all else: the length, iteration
    over the modules, one by its number, several by a slice, which is a `Sequential` of the same
    modules under the same names.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        numbered = {str(index): module for index, module in enumerate(modules)}
        only = modules[0] if len(modules) == 1 else None
        for name, module in (only if isinstance(only, Mapping) else numbered).items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: {name}: expected a module, found {type(module)}")
            if hasattr(self, name) or not name or "." in name:
                raise ValueError(f"{name!r} cannot name a module: it is taken, empty or has a dot")
            setattr(self, name, module)

    def forward(self, input: Tensor) -> Tensor:
        for module in self:
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_children())[index]))
        return list(self)[index]
