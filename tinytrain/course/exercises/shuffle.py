"""Shuffle without losing the last batch.

An epoch shows every image once, in an order that no other epoch has. If the remainder that fills
no batch is dropped, images are lost; if batches are shuffled instead of samples, the same images
share a batch in every epoch.

1. torch.randperm(count, generator=generator) is an order of all rows, drawn from the generator
   that you are given and from no other.
2. Cut that order into pieces of batch_size; what is left at its end is a shorter piece.
3. torch.split cuts a tensor into pieces of a size; the last one is as short as it must be.
"""

import torch

from tinytrain import streams
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned
from tinytrain.data import batches

shipped = batches.shuffled
rungs = ("net1",)

MANY = 200  # rows, enough for their order to show how it was made


def draw_arguments(draw: Draw) -> Arguments:
    """A few rows, or many."""
    count = draw.one_of(draw.integer(1, 12), draw.integer(2, 6), MANY)
    return {"count": count, "batch_size": draw.integer(1, 7), "generator": draw.stream()}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """Properties that every right way to shuffle shares; the order itself is free."""
    count, batch_size = arguments["count"], arguments["batch_size"]
    first, equal, other = (streams.generator(seed, "order") for seed in (1, 1, 2))
    epochs = [function(count, batch_size, generator) for generator in (first, equal, other, first)]
    order, again, fresh, following = (torch.cat((torch.arange(0), *epoch)) for epoch in epochs)
    facts: Facts = {
        "number of batches": len(epochs[0]),
        "rows in each batch": torch.tensor([len(rows) for rows in epochs[0]]),
        "all rows, sorted": order.sort().values,
        "an equal generator gives the same order": torch.equal(order, again),
    }
    if count == len(order) == len(fresh) == len(following) == MANY:
        for what, same in (
            ("follow the row before them", order.diff() == 1),
            ("another generator puts in the same place", order == fresh),
            ("the next epoch puts in the same place", order == following),
        ):
            share = max(0.1, float(same.double().mean()))  # less is chance
            facts[f"share of rows that {what} (0.1 or less is 0.1)"] = share
    return facts


mistakes = """
the remainder is dropped: batch_size) → batch_size)[: count // batch_size]
not shuffled: torch.randperm(count, generator=generator) → torch.arange(count)
drawn from torch's own generator: (count, generator=generator) → (count)
every epoch alike: generator=generator)
    → generator=torch.Generator().manual_seed(generator.initial_seed()))
the last batch is dropped: batch_size) → batch_size)[:-1]
drawn with replacement: randperm(count, → randint(count, (count,),
batches are shuffled, not samples:
    torch.split(torch.randperm(count, generator=generator), batch_size)
    → [torch.arange(count).split(batch_size)[one] for one in
    torch.randperm(-(-count // batch_size), generator=generator)]
"""
