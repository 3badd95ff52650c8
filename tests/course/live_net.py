"""Nets for the interactive parts of the page, and numbers on their way there and back."""

import base64
from dataclasses import replace

import torch

from tinytrain import nets, streams
from tinytrain.course.page import interactive
from tinytrain.data.datasets import Dataset, Split
from tinytrain.recipes import RECIPES
from tinytrain.results.trained_run import TrainedRun, load_run
from tinytrain.store import synthetic

MEAN, STD = 0.1307, 0.3081


def drawn(count):
    """A data set of so many drawn digits, and a tenth as many to test on."""
    labels = torch.arange(count + count // 10) % 10
    images = synthetic.digits(labels, streams.generator(0, "live"))
    splits = [Split(images[rows], labels[rows]) for rows in (slice(count), slice(count, None))]
    return Dataset("synthetic", *splits, MEAN, STD, (), 0, classes=10)


def net_of(name):
    """The published net, or an untrained one, whose running statistics are not those of one."""
    if name == "final":
        return load_run().net
    draw = streams.generator(1, "stirred")
    net = interactive.small() if name == "small" else nets.build(RECIPES[name].net, 0.0, draw)
    net.train()(torch.randn(64, 1, 28, 28, generator=draw))
    return net.eval()


def live_of(net, name="final", dataset=None):
    """A net for the page, as a run of this recipe has it."""
    recipe = RECIPES.get(name, RECIPES["final"])
    settings = replace(load_run().settings, recipe=recipe)
    return interactive.interactive(TrainedRun(settings, net), dataset)


def sent(tensor):
    """Bytes for the page, as base64."""
    return base64.b64encode(tensor.numpy().tobytes()).decode()


def numbers(text):
    """Float32 numbers from the page, which sends them as base64."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)


def close(found, expected, tolerance):
    """Whether numbers from the page are those of tensors."""
    pairs = [(found, expected)] if isinstance(found, str) else zip(found, expected, strict=True)
    return all(
        torch.allclose(numbers(one), other.detach().flatten(), rtol=0, atol=tolerance)
        for one, other in pairs
    )
