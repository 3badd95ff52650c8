"""Exercises on how images come to a net: read from files, dealt out in batches, normalised."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tinytrain import streams
from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise, Facts, values_and_gradients
from tinytrain.data import batches
from tinytrain.errors import DataError
from tinytrain.store import idx


def header(draw: Draw) -> dict[str, Any]:
    """The first bytes of a file: those of IDX, or nearly those."""
    rank = draw.integer(0, 3)
    sizes = [draw.one_of(draw.integer(0, 9), draw.integer(1, 10**6)) for _ in range(rank)]
    start = 0, draw.one_of(0, 0, 0, 0, 0, 7), draw.one_of(8, 9, 11, 12, 13, 14, 10), rank
    whole = struct.pack(f">BBBB{rank}I", *start, *sizes)
    end = draw.one_of(b"\1\2", b"\1\2", b"")
    return {"bytes": (whole[: draw.one_of(99, 99, 99, 99, len(whole) - 1)] + end).hex(" ")}


def header_read(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """What the header says, and how far the stream was read; or that it is none."""
    stream = io.BytesIO(bytes.fromhex(arguments["bytes"]))
    try:
        read, dtype, shape = function("the file", stream)
    except DataError:
        return {"it raises": "DataError"}
    facts: Facts = {"it raises": "nothing", "the shape": tuple(map(int, shape))}
    facts["the header's bytes"] = bytes(read).hex(" ")
    facts |= {"the type": dtype.str, "the bytes read": stream.tell()}
    return facts


IDX_HEADER = Exercise(
    name="idx-header",
    title="Read the header of an IDX file",
    shipped=idx.read_header,
    why="MNIST's four files say in their first bytes what follows. Who believes a wrong header "
    "gets images that are noise, or asks for a terabyte of memory; so each byte is looked at.",
    hints=(
        "Four bytes first: 0, 0, the code of the type, the rank. TYPES has the dtype of each code "
        "that there is (8 is uint8). Then a size of four bytes for each of rank dimensions.",
        "The sizes are big-endian, unsigned: struct.unpack(f'>{rank}I', sizes) reads them all. "
        "Read no byte more than the header: what follows are the elements.",
        "require(holds, path, expected, found) raises DataError unless `holds`: for fewer than "
        "four bytes, other than 0 0 in front, a code that is not in TYPES, fewer bytes of sizes "
        "than 4 · rank. Return the bytes read, the dtype, the tuple of sizes.",
    ),
    arguments=header,
    facts=header_read,
    engine=engine.training,
    mistakes={
        "little-endian": ('f">{rank}I"', 'f"<{rank}I"'),
        "always three sizes": ("rank = magic[3]", "rank = 3"),
        "any file is one": (
            'magic[:2] == b"\\0\\0" and magic[2] in TYPES',
            "magic[2] in range(256)",
        ),
        "sizes may end early": (
            "require(len(sizes) == 4 * rank,",
            "sizes += bytes(9)[:4 * rank - len(sizes)]; require(True,",
        ),
        "the first byte counts for nothing": ('magic[:2] == b"\\0\\0" and ', ""),
    },
)


def to_cut(draw: Draw) -> dict[str, Any]:
    """So many rows, and how many a batch has."""
    return {"count": draw.integer(1, 12), "batch_size": draw.integer(1, 7)}


def cut(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """The rows of each batch."""
    rows = list(range(arguments["count"]))
    return {"the rows of each batch": [rows[part] for part in function(**arguments)]}


STEPS = Exercise(
    name="steps",
    title="How many batches an epoch has",
    shipped=batches.in_order,
    why="60,000 images in batches of 128 are 468 batches and 96 images, so 469 steps. A program "
    "that counts 468 never tests the last images, and one that pads the last batch tests some "
    "twice: the accuracy is of other images than it says.",
    hints=(
        "A batch begins at row 0, batch_size, 2 · batch_size, … below count: that is a range "
        "with a step.",
        "Batch by batch slice(start, start + batch_size). A slice that ends beyond the last row "
        "takes what is there, so the last batch is shorter by itself.",
        "Number of batches: count / batch_size, rounded up, which is −(−count // batch_size).",
    ),
    arguments=to_cut,
    facts=cut,
    engine=engine.training,
    mistakes={
        "the rest is dropped": ("range(0, count, batch", "range(0, count - batch_size + 1, batch"),
        "a row is seen twice": ("start + batch_size)", "start + batch_size + 1)"),
        "the first row is lost": ("range(0, count", "range(1, count"),
        "a batch too many": ("range(0, count, batch", "range(0, count + batch_size, batch"),
    },
)


def to_deal_out(draw: Draw) -> dict[str, Any]:
    """Some rows, or 500 of them, whose order says how it came about."""
    count = draw.one_of(draw.integer(1, 12), draw.integer(2, 6), 500)
    return {"count": count, "batch_size": draw.integer(1, 7), "generator": draw.stream()}


def dealt_out(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """What is the same of every right way to shuffle: not the order itself."""
    count, size = arguments["count"], arguments["batch_size"]
    first, equal, other = (streams.generator(seed, "order") for seed in (1, 1, 2))
    epochs = [function(count, size, one) for one in (first, equal, other, first)]
    dealt = epochs[0]
    facts: Facts = {"number of batches": len(dealt)}
    facts["rows in each batch"] = torch.tensor([len(rows) for rows in dealt])
    order, again, fresh, following = (torch.cat((torch.arange(0), *one)) for one in epochs)
    facts["all rows that were dealt out, sorted"] = order.sort().values
    repeated = len(again) == len(order) and bool((order == again).all())
    facts["an equal generator deals the same order again (1 is yes)"] = int(repeated)
    if count == len(order) == 500:
        together = float((order.diff() == 1).double().mean())
        facts["share of rows dealt right after the row before them (0.1 or less is 0.1)"] = max(
            together, 0.1
        )
        for which, than in (("another generator", fresh), ("the next epoch", following)):
            kept = float((order == than).double().mean()) if len(than) == 500 else 0.0
            said = f"share of rows that {which} deals to the same place (0.1 or less is 0.1)"
            facts[said] = max(kept, 0.1)
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
        "every epoch alike": (
            "(count, generator=generator)",
            "(count, generator=torch.Generator().manual_seed(generator.initial_seed()))",
        ),
        "the only batch is dropped": ("batch_size)", "batch_size)[:-1]"),
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


def to_normalise(draw: Draw) -> dict[str, Any]:
    """Pixels, and the mean and deviation of others."""
    shape = draw.integer(1, 2), draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 3)
    images = (255 * draw.normal(*shape).sigmoid()).requires_grad_()
    return {"images": images, "mean": draw.number(0.1, 0.5), "std": draw.number(0.1, 0.5)}


def laid_out(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Facts:
    """The values, and whether they lie with the channels last."""
    facts = values_and_gradients(function, arguments)
    last = facts["result"].is_contiguous(memory_format=torch.channels_last)
    return facts | {"channels last in memory (1 is yes)": int(last)}


NORMALISE = Exercise(
    name="normalise",
    title="Normalise the pixels",
    shipped=batches.normalise,
    why="Pixels from 0 to 255 would make the first layer's outputs a hundred times as large as "
    "those of the layers after it, and one learning rate has to suit all. 0.1307 and 0.3081 do "
    "not fall from the sky: they are MNIST's mean and deviation, on a scale from 0 to 1.",
    hints=(
        "Subtract the mean, divide by the deviation. Both are on the scale 0 … 1, the pixels on "
        "0 … 255: bring them together first.",
        "A mean of 0.1307 on the scale 0 … 1 is 255 · 0.1307 on that of the pixels, and so is the "
        "deviation. That is one pass less over the images than dividing them by 255.",
        "The result is to lie with the channels last: "
        ".contiguous(memory_format=torch.channels_last).",
    ),
    arguments=to_normalise,
    facts=laid_out,
    engine=engine.training,
    kernels=("batch_norm", "layer_norm", "group_norm"),
    rungs=("net1",),
    mistakes={
        "the mean on another scale": ("images - 255 * mean", "images - mean"),
        "the deviation on another scale": ("/ (255 * std)", "/ std"),
        "by the variance": ("/ (255 * std)", "/ (255 * std**2)"),
        "channels first": (".contiguous(memory_format=torch.channels_last)", ".contiguous()"),
        "1 % too large": ("/ (255 * std)", "/ (255 * std) * 1.01"),
    },
)
