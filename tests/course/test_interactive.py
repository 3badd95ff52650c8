"""The interactive parts of the page in a browser: the engine's numbers, and nothing fetched."""

import base64
import zlib

import pytest
import torch
from live_net import MEAN, STD, close, drawn, live_of, net_of, numbers, sent

from tinytrain import nets, nn, streams
from tinytrain.course.page import interactive
from tinytrain.data import batches
from tinytrain.nn import functional
from tinytrain.nn.inspect import layer_rows
from tinytrain.optim import Adam, ExponentialMovingAverage
from tinytrain.recipes import RECIPES
from tinytrain.results.trained_run import load_run
from tinytrain.train.evaluation import predict


@pytest.fixture(scope="module")
def enough():
    """400 + 40 drawn digits."""
    return drawn(400)


def until(page, condition):
    """Wait until a condition holds in the page, whose policy forbids playwright's own waiting."""
    page.evaluate(
        f"""new Promise((done, fail) => {{
          const look = (tries) => ({condition}) ? done() : tries ? setTimeout(look, 10, tries - 1)
            : fail(new Error("waited in vain"));
          look(2000);
        }})"""
    )


HEAD = """([input, labels, rate]) => {
  const {net} = JSON.parse(document.getElementById("live").textContent, revived);
  const encoded = values => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
  };
"""
IMAGES = "const images = normalise(net, bytesOf(input)), space = workspace(net, labels.length);"
MAPS = f"""{HEAD}{IMAGES}
  return forward(space, images).map(map => [map.shape, encoded(map.values)]);
}}"""
BLAME = f"""{HEAD}{IMAGES}
  const alone = workspace(net, 1);
  return labels.map((label, at) => {{
    forward(alone, images.subarray(784 * at, 784 * (at + 1)));
    const loss = backward(alone, [label], true);
    const maps = [alone.image, ...alone.maps].map(({{gradient}}) => encoded(gradient));
    return [loss, maps, alone.gradients.map(encoded)];
  }});
}}"""
TRAINED = f"""{HEAD}{IMAGES}
  let loss;
  for (let time = 0; time < 2; time++) {{  // the second leaves nothing of the first
    forward(space, images, {{training: true}});
    loss = backward(space, labels);
  }}
  const move = adam(parametersOf(net));
  for (const size of [1, 0.1, 3])
    move(space.gradients.map(gradient => gradient.map(one => one * size)), rate);
  const buffers = net.layers.filter(layer => layer.running_mean)
    .flatMap(layer => [layer.running_mean, layer.running_var].map(one => encoded(one.values)));
  const gradients = space.gradients.map(encoded);
  return [loss, gradients, parametersOf(net).map(one => encoded(one.values)), buffers];
}}"""


@pytest.mark.parametrize("name", ["final", "net1", "small"])
def test_numbers_are_those_of_the_engine(open_page, enough, name):
    """Every map; of digits alone, with wrong labels, every gradient; a training on a batch."""
    net, few, labels = net_of(name), enough.train.images[:10], (torch.arange(10) + 5) % 10
    page, given = open_page(live_of(net, name)), [sent(few), labels.tolist(), 1.0]
    images = batches.normalise(few.float(), MEAN, STD)
    layers = [row.layer for row in layer_rows(net) if type(row.layer) is not nn.Sequential]
    found, output = page.evaluate(MAPS, given), images
    for layer in layers:
        output = layer(output.clone())  # some work in place
        shape, values = found.pop(0)
        assert tuple(shape) == tuple(output.shape) and close(values, output, 1e-4)
    assert not found and torch.allclose(output, predict(net, few, MEAN, STD), atol=1e-4)

    parameters = [*net.parameters()]
    for at, (loss, maps, gradients) in enumerate(page.evaluate(BLAME, given)):
        outputs = [images[at : at + 1].requires_grad_()]
        for layer in layers:
            outputs.append(layer(outputs[-1].clone()))
        expected = functional.nll_loss(outputs[-1], labels[at : at + 1])
        assert loss == pytest.approx(expected.item(), rel=1e-4)
        wanted = torch.autograd.grad(expected, [*outputs, *parameters])
        for one, other in zip([*maps, *gradients], wanted, strict=True):
            assert close(one, other, 1e-4 * max(1, other.abs().max()))

    loss, gradients, weights, buffers = page.evaluate(TRAINED, given)
    for _ in range(2):
        expected = functional.nll_loss(net.train()(images.detach()), labels)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    for one, parameter in zip(gradients, parameters, strict=True):
        assert close(one, parameter.grad, 1e-3 * min(1, parameter.grad.abs().max()))
    optimizer = Adam(parameters, lr=1.0)
    own = [parameter.grad for parameter in parameters]
    for size in 1, 0.1, 3:
        for parameter, gradient in zip(parameters, own, strict=True):
            parameter.grad = gradient * size
        optimizer.step()
    for one, parameter, gradient in zip(weights, parameters, own, strict=True):
        moved = (numbers(one) - parameter.flatten())[gradient.flatten().abs() > 1e-4]
        assert not moved.numel() or moved.abs().max() < 3e-4  # of others the sign is uncertain
    assert close(buffers, [one for name, one in net.named_buffers() if "running" in name], 1e-3)


