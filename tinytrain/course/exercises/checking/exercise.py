"""An exercise: a function of the engine without its body, and how a right body is recognised.

Nothing here repeats the function: its signature and docstring are the task, its values and
gradients the answer. An exercise adds why, three hints, how arguments are drawn, known mistakes,
and what of the engine shows the learner's function at work.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.course.exercises.checking.training import train_on_digits

__all__ = ["Arguments", "Draw", "Exercise", "Facts", "Learned", "Rows", "call"]

Learned = Any  # the function or class that the learner wrote, or the shipped one
Arguments = Mapping[str, Any]  # name → value
Facts = dict[str, Any]  # name → tensor, number, text or nested lists of them


class Draw:
    """Draws the arguments of a case: always the same ones for the same case number."""

    def __init__(self, case: int) -> None:
        self.case = case
        self.generator = streams.generator(0, "exercise", case)

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def number(self, low: float, high: float) -> float:
        """A number from `low` to `high`, rounded to three places so that it is easy to read."""
        return round(low + (high - low) * float(torch.rand((), generator=self.generator)), 3)

    def one_of(self, *values: Any) -> Any:
        """One of the values, each as likely as the others."""
        return values[self.integer(0, len(values) - 1)]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float64."""
        return torch.randn(shape, dtype=torch.float64, generator=self.generator)

    def learned(self, *shape: int) -> Tensor:
        """Standard normal numbers that require a gradient, which is then compared, too."""
        return self.normal(*shape).requires_grad_()

    def stream(self) -> torch.Generator:
        """A generator to hand to the function itself."""
        return streams.generator(0, "exercise stream", self.case)


def call(function: Learned, arguments: Arguments) -> Facts:
    """Call `function`: its result, its arguments afterwards, and the gradients that it passes on.

    The gradient of the result differs from number to number: under the gradient of a sum, which
    is 1 everywhere, many a wrong backward gives the right answer. A tensor that requires a
    gradient is handed over as a copy, which the function may overwrite.
    """
    tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
    leaves = {name: value for name, value in tensors.items() if value.requires_grad}
    given = {**arguments, **{name: 1 * leaf for name, leaf in leaves.items()}}
    result = function(**given)
    facts: Facts = dict(vars(result)) if is_dataclass(result) else {"result": result}
    if isinstance(result, Tensor) and leaves:
        uneven = torch.randn(result.shape, generator=streams.generator(0, "uneven"))
        # The zeros stand for leaves that the result does not depend on.
        loss = (result * uneven).sum() + sum(0 * leaf.sum() for leaf in leaves.values())
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        pairs = zip(leaves, gradients, strict=True)
        facts |= {f"gradient of {name}": gradient for name, gradient in pairs}
    return facts | {f"{name} afterwards": given[name] for name in tensors}


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise:
    """A function, or a `method` of a class, to be written anew; the fields are names of its file.

    - `title`, `why`, three `hints`, each saying more than the one before: the file's docstring
    - `shipped`: the function or class; `also_replaces`: what else the learner's takes the place of
    - `draw_arguments`: draws the arguments of a case, anew each time
    - `observe`: what is compared of a call, to the relative `tolerance`
    - `demonstrate`: runs a part of the engine that uses the function; the numbers that it shows.
      By default a training, of the final recipe with these `changes`
    - `forbidden`: a regular expression for the names of torch functions that are the answer
      themselves; `body`: a right body, where the shipped one is not what the hints lead to
    - `rungs`: the lessons that the exercise belongs to
    - `mistakes`: known ones, a line each: `name: piece of the answer → what stands there instead`
    """

    name: str
    title: str
    why: str
    hints: Sequence[str]
    shipped: Any
    method: str = ""
    also_replaces: tuple[Any, ...] = ()
    draw_arguments: Callable[[Draw], Arguments]
    observe: Callable[[Learned, Arguments], Facts] = call
    tolerance: float = 1e-7
    demonstrate: Callable[..., Rows] = train_on_digits
    changes: Mapping[str, Any] = field(default_factory=dict)
    forbidden: str = ""
    body: str = ""
    rungs: tuple[str, ...] = ()
    mistakes: str

    @property
    def function(self) -> str:
        """The name of what is to be written: of the function, or Class.method."""
        return f"{self.shipped.__name__}.{self.method}".removesuffix(".")

    @property
    def known_mistakes(self) -> dict[str, tuple[str, str]]:
        """The known mistakes: name → (piece of the answer, what stands there instead)."""
        found = {}
        for entry in re.split(r"\n(?=\S)", self.mistakes.strip()):
            name, _, change = entry.partition(":")
            right, wrong = change.split("→")
            found[name] = right.strip(), " ".join(wrong.split())
        return found
