"""Dropout, and its scale.

Numbers that may be set to 0 at any step cannot rely on one another. Those that are kept must be
larger in return, or every layer would get less in training than in evaluation.

1. In evaluation, and where p is 0, nothing happens: return the input.
2. Draw a mask of the input's shape, 0 with probability p: torch.zeros_like(input).bernoulli_(1 -
   p, generator=generator). Draw from that generator alone, so that a run can be repeated. Another
   way to draw, such as torch.rand, is right, too, but drops other numbers: the training is then
   another run, as with another seed.
3. The expected value of what is kept is (1 − p) · input: divide the mask by 1 − p. With p = 1
   everything is 0, and nothing may be divided by 0.
"""

import torch

from tinytrain import streams
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned
from tinytrain.nn import functional

shipped = functional.dropout
tolerance = 0.03
changes = dict(dropout=0.1)
forbidden = "dropout"
rungs = ("net8", "net8_1")


def draw_arguments(draw: Draw) -> Arguments:
    """Many numbers, none of them 0, and the share that is to be dropped."""
    return {
        "input": (1 + draw.normal(20_000).square()).requires_grad_(),
        "p": draw.one_of(0.0, 1.0, draw.number(0.1, 0.8), draw.number(0.1, 0.8)),
        "training": draw.one_of(True, True, True, False),
        "generator": draw.stream(),
    }


def observe(function: Learned, arguments: Arguments) -> Facts:
    """Properties that every right way to draw shares; which numbers are dropped is free."""
    options = {name: value for name, value in arguments.items() if name != "generator"}
    input = options.pop("input")
    first, equal, another = (streams.generator(seed, "dropped") for seed in (1, 1, 2))
    output, again, other, following = (
        function(1 * input, generator=generator, **options)
        for generator in (first, equal, another, first)
    )
    uneven = torch.linspace(1, 2, len(input), dtype=input.dtype)
    (gradient,) = torch.autograd.grad(output, input, uneven, materialize_grads=True)
    factor = (output / input).detach()
    difference = (gradient / uneven - factor).abs()
    kept = factor[factor != 0]
    return {
        "share of numbers that are dropped": 1 - len(kept) / len(factor),
        "smallest factor of the others": float(kept.amin()) if len(kept) else 0.0,
        "largest factor of the others": float(kept.amax()) if len(kept) else 0.0,
        "largest difference of gradient and factor": float(difference.amax()),
        "numbers that differ with an equal generator": int((output != again).sum()),
        "share that another generator leaves alike": float((output == other).double().mean()),
        "share that the next call leaves alike": float((output == following).double().mean()),
    }


mistakes = """
no scale: .div_(1 - p) →
p of them are kept: bernoulli_(1 - p → bernoulli_(p
in evaluation, too: not training or p == 0 → p == 0
made smaller, not larger: .div_(1 - p) → .mul_(1 - p)
drawn from torch's own generator: 1 - p, generator=generator) → 1 - p)
every step alike: generator=generator)
    → generator=torch.Generator().manual_seed(generator.initial_seed()))
"""