def chain(*layers):
    return nn.Sequential(*layers)


def test_digits_are_drawn_evenly_and_packed_whole(tiny):
    net = load_run().net
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


AVERAGED = f"""{HEAD}
  const {{average, follow}} = averaged(net), [weight] = parametersOf(net);
  for (const value of input) {{
    weight.values.fill(value);
    follow();
  }}
  return parametersOf(average)[0].values[0];
}}"""


def test_an_average_follows_as_the_engine_s(open_page):
    net = chain(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))
    net[1].weight.data.fill_(0.5)
    page, values = open_page(live_of(net)), [float(value % 7) for value in range(60)]
    found = page.evaluate(AVERAGED, [values])
    ema = ExponentialMovingAverage(net, 0.98)
    for value in values:
        net[1].weight.data.fill_(value)
        ema.update()
    assert found == pytest.approx(ema.net[1].weight[0, 0].item(), rel=1e-4)


FRESH = f"""{HEAD}
  const fresh = initialise(net, randomBySeed(input));
  const tensors = fresh.layers.flatMap(layer =>
    ["weight", "bias", "running_mean", "running_var"].filter(name => layer[name])
      .map(name => [`${{layer.name}}.${{name}}`, encoded(layer[name].values)]));
  return Object.fromEntries(tensors);
}}"""


@pytest.mark.parametrize("name", ["final", "net1"])
def test_fresh_weights_are_drawn_as_the_engine_draws_them(open_page, name):
    """Nothing of the trained net is left: as wide as drawn here, and zeros and ones as here."""
    page = open_page(live_of(net_of(name), name))
    found, again, other = (page.evaluate(FRESH, [seed]) for seed in (1, 1, 2))
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


@pytest.fixture
def training(open_page, enough):
    """`training(fragment)`: a page of the final net with digits to train on."""
    live = live_of(load_run().net, dataset=enough)
    return lambda fragment="": open_page(live, fragment=fragment)


def run(page, count=1, button="#train-run"):
    """Press a button of the training, and wait for so many batches and a pause."""
    page.locator(button).click()
    until(page, f"training.losses.length >= {count}")
    if button == "#train-run":
        page.locator(button).click()
    until(page, "!training.waiting")
    page.evaluate("new Promise((done) => requestAnimationFrame(done))")  # which draws the last


@pytest.mark.parametrize(
    "net, side, filters, count",
    [("net1", 28, 16, 41), ("net9_3_wide2", 3, 8, 5), ("small", 5, 8, 5)],
)
def test_training_goes_down(training, net, side, filters, count):
    page = training(f"#train&net={net}&lr=0.003&batch=8&seed=2")
    run(page, count)
    losses = [loss for _, loss in page.evaluate("training.losses")]
    if net == "net1":  # the other one takes a second a batch here
        assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    shown = "[...byId('train-filters').children].map((one) => one.width)"
    assert page.evaluate(shown) == [side] * filters
    assert page.locator("#train-loss .own").get_attribute("points").count(",") == len(losses)
    assert page.evaluate("training.accuracies[0]")[0] == 0  # tested before it has learned
    assert "held-out digits right" in page.locator("#train-state").text_content()
    page.locator("#train-run").click()
    until(page, f"training.losses.length > {len(losses)}")


def test_training_is_repeated_by_its_address(training):
    """Every control by keyboard; what is chosen stands in the address, which brings it back."""
    values = "Object.fromEntries(new FormData(byId('train-settings')))"
    usual = {"net": "small", "optimizer": "adam", "lr": "0.01", "batch": "32", "seed": "1"}
    usual |= {"digits": "plain", "schedule": "constant", "weights": "last", "broken": "none"}
    for wrong in ("seed=x", "lr=7", "net=net0", "batch="):
        assert training(f"#train&{wrong}&net=net1&batch=4").evaluate(values) == usual, wrong
    page = training("#train&net=net1&length=%&batch=4")
    first = usual | {"net": "net1", "batch": "4"}
    assert page.evaluate(values) == first
    page.locator("[name=net]").focus()
    for key in ["Tab", "ArrowDown", "Tab", "ArrowDown", "Tab", "ArrowUp", "Tab", "3", "Enter"]:
        page.keyboard.press(key)
    second = first | {"optimizer": "sgd", "lr": "0.03", "seed": "3"}
    assert page.evaluate(values) == second
    address = page.evaluate("location.hash")
    assert address == "#train" + "".join(f"&{name}={value}" for name, value in second.items())
    assert page.evaluate("document.activeElement.name") == "seed"
    for _ in range(6):
        page.keyboard.press("Tab")
    for count in (1, 2):
        page.keyboard.press("Space")
        until(page, f"training.losses.length == {count} && !training.waiting")
    again = training(address)
    assert again.evaluate(values) == second
    for count in (1, 2):
        run(again, count, "#train-step")
    assert again.evaluate("training.losses") == page.evaluate("training.losses")
    for key in ["Tab", "Tab", "Space"]:
        page.keyboard.press(key)
    assert page.evaluate("training.losses") == []


