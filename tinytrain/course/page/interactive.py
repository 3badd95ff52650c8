"""A net that the page can run: its layers, their weights, and digits, as plain JSON.

Nested `Sequential`s are flattened to a list of layers, each with its kind, some settings under
torch's names and a few tensors. The scripts in the folder `live` compute the same from it; they
know the kinds of layers in KINDS. Tensors travel as base64 of little-endian float32, pixels as
base64 of deflated bytes.

The page shows the net in steps. A step is a layer that looks at a window or at everything (a
convolution, a pooling, a linear layer) together with the layers after it that change each number
by itself; it is shown as the maps of its last layer. The image comes before the first step.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain import nn, streams
from tinytrain.data.datasets import Dataset, Split
from tinytrain.nn import Module, Sequential
from tinytrain.nn.functional import pair
from tinytrain.nn.inspect import layer_rows, parameter_count
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.recipes import Recipe
from tinytrain.runs import net_file
from tinytrain.train.evaluation import predict

FOLDER = Path(__file__).parent / "live"
SCRIPTS = ("net.js", "digit.js", "think.js", "train.js")
SHAPE = (1, 28, 28)
CLASSES = 10
MOST_PARAMETERS = 150_000  # 800 kB of the page
TRAINING, HELD, TEST, WRONG = 200, 20, 300, 300  # digits: the first two of each class
JSON = dict[str, Any]
# The layers that the scripts know, and the arguments of each that they need.
KINDS: dict[type[Module], tuple[str, ...]] = {
    nn.Conv2d: ("kernel_size", "stride", "padding", "dilation", "groups"),
    nn.BatchNorm2d: ("eps", "momentum"),
    nn.ReLU: (),
    nn.Dropout: ("p",),
    nn.Dropout2d: ("p",),
    nn.MaxPool2d: ("kernel_size", "stride", "padding"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding"),
    nn.AdaptiveAvgPool2d: (),
    nn.Flatten: (),
    nn.Linear: (),
    nn.LogSoftmax: (),
}
PAIRS = ("kernel_size", "stride", "dilation", "padding")
STEPS = {  # the kinds that begin a step
    "Conv2d": "convolution",
    "Linear": "linear layer",
    "MaxPool2d": "max pooling",
    "AvgPool2d": "mean pooling",
    "AdaptiveAvgPool2d": "mean of all places",
}
WORDS = STEPS | {"BatchNorm2d": "batch norm", "ReLU": "ReLU", "LogSoftmax": "log-softmax"}
ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    "tenth",
)
SUM, MEAN = "{taps} products, added up", "the mean of {taps} numbers"
# How a layer computes a number; the script puts numbers for what is in braces.
HOW = {
    "Conv2d": SUM,
    "Linear": SUM,
    "MaxPool2d": "the largest of {taps} numbers",
    "AvgPool2d": MEAN,
    "AdaptiveAvgPool2d": MEAN,
    "BatchNorm2d": "({before} − {running_mean}) / √({running_var} + {eps}) × {weight} + {bias}",
    "ReLU": "the larger of 0 and {before}",
    "LogSoftmax": "{before} less the log of all ten's Σ exp: a probability of {share}, whose log",
}


class CannotRun(ValueError):
    """A net, or its images, that the page cannot run; the message says why, as a clause."""


@dataclass(frozen=True)
class InteractiveNet:
    """A net for the page: its title and JSON; or None and the reason in a clause."""

    title: str
    payload: JSON | None
    reason: str = ""

    @property
    def scripts(self) -> dict[str, str]:
        """The texts of the scripts by file name."""
        return {name: (FOLDER / name).read_text() for name in SCRIPTS}


def interactive(
    title: str,
    net: Module,
    recipe: Recipe,
    mean: float,
    std: float,
    dataset: Dataset | None = None,
) -> InteractiveNet:
    """A trained net for the page, with digits of its data where there are any.

    `mean` and `std` normalise pixels from 0 to 1.
    """
    try:
        described = description(recipe.net, net)
        given = dataset and digits(net, dataset)
    except CannotRun as error:
        return InteractiveNet(title, None, str(error))
    images = {"mean": mean, "std": std, "deskew": recipe.deskew}
    net1 = description("net1", net_file.build("net1"), weights=False)
    if recipe.tta > 1:
        title += f" (shown without test-time augmentation over {recipe.tta} shifts)"
    payload = {"net": described | images, "net1": net1 | images, "digits": given}
    return InteractiveNet(title, payload)


def description(name: str, net: Module, weights: bool = True) -> JSON:
    """A net as JSON: its layers in order, with their weights or only their shapes.

    Raises CannotRun for a net that is not a `Sequential` of layers in KINDS from a 28 × 28 image
    to ten log-probabilities, or has too many parameters.
    """
    layers = list(in_order(net))
    parameters = parameter_count(net)
    if parameters > MOST_PARAMETERS:
        raise CannotRun(f"its {parameters:,} parameters are more than {MOST_PARAMETERS:,}")
    try:
        shapes = {row.name: row.output_shape for row in layer_rows(net, SHAPE)}
    except ValueError as error:
        raise CannotRun(f"it does not take images of 28 × 28 pixels ({error})") from error
    if not (layers and isinstance(layers[-1][1], nn.LogSoftmax)):
        raise CannotRun("it does not end in log-probabilities")
    for layer_name, layer in layers:
        if not usual(layer, shapes[layer_name], layer is layers[-1][1]):
            found = f"({type(layer).__name__}), which gives the shape {shapes[layer_name]}"
            raise CannotRun(f"its layer {layer_name} {found}, is in an unusual place")
    seen = fields(net)
    described = [
        {
            "kind": type(layer).__name__,
            **words(type(layer).__name__, "bias" in tensors(layer, False)),
            "name": layer_name,
            "output": shapes[layer_name],
            "field": seen.get(layer_name),
            **settings(layer),
            **tensors(layer, weights),
        }
        for layer_name, layer in layers
    ]
    for before, after in itertools.pairwise(described):
        if len(after["output"]) == 3:  # pointwise layers see what the one before them sees
            after["field"] = after["field"] or before["field"]
    size = {"parameters": parameters, "shape": SHAPE}
    return {"name": name, **size, "layers": described, "steps": steps(described)}


def in_order(module: Module, name: str = "") -> Iterator[tuple[str, Module]]:
    """The layers of nested Sequentials with their dotted names. Raises CannotRun for others."""
    if type(module) is Sequential:
        for child_name, child in module.named_children():
            yield from in_order(child, f"{name}.{child_name}" if name else child_name)
    elif type(module) in KINDS:
        yield name, module
    else:
        kind = type(module).__name__
        what = f"its layer {name} is a {kind}" if name else f"it is a {kind}, no Sequential"
        raise CannotRun(f"{what}, which the page's scripts do not know")


def usual(layer: Module, shape: tuple[int, ...], last: bool) -> bool:
    """Whether the layer is used as the scripts use it; `shape` is that of its output."""
    if isinstance(layer, nn.LogSoftmax):
        return last and layer.dim in (None, 1, -1) and shape == (CLASSES,)
    return len(shape) == 1 if isinstance(layer, (nn.Flatten, nn.Linear)) else len(shape) in (1, 3)


def settings(layer: Module) -> JSON:
    """A layer's arguments under their names; sizes as [vertical, horizontal]."""
    values = {name: getattr(layer, name) for name in KINDS[type(layer)]}
    return {name: pair(value) if name in PAIRS else value for name, value in values.items()}


