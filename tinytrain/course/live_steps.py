"""The steps in which a reader sees a net think: a net is a list of layers, a thought is coarser.

A step is a layer that looks at a window or at all there is (a convolution, a pooling, a linear
layer) and those after it that change each number by itself. It is shown as one row of maps, those
of its last layer (the ten scores: before log-softmax), and has plain words for a name. Before the
first step comes the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WINDOWED = {
    "Conv2d": "convolution",
    "Linear": "linear layer",
    "MaxPool2d": "max pooling",
    "AvgPool2d": "mean pooling",
    "AdaptiveAvgPool2d": "mean of all places",
}
WORDS = WINDOWED | {"BatchNorm2d": "batch norm", "ReLU": "ReLU", "LogSoftmax": "log-softmax"}
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
]
ADDED = "{taps} products, added up"
MEAN = "the mean of {taps} numbers"
# How a layer made a number, where the script has numbers for what is in braces.
HOW = {
    "Conv2d": ADDED,
    "Linear": ADDED,
    "MaxPool2d": "the largest of {taps} numbers",
    "AvgPool2d": MEAN,
    "AdaptiveAvgPool2d": MEAN,
    "BatchNorm2d": "({before} − {running_mean}) / √({running_var} + {eps}) × {weight} + {bias}",
    "ReLU": "the larger of 0 and {before}",
    "LogSoftmax": "{before} less the log of all ten's Σ exp: a probability of {share}, whose log",
}
JSON = dict[str, Any]


def words(kind: str, bias: bool) -> dict[str, str]:
    """What a kind of layer is called, and how it makes a number: word and how, or nothing."""
    biased = bias and kind in ("Conv2d", "Linear")
    more = ": {before}; plus the bias, {bias}," if biased else ","
    text = HOW.get(kind, "")
    return {"word": WORDS.get(kind, ""), "how": text + more if text == ADDED else text}


def steps(layers: Sequence[JSON], shape: tuple[int, int, int]) -> list[JSON]:
    """The steps of a net, each with its layers, by number, that whose maps are shown, and texts.

    `layers` as `live.description` has them, for images of `shape`. Gives dictionaries: layers,
    shown (-1: the image), name, title, layer (its first one's name), size, sees (texts), channels,
    point (whether its maps have one place), kernels (whether it has any), and field, as
    `live.fields` has it.
    """
    groups: list[list[int]] = [[]]
    for number, layer in enumerate(layers):
        if layer["kind"] in WINDOWED:
            groups.append([])
        groups[-1].append(number)
    kinds = [layer["kind"] for layer in layers]
    names = ["image"]
    for first, *_ in groups[1:]:
        kind, place = WINDOWED[kinds[first]], kinds[:first].count(kinds[first])
        alone = kinds.count(kinds[first]) == 1
        names.append(kind if alone else f"{ordinal(place)} {kind}")
    return [step(*one, layers, shape) for one in zip(names, groups, strict=True)]


def ordinal(place: int) -> str:
    """What comes at a place, from 0, is called: first, second, …; number 13, …"""
    return ORDINALS[place] if place < len(ORDINALS) else f"number {place + 1},"


def step(
    name: str, group: Sequence[int], layers: Sequence[JSON], shape: tuple[int, int, int]
) -> JSON:
    """One of the steps: see `steps`."""
    side = shape[-1]
    first = layers[group[0]] if group and layers[group[0]]["kind"] in WINDOWED else {}
    maps = [one for one in group if layers[one]["kind"] not in ("Flatten", "LogSoftmax")]
    shown = maps[-1] if maps else -1
    output = layers[shown]["output"] if maps else shape
    point = len(output) == 1 or output[1:] == (1, 1)
    image: JSON = {"size": [1, 1], "jump": [1, 1], "start": [0, 0]}
    whole: JSON = {"size": [side, side], "jump": [0, 0], "start": [(side - 1) / 2, (side - 1) / 2]}
    field = (first["field"] or whole) if first else image
    return {
        "layers": group,
        "shown": shown,
        "name": name,
        "title": title(name, group, layers) if first else "the image, as the net takes it",
        "layer": first.get("name", ""),
        "size": " × ".join(map(str, output)),
        "sees": sees(field["size"], side, point) if first else "",
        "channels": output[0],
        "point": point,
        "kernels": "weight" in first,
        "field": field,
    }


def title(name: str, group: Sequence[int], layers: Sequence[JSON]) -> str:
    """What a step's row shows: its layers in words, but what comes after scores left out."""
    kinds = [layers[one]["kind"] for one in group]
    window = " × ".join(map(str, layers[group[0]].get("kernel_size", ())))
    sized = f"{name} ({window})" if window else name
    words = [WORDS[kind] for kind in kinds[1:] if kind in WORDS and kind != "LogSoftmax"]
    return ", ".join([sized, *words]) + (": the ten scores" if "LogSoftmax" in kinds else "")


def sees(field: Sequence[int], side: int, point: bool) -> str:
    """How much of an image of side × side a number sees; what is beyond the edges is not there."""
    text = " × ".join(str(min(size, side)) for size in field)
    if not point or min(field) < side:
        return f"each number sees {text} pixels"
    larger = " × ".join(map(str, field))
    return f"each number sees all {text} pixels" + (
        f" (its field: {larger})" if larger != text else ""
    )
