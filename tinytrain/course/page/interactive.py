"""A net that the page can run: its layers, their weights, and digits, as plain JSON.

Nested `Sequential`s are flattened to a list of layers, each with its kind, some settings under
torch's names and a few tensors. The scripts in the folder `live` compute the same from it; they
know the kinds of layers in KINDS. Tensors travel as base64 of little-endian float32, pixels as
base64 of deflated bytes.

The page shows the net in steps. A step is a layer that looks at a window or at everything (a
convolution, a pooling, a linear layer) together with the layers after it that change each number
by itself; it is shown as the maps of its last layer. The image comes before the first step.
"""

import base64
import itertools
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tinytrain import nn, streams
from tinytrain.data.datasets import Dataset, Split
from tinytrain.nn import Module, Sequential
from tinytrain.nn.functional import pair
from tinytrain.nn.inspect import Row, layer_rows, parameter_count
from tinytrain.report.receptive_field import receptive_field
from tinytrain.results.trained_run import TrainedRun
from tinytrain.runs import user_file
from tinytrain.train.evaluation import predict

FOLDER = Path(__file__).parent / "live"
SCRIPTS = (
    *("tensors", "layers", "net", "optimizer", "mnist", "show", "draw", "loss", "maps"),
    *("number", "weight", "step", "augment", "worker", "learn", "swap", "start"),
)
STRICT = '"use strict";\n'  # a script's first line
SIDE = 28
SHAPE = (1, SIDE, SIDE)
CLASSES = 10
TRAINING, HELD, TEST, WRONG = 200, 20, 300, 300  # digits: the first two of each class
JSON = dict[str, Any]
ORDINALS = *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"), "ninth"
WHOLE: JSON = {"size": [SIDE, SIDE], "jump": [0, 0], "start": [(SIDE - 1) / 2] * 2}  # a field
IMAGE: JSON = {
    **{"shown": -1, "name": "image", "short": "image", "title": "the image, as the net takes it"},
    **{"size": f"1 × {SIDE} × {SIDE}", "sees": "", "channels": 1, "point": False},
    "field": {"size": [1, 1], "jump": [1, 1], "start": [0, 0]},
}


class Kind(NamedTuple):
    """A kind of layer that the scripts know.

    `arguments` are those of the layer that the scripts need. `word` is its plain name, which is
    explained at the place `taught`, and `how` says how it computes a number: the script puts
    numbers for what is in braces. Some kinds `begin` a step.
    """

    arguments: tuple[str, ...] = ()
    word: str = ""
    how: str = ""
    taught: str = ""
    begins: bool = False


WINDOW = "kernel_size", "stride", "padding"
PAIRS = (*WINDOW, "dilation")
SUM, MEAN = "{taps} products, added up", "the mean of {taps} numbers"
SCALED = "({before} − {running_mean}) / √({running_var} + {eps}) × {weight} + {bias}"
SHARE = "{before} − ln(the sum of all ten exp) = ln({share})"
KINDS: dict[type[Module], Kind] = {
    nn.Conv2d: Kind(PAIRS, "convolution", SUM, "net2", begins=True),
    nn.BatchNorm2d: Kind(("eps", "momentum"), "batch norm", SCALED, "net7"),
    nn.ReLU: Kind((), "ReLU", "the larger of 0 and {before}", "net1"),
    nn.Dropout2d: Kind(),
    nn.MaxPool2d: Kind(WINDOW, "max pooling", "the largest of {taps} numbers", "net4", True),
    nn.AdaptiveAvgPool2d: Kind((), "mean of all places", MEAN, "net4", begins=True),
    nn.Flatten: Kind(),
    nn.Linear: Kind((), "linear layer", SUM, "net1", begins=True),
    nn.LogSoftmax: Kind((), "log-softmax", SHARE, "loss"),
}


def scripts() -> dict[str, str]:
    """The texts of the scripts by file name."""
    return {f"{name}.js": STRICT + (FOLDER / f"{name}.js").read_text() for name in SCRIPTS}


def interactive(trained: TrainedRun, dataset: Dataset | None = None) -> JSON:
    """A trained net for the page, with digits of its data where there are any."""
    settings = trained.settings
    images = {"mean": settings.mean, "std": settings.std}
    nets = [
        description(settings.recipe.net, trained.net),
        description("small", small(), weights=False),
        description("net1", user_file.build("net1"), weights=False),
    ]
    net, *others = [net | images for net in nets]
    return {"net": net, "others": others, "digits": dataset and digits(trained.net, dataset)}


def small() -> Sequential:
    """A convolutional net that a page trains in seconds: 1-8-16-16 channels, batch norm, ReLU."""
    layers: list[Module] = []
    for inputs, outputs, kernel, stride in ((1, 8, 5, 2), (8, 16, 3, 1), (16, 16, 3, 1)):
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    layers.insert(6, nn.MaxPool2d(2))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10), nn.LogSoftmax(1)]
    return Sequential(*layers)


