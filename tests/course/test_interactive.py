"""The interactive parts of the page in a browser: the engine's numbers, and nothing fetched."""

import base64
import dataclasses
import zlib

import pytest
import torch

from tinytrain import nets, nn, streams
from tinytrain.course.page import interactive
from tinytrain.data import batches
from tinytrain.data.datasets import Dataset, Split
from tinytrain.nn import functional
from tinytrain.optim import Adam
from tinytrain.results import published
from tinytrain.results.variations import RECIPES
from tinytrain.store import synthetic
from tinytrain.train.evaluation import predict

MEAN, STD = 0.1307, 0.3081


@pytest.fixture(scope="module")
def drawn():
    """200 drawn digits, uint8 (200, 1, 28, 28)."""
    return synthetic.digits(torch.arange(200) % 10, streams.generator(0, "live"))


def odd(draw):
    """A net with what those of the recipes have not: strides, groups, uneven windows, padding."""
    layers = [nn.Conv2d(1, 4, (5, 3), (2, 1), (1, 2), bias=False, generator=draw)]
    layers += [nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]
    layers += [nn.Conv2d(4, 8, 3, groups=2, dilation=(1, 2), generator=draw)]
    layers += [nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(144, 10, generator=draw)]
    return nn.Sequential(*layers, nn.LogSoftmax(1))


def stirred(name, seed=1):
    """A net in evaluation mode whose running statistics are those of no untrained net."""
    draw = streams.generator(seed, "stirred")
    net = (odd(draw) if name == "odd" else nets.build(name, 0.0, draw)).train()
    net(torch.randn(64, 1, 28, 28, generator=draw))
    return net.eval()


def net_of(name):
    """The published net, or the stirred one of a recipe."""
    return published.final_net() if name == "final" else stirred(name)


def live_of(net, name="final", dataset=None, **changes):
    """A net for the page, as a run of this recipe has it."""
    name = "final" if name == "odd" else name
    recipe = dataclasses.replace(RECIPES[name], **changes)
    return interactive.interactive(f"the net of {name}", net, recipe, MEAN, STD, dataset)


def close(found, expected, tolerance):
    """Whether numbers from the page are those of a tensor."""
    return torch.allclose(numbers(found), expected.flatten(), rtol=0, atol=tolerance)


def numbers(text):
    """Float32 numbers from the page, which sends them as base64."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)


def until(page, condition):
    """Wait until a condition holds in the page, whose policy forbids playwright's own waiting."""
    page.evaluate(
        f"""new Promise((done, fail) => {{
          const look = (tries) => ({condition}) ? done() : tries ? setTimeout(look, 10, tries - 1)
            : fail(new Error("waited in vain"));
          look(2000);
        }})"""
    )


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
MAPS = (
    HEAD
    + """
  const images = normalise(net, bytesOf(input));
  const maps = forward(workspace(net, images.length / 784), images);
  return maps.map(map => [map.shape, encoded(map.values)]);
}"""
)


@pytest.mark.parametrize("name", ["final", "net1", "net4", "odd"])
def test_every_map_is_that_of_the_engine(open_page, drawn, name):
    net, few = net_of(name), drawn[:8]
    found = open_page(live_of(net, name)).evaluate(MAPS, sent(few))
    images = batches.normalise(few.float(), MEAN, STD)
    for _, layer in interactive.in_order(net):
        images = layer(images.clone())  # some work in place
        shape, values = found.pop(0)
        assert tuple(shape) == tuple(images.shape) and close(values, images, 1e-4)
    assert not found and torch.allclose(images, predict(net, few, MEAN, STD), atol=1e-4)


class Own(nn.Module):
    def forward(self, input):
        return input