MOVED = """([input, how]) => {
  const images = Float32Array.from(bytesOf(input)), output = new Float32Array(784);
  moveImage(images, 0, output, 0, how, 0);
  return btoa(String.fromCharCode(...new Uint8Array(output.buffer)));
}"""


def test_digits_are_moved_and_turned(training, enough):
    """By whole pixels exactly; by a quarter, as torch turns; not at all, as they are."""
    page, image = training(), enough.train.images[3, 0]
    shifted = torch.zeros_like(image)
    shifted[:, 3:] = image[:, :-3]
    cases = [({}, image), ({"shift": 3}, shifted), ({"angle": 90}, image.rot90(-1))]
    for how, expected in cases:
        assert close(page.evaluate(MOVED, [sent(image), how]), expected.float(), 1e-3)
    for said in (" right.", "(the run before: "):
        page.evaluate("training.losses.push(...Array(21).fill([0, 1]))")  # as if long enough
        page.locator("[name=shift]").press("ArrowRight")
        page.get_by_text("Moved by 1 pixels").wait_for()
        assert said in page.locator("#moved").inner_text()
        page.locator("#train-reset").click()


@pytest.mark.parametrize("place, broken", [*enumerate(["rate", "norm", "labels", "few"])])
def test_a_broken_training_shows_in_the_worker_and_is_diagnosed(training, place, broken):
    page = training()
    page.evaluate(f"Math.random = () => {place / 4}")
    page.locator("[name=broken]").select_option("secret")
    run(page, 10, "#train-ten")
    assert page.evaluate("training.broken") == broken
    page.locator(f"#diagnosis [value={broken}]").check()
    assert page.locator("#train-cause").inner_text().startswith("Yes.")
    seen = page.evaluate("training.seen")
    assert seen == (200 if broken == "few" else 320)  # batches of twenty digits


def test_batch_norm_cannot_be_missing_where_there_is_none(training):
    page = training("#train&net=net1&broken=norm")
    norm = page.locator("[name=broken] [value=norm]")
    assert page.locator("[name=broken]").input_value() == "none" and norm.is_disabled()
    page.evaluate("Math.random = () => 0.5")
    page.locator("[name=broken]").select_option("secret")
    assert page.evaluate("training.broken") == "labels"  # the second of three
    page.locator("[name=net]").select_option("small")
    assert norm.is_enabled()


def test_without_batch_norm_layers_differ_less_and_less_and_the_cause_is_told(training):
    page, first = training(), {}
    for broken, cause in ("none", ""), ("norm", "Batch norm was missing"):
        page.locator("[name=broken]").select_option(broken)
        for count in (10, 20):
            assert page.locator("#train-cause").inner_text() == ""
            run(page, count, "#train-ten")
        first[broken] = page.evaluate("training.first")
        assert page.locator(".spread li:visible").count() == len(first[broken]) == 3
        assert page.locator("#train-cause").inner_text().startswith(cause)
    assert min(first["none"]) > 0.5
    assert first["norm"] == sorted(first["norm"], reverse=True) and first["norm"][-1] < 0.2


def test_a_pause_is_told_by_the_numbers_that_are_shown(training):
    """Of the batch as well that was on its way when the pause came."""
    page = training("#train&net=net1")
    for count, button in (3, "#train-run"), (1, "#train-step"):
        run(page, count, button)
        loss, share, seen = page.evaluate(
            "['loss', 'accuracy'].map((name) => byId(`${name}-last`).textContent)"
            ".concat(training.seen.toLocaleString('en'))"
        )
        said = page.locator("#train-state").text_content()
        assert said.startswith(f"Paused after {seen} digits") and len(loss) == 5
        assert said.endswith(f": loss {loss}, {share} % of the held-out digits right.")


def test_a_rate_that_falls_is_0_after_three_epochs_and_averaged_weights_train_the_same(training):
    page, losses = training("#train&net=net1&batch=128"), []
    for name, choice in (("weights", "last"), ("weights", "averaged"), ("schedule", "falling")):
        page.locator(f"[name={name}]").select_option(choice)
        run(page, 10, "#train-ten")
        losses.append(page.evaluate("training.losses"))
    assert losses[0] == losses[1] != losses[2] and losses[0][0] == losses[2][0]
    run(page, 20, "#train-ten")
    shown = "training.filters.map((one) => [...one])"
    weights = page.evaluate(shown)
    run(page, 30, "#train-ten")
    assert page.evaluate(shown) == weights


def test_a_training_that_diverges_says_so_and_stops(training):
    page = training("#train&net=net1")
    page.evaluate("training.nets.net1.std = 1e-45, resetTraining()")  # infinite pixels
    page.locator("#train-run").click()
    page.get_by_text("It has diverged").wait_for()
    assert page.locator("#train-run").inner_text() == "Go on"


def test_training_fits_the_screen(training):
    page = training()
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.locator("#train svg text").evaluate_all(
            "texts => texts.map(text => text.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 11


def test_without_digits_there_is_no_training(open_page):
    page = open_page(live_of(load_run().net))
    assert page.get_by_text("Training takes digits").is_visible()
    assert page.locator("#train-run").count() == 0