def description(name: str, net: Module, weights: bool = True) -> JSON:
    """A net as JSON: its layers in order, with their weights or only their shapes.

    The net is made of layers in KINDS, in `Sequential`s, from a 28 × 28 image to ten
    log-probabilities.
    """
    seen, layers = fields(net), []
    for row in layer_rows(net, SHAPE):
        if type(row.layer) is not Sequential:
            layers.append(described_layer(row, weights) | {"field": seen.get(row.name)})
    for before, after in itertools.pairwise(layers):
        if len(after["output"]) == 3:  # pointwise layers see what the one before them sees
            after["field"] = after["field"] or before["field"]
    size = {"parameters": parameter_count(net), "shape": SHAPE}
    return {"name": name, **size, "layers": layers, "steps": steps(layers)}


def described_layer(row: Row, weights: bool) -> JSON:
    """A layer as JSON: kind and words, arguments under their names, sizes as [down, across].

    Of its tensors by their names come the shapes and, with `weights`, the numbers as base64.
    """
    kind = KINDS[type(row.layer)]
    state = {key: value for key, value in row.layer.state_dict().items() if value.ndim}
    how = kind.how
    if how == SUM:
        how += ": {before}; plus the bias, {bias}," if "bias" in state else ","
    arguments = {key: getattr(row.layer, key) for key in kind.arguments}
    return {
        **{"kind": type(row.layer).__name__, "name": row.name, "output": row.output_shape},
        **{"word": kind.word, "how": how, "taught": kind.taught},
        **{key: pair(value) if key in PAIRS else value for key, value in arguments.items()},
        **{
            key: {"shape": list(value.shape)} | {"data": encoded(value) if weights else None}
            for key, value in state.items()
        },
    }


def encoded(tensor: Tensor) -> str:
    """The numbers of a tensor as base64 of little-endian float32."""
    return base64.b64encode(tensor.cpu().numpy().astype("<f4").tobytes()).decode()


def fields(net: Module) -> dict[str, JSON]:
    """The receptive fields of the layers with a window, by name, each [vertical, horizontal].

    Place i sees `size` pixels around `start` + i · `jump`: see `receptive_field.Field`. Windows
    are square here.
    """
    return {
        field.name: {
            "size": [field.field] * 2,
            "jump": [field.jump] * 2,
            "start": [field.start] * 2,
        }
        for field in receptive_field(net, SHAPE)
    }


def digits(net: Module, dataset: Dataset) -> JSON:
    """Digits for the page: training and held-out ones, as many of each class, and test ones.

    Held-out digits are training images here, too. Of the test set come some at random, and those
    that the net gets wrong, with its answers.
    """
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


def steps(layers: Sequence[JSON]) -> list[JSON]:
    """The steps of a net, the image first, from its layers as in `description`."""
    begin = {kind.__name__ for kind, known in KINDS.items() if known.begins}
    words = [layer["word"] for layer in layers]
    starts = [number for number, layer in enumerate(layers) if layer["kind"] in begin]
    found = [IMAGE | {"layers": [*range(starts[0])]}]
    for first, end in itertools.pairwise([*starts, len(layers)]):
        word, before = words[first], words[:first].count(words[first])
        name = word if words.count(word) == 1 else f"{ORDINALS[before]} {word}"
        found.append(step(name, range(first, end), layers))
    return found


def step(name: str, group: Sequence[int], layers: Sequence[JSON]) -> JSON:
    """A step: the numbers of its `layers`, the one `shown` (-1: the image), texts and field."""
    first, words = layers[group[0]], [layers[one]["word"] for one in group[1:]]
    shown = [one for one in group if layers[one]["kind"] not in ("Flatten", "LogSoftmax")][-1]
    output = layers[shown]["output"]
    point = len(output) == 1 or output[1:] == (1, 1)
    field = first["field"] or WHOLE
    window = " × ".join(map(str, first.get("kernel_size", ())))
    title = [f"{name} ({window})" if window else name, *filter(None, words)]
    if title[-1] == "log-softmax":
        title[-2:] = [f"{title[-2]}: the ten scores"]
    return {
        "layers": [*group],
        "shown": shown,
        "name": name,
        "short": short(first),
        "title": ", ".join(title),
        "size": " × ".join(map(str, output)),
        "sees": sees(field["size"][0], point),
        "channels": output[0],
        "point": point,
        "field": field,
    }


def short(first: JSON) -> str:
    """A step in a word or two, for the head of its column, by its first layer."""
    if first["kind"] == "Conv2d":
        down, across = first["kernel_size"]
        return f"{down} × {across}" + (" dilated" if max(first["dilation"]) > 1 else "")
    return {"Linear": "linear", "MaxPool2d": "max"}.get(first["kind"], "mean")


def sees(size: int, point: bool) -> str:
    """How much of the image a number sees; beyond its edges there is nothing."""
    text = f"{min(size, SIDE)} × {min(size, SIDE)} pixels"
    if not point or size < SIDE:
        return f"each number sees {text}"
    beyond = f" (its field: {size} × {size})" if size > SIDE else ""
    return f"each number sees all {text}{beyond}"