def tensors(layer: Module, weights: bool) -> JSON:
    """A layer's tensors by name: their shapes and, with `weights`, their numbers as base64."""
    state = {name: value for name, value in layer.state_dict().items() if value.ndim}
    return {
        name: {"shape": list(value.shape)} | ({"data": encoded(value)} if weights else {})
        for name, value in state.items()
    }


def encoded(tensor: Tensor) -> str:
    """The numbers of a tensor as base64 of little-endian float32."""
    return base64.b64encode(tensor.cpu().numpy().astype("<f4").tobytes()).decode()


def fields(net: Module) -> dict[str, JSON]:
    """The receptive fields of the layers with a window, by name, each [vertical, horizontal].

    Place i sees `size` pixels around `start` + i · `jump`: see `receptive_field.Field`.
    """
    along = [receptive_field(net, SHAPE, axis) for axis in (0, 1)]
    return {
        down.name: {
            "size": [down.field, across.field],
            "jump": [down.jump, across.jump],
            "start": [down.start, across.start],
        }
        for down, across in zip(*along, strict=True)
    }


def digits(net: Module, dataset: Dataset) -> JSON:
    """Digits for the page: training and held-out ones, as many of each class, and test ones.

    Held-out digits are training images here, too. Of the test set come some at random, and those
    that the net gets wrong, with its answers. Raises CannotRun for other images than digits.
    """
    shape = tuple(dataset.train.images.shape[1:])
    if shape != SHAPE or dataset.classes != CLASSES:
        found = f"of shape {shape}, of {dataset.classes} classes"
        raise CannotRun(f"its images are {found}, not digits of 28 × 28 pixels")
    order = torch.randperm(len(dataset.train), generator=streams.generator(0, "live", 0))
    one_hot = dataset.train.labels[order, None] == torch.arange(CLASSES)
    place = (one_hot.cumsum(0) * one_hot).sum(1) - 1  # among those of its class, from 0
    most = min(int(one_hot.sum(0).min()), HELD + TRAINING)
    held = -(-most * HELD // (HELD + TRAINING))
    test = torch.randperm(len(dataset.test), generator=streams.generator(0, "live", 1))[:TEST]
    guesses = predict(net, dataset.test.images, dataset.mean, dataset.std).argmax(1)
    wrong = (guesses != dataset.test.labels).nonzero()[:WRONG, 0]
    return {
        "name": dataset.name,
        "train": packed(dataset.train.rows(order[(place >= held) & (place < most)])),
        "held": packed(dataset.train.rows(order[place < held])),
        "test": packed(dataset.test.rows(test)),
        "wrong": packed(dataset.test.rows(wrong)) | {"guesses": guesses[wrong].tolist()},
    }


def packed(split: Split) -> JSON:
    """Images as base64 of their deflated bytes, and labels."""
    pixels = zlib.compress(split.images[:].cpu().numpy().tobytes(), 9)
    return {"images": base64.b64encode(pixels).decode(), "labels": split.labels.tolist()}


def words(kind: str, bias: bool) -> dict[str, str]:
    """The plain name of a kind of layer, and how it computes a number; "" where unknown."""
    how = HOW.get(kind, "")
    if how == SUM:
        how += ": {before}; plus the bias, {bias}," if bias else ","
    return {"word": WORDS.get(kind, ""), "how": how}


def steps(layers: Sequence[JSON]) -> list[JSON]:
    """The steps of a net, the image first, from its layers as in `description`."""
    groups: list[list[int]] = [[]]
    for number, layer in enumerate(layers):
        if layer["kind"] in STEPS:
            groups.append([])
        groups[-1].append(number)
    kinds = [layer["kind"] for layer in layers]
    names = ["image"]
    for first, *_ in groups[1:]:
        kind = kinds[first]
        name, before = STEPS[kind], kinds[:first].count(kind)
        ordinal = ORDINALS[before] if before < len(ORDINALS) else f"number {before + 1},"
        names.append(name if kinds.count(kind) == 1 else f"{ordinal} {name}")
    return [step(*one, layers) for one in zip(names, groups, strict=True)]


def step(name: str, group: Sequence[int], layers: Sequence[JSON]) -> JSON:
    """A step: the numbers of its `layers`, the one `shown` (-1: the image), texts and field."""
    side = SHAPE[-1]
    first = layers[group[0]] if group and layers[group[0]]["kind"] in STEPS else {}
    maps = [one for one in group if layers[one]["kind"] not in ("Flatten", "LogSoftmax")]
    shown = maps[-1] if maps else -1
    output = layers[shown]["output"] if maps else SHAPE
    point = len(output) == 1 or output[1:] == (1, 1)
    field: JSON = {"size": [1, 1], "jump": [1, 1], "start": [0, 0]}
    if first:
        middle = [(side - 1) / 2] * 2
        field = first["field"] or {"size": [side, side], "jump": [0, 0], "start": middle}
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
    """The layers of a step in words."""
    kinds = [layers[one]["kind"] for one in group]
    window = " × ".join(map(str, layers[group[0]].get("kernel_size", ())))
    sized = f"{name} ({window})" if window else name
    others = [WORDS[kind] for kind in kinds[1:] if kind in WORDS and kind != "LogSoftmax"]
    return ", ".join([sized, *others]) + (": the ten scores" if "LogSoftmax" in kinds else "")


def sees(field: Sequence[int], side: int, point: bool) -> str:
    """How much of an image of side × side a number sees; beyond its edges there is nothing."""
    text = " × ".join(str(min(size, side)) for size in field)
    if not point or min(field) < side:
        return f"each number sees {text} pixels"
    larger = " × ".join(map(str, field))
    beyond = f" (its field: {larger})" if larger != text else ""
    return f"each number sees all {text} pixels{beyond}"
