"""Exercises on how a gradient becomes a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytrain import optim
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, Rows

STEPS = 3
LATE = "a second parameter, without a gradient (None) in step 1"
LATE_GRADIENTS = "its gradients from step 2 on"
STILL = "a third parameter, which never has a gradient"


def to_step(draw: Draw) -> dict[str, Any]:
    """Weights, and their gradients in each of three steps; others, which have not always one."""
    count = draw.integer(1, 3)
    return {
        "weights": draw.normal(count),
        "gradients": draw.normal(STEPS, count),
        LATE: draw.normal(1),
        LATE_GRADIENTS: draw.normal(STEPS - 1, 1),
        STILL: draw.normal(1),
    }


def stepped(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The weights after each step of an optimizer of the class `made`, and where they lie."""
    options = dict(arguments)
    names = "weights", LATE, STILL
    weights, late, still = params = [options.pop(name) for name in names]
    gradients, late_gradients = options.pop("gradients"), options.pop(LATE_GRADIENTS)
    places = [param.data_ptr() for param in params]
    optimizer = made(params, **options)
    facts: Facts = {}
    for step, gradient in enumerate(gradients, 1):
        weights.grad = gradient.clone()
        late.grad = late_gradients[step - 2].clone() if step > 1 else None
        optimizer.step()
        facts[f"weights after step {step}"] = weights.clone()
        facts[f"gradient after step {step}"] = weights.grad.clone()
        facts[f"second parameter after step {step}"] = late.clone()
    facts["third parameter, which has no gradient"] = still
    kept = places == [param.data_ptr() for param in params]
    return facts | {"parameters changed in place, where they lie (1 is yes)": int(kept)}


def for_sgd(draw: Draw) -> dict[str, Any]:
    """Settings that SGD takes: Nesterov's momentum goes without dampening."""
    nesterov, momentum = draw.one_of(True, False), draw.one_of(0.0, draw.number(0.1, 0.9))
    return {
        **to_step(draw),
        **{"lr": draw.number(0.01, 1), "momentum": momentum},
        "dampening": 0.0 if nesterov else draw.one_of(0.0, 0.4),
        "weight_decay": draw.one_of(0.0, 0.0, 0.3),
        "nesterov": nesterov and momentum > 0,
    }


def by_sgd() -> Rows:
    """Train with SGD and Nesterov's momentum."""
    return engine.training(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True)


SGD = Exercise(
    name="sgd",
    title="SGD with momentum, and Nesterov's",
    shipped=optim.SGD,
    method="step",
    why="The gradient of a batch points roughly downhill, and across the valley as often as along "
    "it. A velocity that remembers earlier gradients cancels what changes sides and adds up what "
    "stays.",
    hints=(
        "For each parameter that has a gradient: without momentum the step is −lr · gradient. "
        "Weight decay adds weight_decay · param to the gradient first, in a new tensor.",
        "With momentum: velocity ← momentum · velocity + (1 − dampening) · gradient, in place, "
        "in self.velocity[index]; the first velocity is the gradient itself, without dampening: "
        "self.steps[index] counts.",
        "The step is then −lr · velocity, or with Nesterov −lr · (gradient + momentum · "
        "velocity), with the new velocity: where one will be is where the slope counts.",
    ),
    arguments=for_sgd,
    facts=stepped,
    engine=by_sgd,
    rungs=("net1",),
    mistakes={
        "the first step is dampened": ("alpha=1 if first else 1 - self", "alpha=1 - self"),
        "Nesterov is forgotten": (
            "grad.add(velocity, alpha=self.momentum) if self.nesterov else velocity",
            "velocity",
        ),
        "uphill": ("alpha=-self.lr", "alpha=self.lr"),
        "the gradient itself is changed": ("grad = grad.add(param", "grad = grad.add_(param"),
        "no memory": ("velocity.mul_(self.momentum)", "velocity.mul_(0)"),
        "the rate is 1 % too high": ("alpha=-self.lr", "alpha=-1.01 * self.lr"),
        "one count for all": ("self.steps[index] == 0", "max(self.steps) == 0"),
        "not in place": (
            "param.add_(grad, alpha=-self.lr)",
            "param.data = param.add(grad, alpha=-self.lr)",
        ),
    },
)


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
        "one count for all": (
            "self.steps[index] += 1",
            "self.steps[index] = self.steps[0] + (index == 0)",
        ),
        "not in place": (
            "param.addcdiv_(mean, divisor, value=-self.lr / correction1)",
            "param.data = param.addcdiv(mean, divisor, value=-self.lr / correction1)",
        ),
        "a new tensor for each parameter": (
            "param.addcdiv_(mean, divisor, value=-self.lr / correction1)",
            "self.params[index] = param.addcdiv(mean, divisor, value=-self.lr / correction1)",
        ),
        "every parameter has a gradient": ("param.grad is None", "False"),
        "decay through the gradient, always": (
            "self.weight_decay and self.decoupled_weight_decay",
            "False",
        ),
    },
)
