"""Build nets and layers from torch or from tinytrain, and compare what they do.

Names and arguments are torch's, so one line builds both: `lambda nn: nn.Conv2d(3, 5, 3)` is called
with `torch.nn` and with `tinytrain.nn`.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict

import torch

from tinytrain import nn
from tinytrain.cli.export import source
from tinytrain.streams import generator

# Torch 2.10 does not show the bias of a norm, and its GroupNorm cannot be without.
SHOWS_BIAS = "bias" in repr(torch.nn.BatchNorm2d(1))
PAIR = r"\((\d+), \1\)"  # of one number, which export writes once

SHAPES = [(3, 2), (4,), (), (1, 2, 2)]
STEPS = 24


def final_net(nn):
    """The final net, spelled out, from `torch.nn` or from `tinytrain.nn`."""

    def block(*arguments, padding=0):
        inputs, outputs = arguments
        conv = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False)
        return conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout2d(0)

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Sequential(*block(1, 8), *block(8, 11)),
            trans1=nn.Sequential(nn.Conv2d(11, 10, 1, bias=False), nn.MaxPool2d(2)),
            conv2=nn.Sequential(*block(10, 12), *block(12, 14), *block(14, 31, padding=1)),
            trans2=nn.Sequential(nn.Conv2d(31, 10, 1, bias=False)),
            gap=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
        )
    )


def normal(*shape: int, seed: int = 0, place: int | None = None) -> torch.Tensor:
    """Normal numbers in float64, others for every seed and place."""
    name = (seed, "test") if place is None else (seed, "test", place)
    return torch.randn(shape, dtype=torch.float64, generator=generator(*name))


def built(build, seed=0):
    """The layer of tinytrain and the layer of torch, each from torch's generator at `seed`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ours = build(nn)
        torch.manual_seed(seed)
        theirs = build(torch.nn)
    return ours, theirs


def agree(build, *inputs: torch.Tensor) -> None:
    """Ours has torch's initial weights and source; its values, gradients and state are
    torch's, too: in training, batch after batch, and then in evaluation."""
    ours, theirs = built(build)
    torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()))
    written, expected = repr(eval(source(ours), {"nn": torch.nn})), repr(theirs)
    expected = expected.replace("dim=None", "dim=1")  # which torch would guess, with a warning
    assert re.sub(PAIR, r"\1", written) == re.sub(PAIR, r"\1", expected)
    for training, some in (True, inputs), (False, inputs[:1]):
        for input in some:
            found, expected = (
                (outcome(layer.to(torch.float64).train(training), input), dict(layer.state_dict()))
                for layer in (ours, theirs)
            )
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    assert not any(buffer.requires_grad for _, buffer in ours.named_buffers())


def outcome(layer, input, seed=0):
    """layer(input), the gradients of a random sum of it, and those of a penalty of gradients.

    What the layer draws is drawn from torch's generator at `seed`.
    """
    input = input.clone().requires_grad_()
    inputs = [input, *layer.parameters()]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        output = layer(1 * input)  # which it may overwrite
    above = normal(*output.shape, seed=1).to(output)
    first = torch.autograd.grad(output, inputs, above, create_graph=True)
    penalty = sum((one * normal(*one.shape, seed=2)).square().sum() for one in [output, *first])
    again = torch.autograd.grad(penalty, inputs)
    return output.detach(), [one.detach() for one in first], again


def parameters(seed, shapes=SHAPES):
    tensors = [normal(*shape, seed=seed, place=place) for place, shape in enumerate(shapes)]
    return [tensor.requires_grad_() for tensor in tensors]


def reloaded(old, new):
    """`new`, which goes on where `old` is, by way of a file."""
    file = io.BytesIO()
    torch.save(old.state_dict(), file)
    file.seek(0)
    new.load_state_dict(torch.load(file, weights_only=True))
    return new


def same_path(ours, theirs, seed, save_at=STEPS // 2, shapes=SHAPES, rtol=1e-10, atol=1e-12):
    """Both builders' optimizers, from the same weights with the same gradients, stay together.

    The first parameter never has a gradient and the second has none at every third step; before
    step `save_at` ours is saved and another one takes its place. The rate changes on the way.
    """
    found, expected = parameters(seed, shapes), parameters(seed, shapes)
    ours_now, theirs_now = ours(found), theirs(expected)
    for step in range(STEPS):
        for params in found, expected:
            for place, param in enumerate(params[1:], 1):
                noise = normal(*param.shape, seed=seed + step + 1, place=place)
                param.grad = param.detach() + noise if place > 1 or step % 3 else None
        if step == save_at:
            ours_now = reloaded(ours_now, ours(found))
        theirs_now.param_groups[0]["lr"] *= 0.9
        ours_now.lr = theirs_now.param_groups[0]["lr"]
        before = [param.grad.clone() for param in found[2:]]
        ours_now.step()
        theirs_now.step()
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)
        torch.testing.assert_close([param.grad for param in found[2:]], before)
