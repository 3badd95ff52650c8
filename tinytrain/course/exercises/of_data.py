"""Exercises on images on their way to a net: read, dealt out, normalised, moved, upright."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tinytrain import streams
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts
from tinytrain.data import batches


def to_deal_out(draw: Draw) -> dict[str, Any]:
    """Some rows, or 500 of them, whose order says how it came about."""
    count = draw.one_of(draw.integer(1, 12), draw.integer(2, 6), 500)
    return {"count": count, "batch_size": draw.integer(1, 7), "generator": draw.stream()}


def dealt_out(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """What is the same of every right way to shuffle: not the order itself."""
    count, size = arguments["count"], arguments["batch_size"]
    dealt, again, other = (
        function(count, size, streams.generator(seed, "order")) for seed in (1, 1, 2)
    )
    facts: Facts = {"rows in each batch": [len(rows) for rows in dealt]}
    order, same, fresh = (torch.cat(tuple(one)) for one in (dealt, again, other))
    facts["all rows, sorted"] = order.sort().values
    facts["places that the same generator fills otherwise"] = int((order != same).sum())
    if count == 500:
        together = float((order.diff() == 1).double().mean())
        facts["share of neighbours that stay together, or 0.1"] = max(together, 0.1)
        kept = float((order == fresh).double().mean())
        facts["share of places that another generator fills alike, or 0.1"] = max(kept, 0.1)
    return facts


SHUFFLE = Exercise(
    name="shuffle",
    title="Shuffle without losing the last batch",
    shipped=batches.shuffled,
    why="An epoch shows every image once, in an order that no other epoch has. Where the rest "
    "that makes no full batch is dropped, images are lost; where batches are shuffled in place of "
    "samples, the same images always keep company.",
    hints=(
        "torch.randperm(count, generator=generator) is an order of all rows, drawn from the "
        "generator that you are given and from no other.",
        "Cut that order into pieces of batch_size; what is left at its end is a piece, too, a "
        "shorter one.",
        "torch.split cuts a tensor into pieces of a size, the last one as short as it must be.",
    ),
    arguments=to_deal_out,
    facts=dealt_out,
    engine=engine.training,
    rungs=("net1",),
    mistakes={
        "the rest is dropped": (
            "torch.split(torch.randperm(count, generator=generator), batch_size)",
            "torch.randperm(count, generator=generator)"
            "[: count // batch_size * batch_size].split(batch_size)",
        ),
        "in order": ("torch.randperm(count, generator=generator)", "torch.arange(count)"),
        "from torch's own generator": ("(count, generator=generator)", "(count)"),
        "with replacement": (
            "torch.randperm(count, generator=generator)",
            "torch.randint(count, (count,), generator=generator)",
        ),
        "batches are shuffled, not samples": (
            "torch.split(torch.randperm(count, generator=generator), batch_size)",
            "[torch.arange(count).split(batch_size)[one] for one in "
            "torch.randperm(-(-count // batch_size), generator=generator)]",
        ),
    },
)
