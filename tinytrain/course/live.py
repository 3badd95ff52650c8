"""A net that a page can run: its layers in order, their weights, and digits, as plain JSON.

A `Sequential` is a list: take the nested ones apart, and what is left is layer after layer, each a
kind, some settings under torch's names and a few tensors. That is all that another program needs
in order to compute the same, here the scripts in the folder `live`, which know the kinds of layers
in KINDS. Tensors travel as base64 of little-endian float32, pixels as base64 of deflated bytes.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinytrain import nn, streams
from tinytrain.course.live_steps import steps, words
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
# Which layers the scripts know, and what of each they have to be told.
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
JSON = dict[str, Any]


class NotLive(ValueError):
    """A net, or its images, that the page cannot run; the message says why, as a clause."""


@dataclass(frozen=True)
class Live:
    """What the page's live parts need: their JSON, or None and the reason in a clause.

    `title` says which net it is.
    """

    title: str
    payload: JSON | None
    reason: str = ""

    @property
    def scripts(self) -> dict[str, str]:
        """The texts of the scripts by file name."""
        return {name: (FOLDER / name).read_text() for name in SCRIPTS}


def live(
    title: str,
    net: Module,
    recipe: Recipe,
    mean: float,
    std: float,
    dataset: Dataset | None = None,
) -> Live:
    """A trained net for the page, with digits of its data where they are at hand.

    `mean` and `std` normalise the pixels of an image, on the scale 0 … 1.
    """
    try:
        described = description(recipe.net, net)
        given = dataset and digits(net, dataset)
    except NotLive as error:
        return Live(title, None, str(error))
    how = {"mean": mean, "std": std, "deskew": recipe.deskew}
    net1 = description("net1", net_file.build("net1"), weights=False)
    if recipe.tta > 1:
        title += f" (shown with one look at a digit, not {recipe.tta})"
    return Live(title, {"net": described | how, "net1": net1 | how, "digits": given})


def description(name: str, net: Module, weights: bool = True) -> JSON:
    """A net as JSON: its layers in order, with their weights or with the shapes of these alone.

    Raises NotLive for a net that is not a `Sequential` of layers in KINDS from a 28 × 28 image to
    ten log-probabilities, or has too many parameters to be sent along.
    """
    layers = list(in_order(net))
    parameters = parameter_count(net)
    if parameters > MOST_PARAMETERS:
        raise NotLive(f"its {parameters:,} parameters are more than {MOST_PARAMETERS:,}")
    try:
        shapes = {row.name: row.output_shape for row in layer_rows(net, SHAPE)}
    except ValueError as error:
        raise NotLive(f"it does not take images of 28 × 28 pixels ({error})") from error
    if not (layers and isinstance(layers[-1][1], nn.LogSoftmax)):
        raise NotLive("it does not end in log-probabilities")
    for layer_name, layer in layers:
        if not usual(layer, shapes[layer_name], layer is layers[-1][1]):
            found = f"({type(layer).__name__}), which gives the shape {shapes[layer_name]}"
            raise NotLive(f"its layer {layer_name} {found}, is in an unusual place")
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
    return {"name": name, **size, "layers": described, "steps": steps(described, SHAPE)}


def in_order(module: Module, name: str = "") -> Iterator[tuple[str, Module]]:
    """The layers of nested Sequentials with their dotted names. Raises NotLive for any other."""
    if type(module) is Sequential:
        for child_name, child in module.named_children():
            yield from in_order(child, f"{name}.{child_name}" if name else child_name)
    elif type(module) in KINDS:
        yield name, module
    else:
        kind = type(module).__name__
        what = f"its layer {name} is a {kind}" if name else f"it is a {kind}, no Sequential"
        raise NotLive(f"{what}, which the page's scripts do not know")


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
    held = {name: value for name, value in layer.state_dict().items() if value.ndim}
    return {
        name: {"shape": list(value.shape)} | ({"data": encoded(value)} if weights else {})
        for name, value in held.items()
    }


def encoded(tensor: Tensor) -> str:
    """The numbers of a tensor as base64 of little-endian float32."""
    return base64.b64encode(tensor.cpu().numpy().astype("<f4").tobytes()).decode()


def fields(net: Module) -> dict[str, JSON]:
    """What the places of each layer with a window see, by name, each [vertical, horizontal].

    Place i sees `size` pixels around `start` + i · `jump`: see `receptive_field.Field`.
    """
    along = [receptive_field(net, SHAPE[1], axis) for axis in (0, 1)]
    return {
        down.name: {
            "size": [down.field, across.field],
            "jump": [down.jump, across.jump],
            "start": [down.start, across.start],
        }
        for down, across in zip(*along, strict=True)
    }


def digits(net: Module, dataset: Dataset) -> JSON:
    """Digits for the page, upright where the net wants them so: training, held-out and test ones.

    Training and held-out digits are drawn from the training set, as many of each class; of the
    test set come some at random, and those that the net gets wrong, with what it takes them for.
    Raises NotLive for images of another shape or other classes.
    """
    shape = tuple(dataset.train.images.shape[1:])
    if shape != SHAPE or dataset.classes != CLASSES:
        found = f"of shape {shape}, of {dataset.classes} classes"
        raise NotLive(f"its images are {found}, not digits of 28 × 28 pixels")
    order = torch.randperm(len(dataset.train), generator=streams.generator(0, "live", 0))
    one_hot = dataset.train.labels[order, None] == torch.arange(CLASSES)
    place = (one_hot.cumsum(0) * one_hot).sum(1) - 1  # among those of its class, from 0
    most = min(int(one_hot.sum(0).min()), HELD + TRAINING)
    held = -(-most * HELD // (HELD + TRAINING))
    test = torch.randperm(len(dataset.test), generator=streams.generator(0, "live", 1))[:TEST]
    said = predict(net, dataset.test.images, dataset.mean, dataset.std).argmax(1)
    wrong = (said != dataset.test.labels).nonzero()[:WRONG, 0]
    return {
        "name": dataset.name,
        "train": packed(dataset.train.rows(order[(place >= held) & (place < most)])),
        "held": packed(dataset.train.rows(order[place < held])),
        "test": packed(dataset.test.rows(test)),
        "wrong": packed(dataset.test.rows(wrong)) | {"guesses": said[wrong].tolist()},
    }


def packed(split: Split) -> JSON:
    """Images as base64 of their deflated bytes, and labels."""
    pixels = zlib.compress(split.images[:].cpu().numpy().tobytes(), 9)
    return {"images": base64.b64encode(pixels).decode(), "labels": split.labels.tolist()}
