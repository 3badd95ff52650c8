"""Exercises on how a gradient becomes a step, how long a step is, and what is kept of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tinytrain import nn, optim
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, Rows

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
        "decay through the gradient, always": (
            "self.weight_decay and self.decoupled_weight_decay",
            "False",
        ),
    },
)


def progress(draw: Draw) -> dict[str, Any]:
    """A schedule and a place in the run, which may lie beyond its end."""
    total = draw.number(1, 20)
    place = draw.one_of(0.0, total, round(total * draw.number(0.9, 1.5), 3), draw.number(0, total))
    return {"total": total, "warmup": draw.one_of(0.2, draw.number(0, 0.9)), "epochs": place}


def factor(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The factor of the learning rate there."""
    schedule = made(arguments["total"], arguments["warmup"])
    return {"the factor": schedule(arguments["epochs"])}


WARMUP = Exercise(
    name="warm-up",
    title="Warm-up, and the fall to zero",
    shipped=optim.WarmupLinear,
    method="__call__",
    why="At the start the averages of Adam and of batch norm know nothing, so steps should be "
    "small; at the end the noise of the batches should die away, so they should be small again.",
    hints=(
        "First the share of the run that is done: epochs / total, held between 0 and 1.",
        "Below `warmup` the factor rises on a line from 0 to 1: share / warmup.",
        "After it falls on a line from 1 to 0: (1 − share) / (1 − warmup). With a warmup of 1 "
        "there is no fall: 1 at the very end.",
    ),
    arguments=progress,
    facts=factor,
    engine=engine.training,
    rungs=("falling",),
    mistakes={
        "the rise does not reach 1": ("progress / self.warmup", "progress"),
        "the fall begins below 1": ("(1 - progress) / (1 - self.warmup)", "(1 - progress)"),
        "below zero beyond the end": (
            "min(max(epochs / self.total, 0.0), 1.0)",
            "epochs / self.total",
        ),
        "epochs, not their share": ("max(epochs / self.total, 0.0)", "max(epochs, 0.0)"),
    },
)


def path(draw: Draw) -> dict[str, Any]:
    """What the weights are after each step, and how slowly the average forgets."""
    return {"values": draw.normal(4), "decay": draw.one_of(0.0, 0.2, 0.9)}


def averaged(made: Any, arguments: Mapping[str, Any]) -> Facts:
    """The average after each step; of what is counted, the count."""
    source = nn.BatchNorm2d(1)
    source.to(torch.float64)
    average = made(source, arguments["decay"])
    facts: Facts = {}
    for step, value in enumerate(arguments["values"].tolist(), 1):
        state = source.state_dict().items()
        source.load_state_dict({name: torch.full_like(held, value) for name, held in state})
        source.num_batches_tracked.fill_(step)
        average.update()
        for name in ("weight", "running_var", "num_batches_tracked"):
            facts[f"{name} after step {step}"] = average.net.state_dict()[name].clone()
    return facts | {"the weight that is averaged": source.weight.detach()}


AVERAGE = Exercise(
    name="average",
    title="The average of the weights",
    shipped=optim.ExponentialAverage,
    method="update",
    why="At a high rate the weights jump about a good place and never rest there. Their mean over "
    "the last few hundred steps does, for one addition a step; of all that is tried on this "
    "ladder's nets it is what shows most.",
    hints=(
        "self.pairs has (average, value) for each weight and each statistic. Count the step "
        "first: self.steps.",
        "average ← average + w · (value − average), in place: average.lerp_(value, w), with "
        "w = 1 − decay. A count of batches, which is no floating-point number, is copied.",
        "In the first steps w is larger, so that the start is forgotten: the larger of 1 − decay "
        "and 9 / (10 + steps).",
    ),
    arguments=path,
    facts=averaged,
    engine=engine.training,
    rungs=("averaged",),
    mistakes={
        "the start stays": ("max(1 - self.decay, 9 / (10 + self.steps))", "1 - self.decay"),
        "remembers what it should forget": ("max(1 - self.decay,", "max(self.decay,"),
        "steps are not counted": ("self.steps += 1", "self.steps += 0"),
        "counts stay behind": ("average.copy_(value)", "average.copy_(average)"),
        "the weight is 1 % too large": ("lerp_(value, weight)", "lerp_(value, 1.01 * weight)"),
    },
)
