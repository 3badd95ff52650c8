"""The page's live parts in a browser: the engine's numbers once more, and nothing fetched."""

import base64
import dataclasses
from functools import partial

import pytest
import torch

from tinytrain import nets, nn, streams
from tinytrain.course import live, published
from tinytrain.data import batches, synthetic
from tinytrain.nn import functional
from tinytrain.optim import SGD, Adam
from tinytrain.recipes import RECIPES
from tinytrain.train.evaluation import predict

MEAN, STD = 0.1307, 0.3081


@pytest.fixture(scope="module")
def drawn():
    """200 drawn digits, uint8 (200, 1, 28, 28)."""
    return synthetic.digits(torch.arange(200) % 10, streams.generator(0, "live"))


def stirred(name, seed=1, dropout=0.0):
    """A net in evaluation mode whose running statistics are those of no untrained net."""
    draw = streams.generator(seed, "stirred")
    net = nets.build(name, dropout, draw).train()
    net(torch.randn(64, 1, 28, 28, generator=draw))
    return net.eval()


def live_of(net, name="final", dataset=None, **changes):
    """A net for the page, as a run of this recipe has it."""
    recipe = dataclasses.replace(RECIPES[name], **changes)
    return live.live(f"the net of {name}", net, recipe, MEAN, STD, dataset)


def torch_maps(net, images):
    """What each layer in `live.in_order` gives for normalised images."""
    maps = []
    for _, layer in live.in_order(net):
        images = layer(images.clone())  # some work in place
        maps.append(images)
    return maps


def close(found, expected, tolerance):
    """Whether float32 numbers from the page, as base64, are those of a tensor."""
    values = torch.frombuffer(bytearray(base64.b64decode(found)), dtype=torch.float32)
    return torch.allclose(values, expected.flatten(), rtol=0, atol=tolerance)


def sent(tensor):
    """Bytes for the page, as base64."""
    return base64.b64encode(tensor.numpy().tobytes()).decode()


HEAD = """input => {
  const net = decodeNet(JSON.parse(document.getElementById("live").textContent).net);
  const encoded = values => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
  };
"""
SCORES = HEAD + "return encoded(look(net, normalise(net, bytesOf(input))).scores); }"
MAPS = (
    HEAD
    + """
  const maps = forward(net, normalise(net, bytesOf(input)));
  return maps.map(map => [map.shape, encoded(map.values)]);
}"""
)


@pytest.mark.parametrize(
    "name, count", [("final", 200), ("net1", 20), ("five-looks", 20), ("below-1000", 20)]
)
def test_scores_are_those_of_the_engine(open_page, drawn, name, count):
    net = published.final_net() if name == "final" else stirred(RECIPES[name].net)
    page, some = open_page(live_of(net, name)), drawn[:count]
    expected = predict(net, some, MEAN, STD, looks=RECIPES[name].looks)
    assert close(page.evaluate(SCORES, sent(some)), expected, 1e-4)


@pytest.mark.parametrize("name", ["final", "net4", "three-epochs"])
def test_every_map_is_that_of_the_engine(open_page, drawn, name):
    net = published.final_net() if name == "final" else stirred(RECIPES[name].net)
    few = drawn[:10]
    found = open_page(live_of(net, name)).evaluate(MAPS, sent(few))
    expected = torch_maps(net, batches.normalise(few.float(), MEAN, STD))
    assert len(found) == len(expected)
    for (shape, values), map in zip(found, expected, strict=True):
        assert tuple(shape) == tuple(map.shape) and close(values, map, 1e-4)


def test_scores_on_mnist(open_page, mnist):
    net = published.final_net()
    page = open_page(live_of(net, "final", mnist))
    some = mnist.test.images[:200]
    expected = predict(net, some, mnist.mean, mnist.std)
    assert close(page.evaluate(SCORES, sent(some)), expected, 1e-4)
    found = page.evaluate(MAPS, sent(some[:10]))
    maps = torch_maps(net, batches.normalise(some[:10].float(), mnist.mean, mnist.std))
    assert all(close(values, map, 1e-4) for (_, values), map in zip(found, maps, strict=True))


class Own(nn.Module):
    def forward(self, input):
        return input


@pytest.mark.parametrize(
    "net, reason",
    [
        (Own(), "it is a Own, no Sequential"),
        (nn.Sequential({"a": nn.Sequential(nn.GELU())}), "its layer a.0 is a GELU"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "does not end in the log-prob"),
        (nn.Sequential(nn.Conv2d(3, 10, 28), nn.Flatten(), nn.LogSoftmax(1)), "does not take"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.LogSoftmax(1)), "does not end"),
        (nn.Sequential(nn.Linear(28, 9000), nn.LogSoftmax(1)), "parameters are more than"),
    ],
)
def test_a_net_that_the_page_cannot_run(net, reason):
    found = live_of(net)
    assert found.payload is None and reason in found.reason


BACKWARD = (
    HEAD.replace("input =>", "([input, labels, rate, kind]) =>")
    + """
  const images = normalise(net, bytesOf(input));
  const before = parametersOf(net).map(one => one.values.slice());
  const found = backward(net, forward(net, images, {training: true}), images, labels);
  const optimizer = kind === "Adam" ? new Adam(parametersOf(net), {lr: rate})
    : new SGD(parametersOf(net), {lr: rate, momentum: 0.9});
  for (let step = 0; step < 3; step++) optimizer.step(found.gradients);
  const buffers = net.layers.filter(layer => layer.running_mean)
    .flatMap(layer => [layer.running_mean, layer.running_var].map(one => encoded(one.values)));
  const gradients = found.gradients.map(one => encoded(Float32Array.from(one)));
  return [found.loss, gradients, parametersOf(net).map(one => encoded(one.values)), buffers];
}"""
)


@pytest.mark.parametrize(
    "name, kind",
    [("final", "Adam"), ("net1", "SGD"), ("net3", "Adam"), ("below-1000", "SGD")],
)
def test_gradients_of_a_batch_and_steps_are_those_of_the_engine(open_page, drawn, name, kind):
    net = published.final_net() if name == "final" else stirred(RECIPES[name].net)
    some, labels = drawn[:16], torch.arange(16) % 10
    page = open_page(live_of(net, name))
    given = [sent(some), labels.tolist(), 0.01, kind]
    loss, gradients, weights, buffers = page.evaluate(BACKWARD, given)
    net.train()
    expected = functional.nll_loss(net(batches.normalise(some.float(), MEAN, STD)), labels)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    parameters = [*net.parameters()]
    for one, parameter in zip(gradients, parameters, strict=True):
        assert close(one, parameter.grad, 1e-3 * min(1, parameter.grad.abs().max()))
    optimizer = {"Adam": Adam, "SGD": partial(SGD, momentum=0.9)}[kind](parameters, lr=0.01)
    for _ in range(3):
        optimizer.step()
    for one, parameter in zip(weights, parameters, strict=True):
        assert close(one, parameter.detach(), 1e-3)
    running = [buffer for name, buffer in net.named_buffers() if "running" in name]
    for one, buffer in zip(buffers, running, strict=True):
        assert close(one, buffer, 1e-3)