@pytest.mark.parametrize(
    "net, reason",
    [
        (stirred("framed2791"), "its layer frame is a ReplicationPad2d, which the page's"),
        (Own(), "it is a Own, no Sequential"),
        (nn.Sequential({"a": nn.Sequential(nn.GELU())}), "its layer a.0 is a GELU"),
        (nn.Sequential(), "it does not end in log-prob"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "it does not end in log-prob"),
        (nn.Sequential(nn.Conv2d(3, 10, 28), nn.Flatten(), nn.LogSoftmax(1)), "does not take"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.LogSoftmax(1)), "the shape (9,)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(0)), "layer 2 (LogSoftm"),
        (nn.Sequential(nn.Linear(28, 2), nn.Flatten(), nn.LogSoftmax(1)), "its layer 0 (Linear)"),
        (nn.Sequential(nn.LogSoftmax(3), nn.Flatten(), nn.LogSoftmax(1)), "layer 0 (LogSoftmax)"),
        (nn.Sequential(nn.Linear(28, 9000), nn.LogSoftmax(1)), "parameters are more than"),
    ],
)
def test_a_net_that_the_page_cannot_run(net, reason):
    found = live_of(net)
    assert found.payload is None and reason in found.reason


def test_the_title_says_that_test_time_augmentation_is_left_out():
    assert "without test-time augmentation" in live_of(stirred("net9_3"), "five-looks").title


def test_images_that_the_page_cannot_show(tiny):
    wide = Split(torch.zeros(20, 1, 28, 30, dtype=torch.uint8), torch.arange(20) % 10)
    letters = dataclasses.replace(tiny, classes=26)
    for odd in (letters, dataclasses.replace(tiny, train=wide)):
        found = live_of(published.final_net(), dataset=odd)
        assert found.payload is None and "its images are of shape (1, 28, " in found.reason


def test_digits_are_drawn_evenly_and_packed_whole(tiny):
    net = published.final_net()
    given = interactive.digits(net, tiny)
    labels = tiny.train.labels.tolist()
    known = dict(zip([one.numpy().tobytes() for one in tiny.train.images], labels, strict=True))
    rows = []
    for which, count in (("train", 9), ("held", 1)):
        labels = given[which]["labels"]
        assert sorted(labels) == sorted([*range(10)] * count)
        pixels = zlib.decompress(base64.b64decode(given[which]["images"]))
        rows += [pixels[start : start + 784] for start in range(0, len(pixels), 784)]
        assert [known[row] for row in rows[-len(labels) :]] == labels
    assert len({*rows}) == 100
    wrong = predict(net, tiny.test.images, MEAN, STD).argmax(1) != tiny.test.labels
    assert given["wrong"]["labels"] == tiny.test.labels[wrong].tolist()


BACKWARD = (
    HEAD.replace("input =>", "([input, labels, rate]) =>")
    + """
  const images = normalise(net, bytesOf(input));
  const space = workspace(net, labels.length);
  forward(space, images, {training: true});
  const loss = backward(space, labels), move = adam(parametersOf(net), rate);
  for (let step = 0; step < 3; step++) move(space.gradients);
  const buffers = net.layers.filter(layer => layer.running_mean)
    .flatMap(layer => [layer.running_mean, layer.running_var].map(one => encoded(one.values)));
  const gradients = space.gradients.map(encoded);
  return [loss, gradients, parametersOf(net).map(one => encoded(one.values)), buffers];
}"""
)


BLAME = (
    HEAD.replace("input =>", "([input, labels]) =>")
    + """
  const images = normalise(net, bytesOf(input)), space = workspace(net, 1);
  return labels.map((label, at) => {
    forward(space, images.subarray(784 * at, 784 * (at + 1)));
    const loss = backward(space, [label], true);
    const maps = [space.image, ...space.maps].map(({gradient}) => encoded(gradient));
    return [loss, maps, space.gradients.map(encoded)];
  });
}"""
)


@pytest.mark.parametrize("name", ["final", "net1", "net4", "odd"])
def test_blame_is_the_gradient_of_the_engine_in_every_layer(open_page, drawn, name):
    """Of ten digits, each alone, with labels that are not theirs, in evaluation."""
    net, few, labels = net_of(name), drawn[:10], (torch.arange(10) + 5) % 10
    page = open_page(live_of(net, name))
    for at, found in enumerate(page.evaluate(BLAME, [sent(few), labels.tolist()])):
        loss, maps, gradients = found
        image = batches.normalise(few[at : at + 1].float(), MEAN, STD).requires_grad_()
        outputs = [image]
        for _, layer in interactive.in_order(net):
            outputs.append(layer(outputs[-1].clone()))
            outputs[-1].retain_grad()
        for parameter in net.parameters():
            parameter.grad = None
        expected = functional.nll_loss(outputs[-1], labels[at : at + 1])
        expected.backward()
        assert loss == pytest.approx(expected.item(), rel=1e-4)
        for one, output in zip(maps, outputs, strict=True):
            assert close(one, output.grad, 1e-4 * max(1, output.grad.abs().max()))
        for one, parameter in zip(gradients, net.parameters(), strict=True):
            assert close(one, parameter.grad, 1e-4 * max(1, parameter.grad.abs().max()))


@pytest.mark.parametrize("name", ["final", "net1", "net3", "odd"])
def test_gradients_of_a_batch_and_steps_are_those_of_the_engine(open_page, drawn, name):
    net = net_of(name)
    some, labels = drawn[:16], torch.arange(16) % 10
    page = open_page(live_of(net, name))
    given = [sent(some), labels.tolist(), 0.01]
    loss, gradients, weights, buffers = page.evaluate(BACKWARD, given)
    net.train()
    expected = functional.nll_loss(net(batches.normalise(some.float(), MEAN, STD)), labels)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    parameters = [*net.parameters()]
    for one, parameter in zip(gradients, parameters, strict=True):
        assert close(one, parameter.grad, 1e-3 * min(1, parameter.grad.abs().max()))
    optimizer = Adam(parameters, lr=0.01)
    for _ in range(3):
        optimizer.step()
    for one, parameter in zip(weights, parameters, strict=True):
        assert close(one, parameter.detach(), 1e-3)
    running = [buffer for name, buffer in net.named_buffers() if "running" in name]
    for one, buffer in zip(buffers, running, strict=True):
        assert close(one, buffer, 1e-3)


COURSE = (
    HEAD.replace("input =>", "([input, labels, rate]) =>")
    + """
  const images = normalise(net, bytesOf(input)), losses = [], size = 784 * 10;
  const move = adam(parametersOf(net), rate), space = workspace(net, 10);
  for (let start = 0; start < labels.length; start += 10) {
    forward(space, images.subarray(784 * start, 784 * start + size), {training: true});
    losses.push(backward(space, labels.slice(start, start + 10)));
    move(space.gradients);
  }
  return [losses, encoded(forward(space, images.subarray(0, size)).at(-1).values)];
}"""
)


def test_a_training_goes_as_that_of_the_engine(open_page, drawn):
    net, labels = stirred("net9_3_wide2"), torch.arange(60) % 10
    page = open_page(live_of(net))
    losses, scores = page.evaluate(COURSE, [sent(drawn[:60]), labels.tolist(), 0.001])
    images = batches.normalise(drawn[:60].float(), MEAN, STD)
    optimizer, expected = Adam([*net.train().parameters()], lr=0.001), []
    for rows in batches.in_order(60, 10):
        loss = functional.nll_loss(net(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-2) and losses[-1] < losses[0]
    assert close(scores, net.eval()(images[:10]).detach(), 2e-2)


FRESH = (
    HEAD
    + """
  const fresh = initialise(net, randomBySeed(input));
  const tensors = fresh.layers.flatMap(layer =>
    ["weight", "bias", "running_mean", "running_var"].filter(name => layer[name])
      .map(name => [`${layer.name}.${name}`, encoded(layer[name].values)]));
  return Object.fromEntries(tensors);
}"""
)


@pytest.mark.parametrize("name", ["final", "net1"])
def test_fresh_weights_are_drawn_as_the_engine_draws_them(open_page, name):
    """Nothing of the trained net is left: as wide as drawn here, and zeros and ones as here."""
    net = net_of(name)
    page = open_page(live_of(net, name))
    found, again, other = (page.evaluate(FRESH, seed) for seed in (1, 1, 2))
    assert found == again != other
    engine = nets.build(RECIPES[name].net, generator=streams.generator(1, "fresh")).state_dict()
    for key, text in found.items():
        values, like = numbers(text), engine[key].flatten()
        if like.unique().numel() == 1:
            assert torch.equal(values, like)
        elif len(like) > 500:
            assert values.std().item() == pytest.approx(like.std().item(), rel=0.15)
            assert abs(values.mean()) < 0.15 * like.std()
            assert values.abs().max().item() == pytest.approx(like.abs().max().item(), rel=0.05)


@pytest.fixture(scope="module")
def enough():
    """400 + 40 drawn digits."""
    labels = torch.arange(440) % 10
    images = synthetic.digits(labels, streams.generator(0, "enough"))
    train, test = Split(images[:400], labels[:400]), Split(images[400:], labels[400:])
    return Dataset("synthetic", train, test, MEAN, STD, "enough", 0, classes=10)


@pytest.mark.parametrize(
    "net, side, count",
    [("net1", 4 * 29, 41), ("net9_3_wide2", 3 * 4, 5), ("small", 3 * 6, 5)],
)
def test_training_goes_down(open_page, enough, net, side, count):
    """16 filters stand in rows of 4, 8 in rows of 3, with a pixel between two."""
    fragment = f"#train&net={net}&lr=0.003&batch=8&seed=2"
    page = open_page(live_of(published.final_net(), dataset=enough), fragment=fragment)
    page.locator("#train-run").click()
    until(page, f"training.losses.length >= {count}")
    page.locator("#train-run").click()
    until(page, "!training.waiting")
    page.evaluate("new Promise(requestAnimationFrame)")  # the last batch is drawn in a frame
    losses = [loss for _, loss in page.evaluate("training.losses")]
    if net == "net1":  # the other one takes a second a batch here
        assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    assert page.evaluate("byId('train-filters').width") == side
    assert page.locator("#train-loss .own").get_attribute("points").count(",") == len(losses)
    assert page.evaluate("training.accuracies[0]")[0] == 0  # tested before it has learned
    assert "held-out digits right" in page.get_by_role("status").text_content()
    page.locator("#train-run").click()
    until(page, f"training.losses.length > {len(losses)}")


def test_training_is_repeated_by_its_address(open_page, enough):
    """Every control by keyboard; what is chosen stands in the address, which brings it back."""
    given = live_of(published.final_net(), dataset=enough)
    values = "Object.fromEntries(new FormData(byId('train-settings')))"
    usual = {"net": "small", "optimizer": "adam", "lr": "0.01", "batch": "32", "seed": "1"}
    usual |= {"digits": "plain", "broken": "none"}
    for wrong in ("seed=x", "lr=7", "net=net0", "batch="):
        page = open_page(given, fragment=f"#train&{wrong}&net=net1&batch=4")
        assert page.evaluate(values) == usual, wrong
    page = open_page(given, fragment="#train&net=net1&length=%&batch=4")
    first = usual | {"net": "net1", "batch": "4"}
    assert page.evaluate(values) == first
    page.locator("[name=net]").focus()
    for key in (None, "ArrowDown", "ArrowDown", "ArrowUp", "3"):
        if key:
            page.keyboard.press("Tab")
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    second = first | {"optimizer": "sgd", "lr": "0.03", "seed": "3"}
    assert page.evaluate(values) == second
    address = page.evaluate("location.hash")
    assert address == "#train" + "".join(f"&{name}={value}" for name, value in second.items())
    assert page.evaluate("document.activeElement.name") == "seed"
    for _ in range(4):
        page.keyboard.press("Tab")
    seen = []
    for _ in range(2):
        page.keyboard.press("Space")
        until(page, f"training.losses.length > {len(seen)} && !training.waiting")
        seen = page.evaluate("training.losses")
    again = open_page(given, fragment=address)
    assert again.evaluate(values) == second
    for count in (1, 2):
        again.locator("#train-step").click()
        until(again, f"training.losses.length == {count} && !training.waiting")
    assert again.evaluate("training.losses") == seen
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate("training.losses") == []


MOVED = """([input, how]) => {
  const images = Float32Array.from(bytesOf(input)), output = new Float32Array(784);
  moveImage(images, 0, output, 0, how, 0);
  return btoa(String.fromCharCode(...new Uint8Array(output.buffer)));
}"""


def test_digits_are_moved_and_turned(open_page, drawn):
    """By whole pixels exactly; by a quarter, as torch turns; not at all, as they are."""
    page, image = open_page(live_of(net_of("final"))), drawn[3, 0]
    shifted = torch.zeros_like(image)
    shifted[:, 3:] = image[:, :-3]
    cases = [({}, image), ({"shift": 3}, shifted), ({"angle": 90}, image.rot90(-1))]
    for how, expected in cases:
        assert close(page.evaluate(MOVED, [sent(image), how]), expected.float(), 1e-3)


@pytest.mark.parametrize("broken", ["rate", "norm", "labels", "few"])
def test_a_broken_training_shows_in_the_worker_and_is_diagnosed(open_page, enough, broken):
    page = open_page(live_of(published.final_net(), dataset=enough))
    page.evaluate(
        "Math.random = () => " + str(["rate", "norm", "labels", "few"].index(broken) / 4)
    )
    page.locator("[name=broken]").select_option("secret")
    page.locator("#train-ten").click()
    until(page, "training.losses.length === 10 && !training.waiting")
    assert page.evaluate("training.broken") == broken
    page.locator(f"#diagnosis [value={broken}]").check()
    assert page.locator("#train-cause").inner_text().startswith("Yes.")
    seen = page.evaluate("training.seen")
    assert seen == (200 if broken == "few" else 320)  # batches of twenty digits


def test_held_out_digits_can_be_moved_after_a_training(open_page, enough):
    page = open_page(live_of(published.final_net(), dataset=enough))
    page.locator("#shift").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Moved by 1 pixels").wait_for()


def test_a_pause_is_told_by_the_numbers_that_are_shown(open_page, enough):
    """Of the batch as well that was on its way when the pause came."""
    page = open_page(live_of(published.final_net(), dataset=enough), fragment="#train&net=net1")
    page.locator("#train-run").click()
    until(page, "training.losses.length >= 3")
    page.locator("#train-run").click()
    until(page, "!training.waiting")
    for count in range(2):
        if count:
            page.locator("#train-step").click()
            until(page, "!training.waiting")
        page.evaluate("new Promise((done) => requestAnimationFrame(done))")
        loss, share, seen = page.evaluate(
            "['loss', 'accuracy'].map((name) => byId(`${name}-last`).textContent)"
            ".concat(training.seen.toLocaleString('en'))"
        )
        said = page.get_by_role("status").text_content()
        assert said.startswith(f"Paused after {seen} digits") and len(loss) == 5
        assert said.endswith(f": loss {loss}, {share} % of the held-out digits right.")


def test_a_training_that_diverges_says_so_and_stops(open_page, enough):
    page = open_page(live_of(published.final_net(), dataset=enough), fragment="#train&net=net1")
    page.evaluate(
        "training.nets.net1.std = 1e-45, resetTraining()"
    )  # so that pixels become infinite
    page.locator("#train-run").click()
    page.get_by_text("It has diverged").wait_for()
    assert page.locator("#train-run").inner_text() == "Go on"


def test_training_fits_the_screen(open_page, enough):
    page = open_page(live_of(published.final_net(), dataset=enough))
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.locator("#train svg text").evaluate_all(
            "texts => texts.map(text => text.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 11


def test_without_digits_there_is_no_training(open_page):
    page = open_page(live_of(published.final_net()))
    assert page.get_by_text("Training takes digits").is_visible()
    assert page.locator("#train-run").count() == 0
