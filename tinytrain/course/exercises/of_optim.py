"""Exercises on how a gradient becomes a step, how long a step is, and what is kept of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytrain import optim
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts

STEPS = 3


def to_step(draw: Draw) -> dict[str, Any]:
    """Weights, and their gradients in each of three steps."""
    count = draw.integer(1, 3)
    return {"weights": draw.normal(count), "gradients": draw.normal(STEPS, count)}


def stepped(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The weights after each step of an optimizer of the class `made`."""
    options = dict(arguments)
    weights, gradients = options.pop("weights"), options.pop("gradients")
    still = weights.clone()  # which never has a gradient
    optimizer = made([weights, still], **options)
    facts: Facts = {}
    for step, gradient in enumerate(gradients, 1):
        weights.grad = gradient.clone()
        optimizer.step()
        facts[f"weights after step {step}"] = weights.clone()
        facts[f"gradient after step {step}"] = weights.grad.clone()
    return facts | {"weights without a gradient": still}


ADAM = Exercise(
    name="adam",
    title="Adam, and the bias of its means",
    shipped=optim.Adam,
    method="step",
    why="Both means of Adam start at zero and are too small for their first steps, the mean "
    "square for about a thousand; divided by the share that they hold, the first step is as long "
    "as the rate says, and not three times that.",
    hints=(
        "For each parameter that has a gradient: count its step, let its mean move towards the "
        "gradient by 1 − β₁, and its square towards the gradient's square by 1 − β₂, both in "
        "place (lerp_, or mul_ and add_): the state is kept in self.mean and self.square.",
        "After t steps the mean holds only 1 − β₁ᵗ of what it should, the square 1 − β₂ᵗ. Divide "
        "by that when you use them, not where they are kept. t counts from 1.",
        "param.sub_(lr · m̂ / (ŝ.sqrt() + eps)). Weight decay: decoupled, first multiply the "
        "parameter by 1 − lr · weight_decay; otherwise add weight_decay · param to the gradient, "
        "in a new tensor (grad.add, without the underscore).",
    ),
    arguments=lambda draw: {
        **to_step(draw),
        "lr": draw.number(0.01, 1),
        "betas": (draw.number(0, 0.95), draw.number(0.5, 0.999)),
        "eps": draw.one_of(1e-8, 0.1),
        **{
            "weight_decay": draw.one_of(0.0, 0.3),
            "decoupled_weight_decay": draw.one_of(True, False),
        },
    },
    facts=stepped,
    engine=engine.training,
    rungs=("reference",),
    mistakes={
        "the mean's bias stays": (
            "correction1 = 1 - beta1 ** self.steps[index]",
            "correction1 = 1",
        ),
        "the square's bias stays": (
            "correction2 = 1 - beta2 ** self.steps[index]",
            "correction2 = 1",
        ),
        "steps count from 0": (
            "correction1 = 1 - beta1 ** self.steps[index]",
            "correction1 = 1 - beta1 ** (self.steps[index] + 1)",
        ),
        "eps under the root": (
            "square.sqrt().div_(correction2**0.5).add_(self.eps)",
            "square.add(self.eps).sqrt().div_(correction2**0.5)",
        ),
        "the rate is 1 % too high": ("value=-self.lr", "value=-1.01 * self.lr"),
        "decay through the gradient, always": (
            "self.weight_decay and self.decoupled_weight_decay",
            "False",
        ),
    },
)
