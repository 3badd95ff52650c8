"""An exercise: a function of the engine without its body, and what tells a right body from others.

Nothing here repeats the function: its signature and docstring are the task, its values and
gradients the answer. An exercise adds why, three hints, how arguments are drawn, and where in the
engine the learner's function goes to work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tinytrain import streams

Facts = dict[str, Any]  # what a call gave and left, by name: tensors, numbers, lists of them
Rows = dict[str, list[float]]  # what the engine shows with a function in it, by name


class Draw:
    """Where the arguments of a case come from: the same ones for the same case."""

    def __init__(self, case: int) -> None:
        self.case = case
        self.generator = streams.generator(0, "exercise", case)

    def integer(self, low: int, high: int) -> int:
        """One of low … high."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def number(self, low: float, high: float) -> float:
        """A number from `low` to `high`, of three digits, so that it can be read."""
        return round(low + (high - low) * float(torch.rand((), generator=self.generator)), 3)

    def one_of(self, *values: Any) -> Any:
        """One of the values."""
        return values[self.integer(0, len(values) - 1)]

    def normal(self, *shape: int) -> Tensor:
        """Normal random numbers, float64."""
        return torch.randn(shape, dtype=torch.float64, generator=self.generator)

    def learned(self, *shape: int) -> Tensor:
        """The same, of which the gradients are compared, too."""
        return self.normal(*shape).requires_grad_()

    def stream(self) -> torch.Generator:
        """A generator for the function itself."""
        return streams.generator(0, "exercise stream", self.case)


def values_and_gradients(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """What `function` gives, what it did to its arguments, and the gradients that it passes on.

    The gradient that comes from above differs from number to number: under the gradient of a sum,
    which is 1 everywhere, many a wrong backward is right. Of a tensor that wants a gradient the
    function is given a copy, which it may overwrite.
    """
    leaves = {
        name: value
        for name, value in arguments.items()
        if isinstance(value, Tensor) and value.requires_grad
    }
    given = {**arguments, **{name: 1 * leaf for name, leaf in leaves.items()}}
    result = function(**given)
    facts: Facts = {"result": result}
    if isinstance(result, Tensor) and leaves:
        facts["result"] = result.detach()
        uneven = torch.randn(result.shape, generator=streams.generator(0, "uneven")).to(result)
        gradients = [torch.zeros_like(leaf) for leaf in leaves.values()]
        if result.requires_grad:
            wanted = list(leaves.values())
            gradients = list(
                torch.autograd.grad(result, wanted, uneven.detach(), materialize_grads=True)
            )
        facts |= {f"gradient of {name}": one for name, one in zip(leaves, gradients, strict=True)}
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    return facts | {f"{name} afterwards": value.detach() for name, value in tensors.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise:
    """A function, or a `method` of a class, to be written anew.

    `shipped` is the function or the class; `replaces` what else of the engine the learner's takes
    the place of. `why` is a sentence, `hints` come one after another. `arguments` draws those of a
    case, anew each time; `facts` says what of a call is compared, to a relative `tolerance`.
    `engine` puts the engine to work and says what came of it. `kernels` are functions of torch's
    that are the answer themselves, `by_hand` the body without them where the shipped one calls
    such; `withheld` are names that the shipped body uses and the stub does not offer. `rungs`: of
    which lessons it is a part. `mistakes`, for the tests: a name, and what in the answer's source
    becomes what.
    """

    name: str
    title: str
    shipped: Any
    why: str
    hints: tuple[str, str, str]
    arguments: Callable[[Draw], dict[str, Any]]
    engine: Callable[[], Rows]
    mistakes: Mapping[str, tuple[str, str]]
    facts: Callable[[Any, Mapping[str, Any]], Facts] = values_and_gradients
    tolerance: float = 1e-7
    method: str = ""
    replaces: tuple[Any, ...] = ()
    kernels: tuple[str, ...] = ()
    by_hand: str = ""
    withheld: tuple[str, ...] = ()
    rungs: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        """The name of what is to be written: of the function, or Class.method."""
        return f"{self.shipped.__name__}{self.method and '.'}{self.method}"

    @property
    def file(self) -> str:
        """The name of the learner's file."""
        return f"{self.name.replace('-', '_')}.py"
