"""A digit drawn in the page becomes one of MNIST's, and what the net makes of it is explained."""

from dataclasses import replace

import pytest
import torch
from live_net import MEAN, STD, live_of, net_of

from tinytrain.data import batches
from tinytrain.data.datasets import Split
from tinytrain.report.receptive_field import receptive_field
from tinytrain.results.trained_run import load_run
from tinytrain.store.mnist_form import mnist_form

# Strokes of digits, in 280ths of the paper's side.
STROKES = {
    0: [
        [(140, 40), (80, 80), (70, 140), (90, 210), (140, 240), (190, 210), (210, 140), (190, 70)]
    ],
    1: [[(150, 40), (135, 240)]],
    7: [[(60, 60), (220, 60), (120, 240)]],
}
STROKES[0][0].append(STROKES[0][0][0])


@pytest.fixture
def page_of(open_page):
    """`page_of(name)`: the page of a recipe's net, alive."""
    return lambda name, dataset=None: wait(open_page(live_of(net_of(name), name, dataset)))


@pytest.fixture
def opened(page_of, tiny):
    """The page of the final net, with digits, one of which has a wrong label."""
    labels = tiny.test.labels.clone()
    labels[0] = 9
    return page_of("final", replace(tiny, test=Split(tiny.test.images, labels)))


def wait(page):
    page.wait_for_function("() => !document.getElementById('live-body').hidden && chosen.place")
    return page


def draw(page, strokes):
    """Draw with the mouse, stroke by stroke."""
    paper = page.locator("#paper").bounding_box()
    share = paper["width"] / 280
    for stroke in strokes:
        (x, y), *others = [(paper["x"] + x * share, paper["y"] + y * share) for x, y in stroke]
        page.mouse.move(x, y)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=3)
        page.mouse.up()


def pixels(page):
    """What the net is shown, (28, 28)."""
    return torch.tensor(page.evaluate("[...mind.pixels]")).view(28, 28)


def said(page):
    return page.locator("#said").inner_text()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


INK = """[...byId("paper").getContext("2d").getImageData(0, 0, 280, 280).data]
  .filter((_, place) => place % 4 === 3)"""


@pytest.mark.parametrize("digit", STROKES)
def test_a_drawing_takes_the_form_of_mnist_and_is_read(opened, digit):
    draw(opened, STROKES[digit])
    assert f"The net says {digit}," in said(opened)
    ink = torch.tensor(opened.evaluate(INK)).view(280, 280)
    difference = pixels(opened).int() - mnist_form(ink).int()
    assert ink.max() == 255 and difference.abs().max() <= 1
    assert opened.locator("#steps figure:not([hidden])").count() == 4


def test_without_digits_none_is_offered(page_of):
    page = page_of("final")
    assert page.locator("#test").is_hidden() and page.locator("#wrong").is_hidden()


def test_keys_draw_undo_and_clear(opened):
    """The paper is the first stop of the tabulator."""
    opened.evaluate("scrollTo(0, 0)")
    press(opened, "Tab", *["ArrowUp"] * 10, "Space", *["ArrowDown"] * 20)
    assert opened.evaluate("document.activeElement.id") == "paper"
    assert "Pen down, 50.0 % across, 85.7 % down" in opened.locator("#where").inner_text()
    press(opened, "Space")
    assert "The net says 1," in said(opened)
    press(opened, "ArrowRight", "Space", "ArrowRight", "Space")
    assert opened.evaluate("drawings.at(-1).strokes.length") == 2
    press(opened, "Backspace")
    assert opened.evaluate("drawings.at(-1).strokes.length") == 1
    press(opened, "Tab", "Tab", "Enter")
    assert "It is labelled" in said(opened) and "wrong" not in said(opened)
    opened.locator("#clear").press("Enter")
    assert said(opened) == "Nothing is drawn."
    assert opened.locator(".own span, #loss-value").filter(visible=True).count() == 0
    press(opened, "Tab", "Tab", "Enter")
    assert "It is labelled" in said(opened)
    press(opened, "Tab", "Enter")
    label = opened.evaluate("drawings.at(-1).given.label")
    assert f"It is labelled {label}." in said(opened) and f"says {label}," not in said(opened)


EXPLAINED = """() => mind.net.steps.slice(1).flatMap(({ layers, shown }, before) => {
  const step = before + 1, { planes, sides: sizes } = mapOf(shown), last = planes.length - 1;
  return [[0, [0, 0]], [last, [sizes[0] - 1, sizes[1] >> 1]], [last >> 1, [sizes[0] >> 1, 0]]]
    .map(([channel, place]) => {
      choose(step, channel, place);
      const inputs = windowAt(step, channel, place);
      const { bias, weight } = mind.net.layers[layers[0]];
      const sum = inputs.reduce((total, one) => total + one.sum, bias?.values[channel] ?? 0);
      const { sides } = mapOf(shown), made = mind.space.maps[layers[0]].values;
      const first = made[(channel * sides[0] + place[0]) * sides[1] + place[1]];
      const said = byId("cell-name").textContent.split(": ")[1];
      const whole = weight || mind.net.layers[layers[0]].kind === "MaxPool2d";
      return [whole ? sum : first, first, said,
        number(planes[channel][place[0] * sizes[1] + place[1]])];
    });
})"""


PRODUCTS = """() => mind.net.steps.slice(0, -1).flatMap(({ shown }, step) => {
  const { blames, sides, planes } = mapOf(shown), last = planes.length - 1;
  return [[0, 0], [last, (sides[0] * sides[1]) >> 1]].map(([channel, at]) => [blames[channel][at],
    usesOf(step, channel, at).reduce((sum, { product }) => sum + product, 0)]);
})"""
SIGHTS = """() => mind.space.works.flatMap((work, layer) => ["weight", "bias"].flatMap((name) =>
  work[name] ? [0, work[name].length - 1].map((index) => [work[name][index],
    sightsOf({ layer, name, index }).reduce((sum, { product }) => sum + product, 0)]) : []))"""


@pytest.mark.parametrize("name", ["final", "net1", "small"])
def test_numbers_blame_and_gradients_are_the_sums_that_are_shown(page_of, name):
    page = page_of(name)
    draw(page, STROKES[7])
    explained = page.evaluate(EXPLAINED)
    assert len(explained) >= 12
    for total, made, shown, value in explained:
        assert total == pytest.approx(made, abs=1e-3) and shown == value
    for sums in PRODUCTS, SIGHTS:
        found = page.evaluate(sums)
        assert len(found) >= 8 and any(gradient for gradient, _ in found)
        for gradient, total in found:
            assert total == pytest.approx(gradient, rel=1e-3, abs=1e-6)


def test_a_place_sees_its_receptive_field(opened):
    """The frame on the digit, in pixels, is the field as the formula has it."""
    fields = {field.name: field for field in receptive_field(load_run().net)}
    steps = opened.evaluate("mind.net.steps.map(({ layers }) => mind.net.layers[layers[0]]?.name)")
    frame = """([step, place]) => {
      choose(step, 0, [place, 0]);
      const { top, bottom } = byId("cell-digit").querySelector(".box").style;
      return [28 * parseFloat(top) / 100, 28 - 28 * parseFloat(bottom) / 100];
    }"""
    for step, name in list(enumerate(steps))[1:]:
        for place in (0, fields[name].size // 2):
            first, last = fields[name].span(place, 28)
            found = opened.evaluate(frame, [step, place])
            assert found == pytest.approx([first, last + 1], abs=1e-3)
    for place in (0, 9, 27):  # of the image itself: one pixel
        assert opened.evaluate(frame, [0, place]) == pytest.approx([place, place + 1], abs=1e-3)


def test_columns_and_numbers_have_plain_names(opened):
    """The last column has the scores before log-softmax."""
    opened.evaluate("choose(2, 4, [3, 5])")
    name = "second convolution, channel 4, row 3, column 5: "
    assert opened.locator("#cell-name").inner_text().startswith(name)
    second, last = (opened.locator(".column p").nth(place) for place in (2, -1))
    assert "second convolution (3 × 3), batch norm, ReLU" in second.get_attribute("title")
    assert second.inner_text() == "3 × 3\n11 × 24 × 24"
    title = last.get_attribute("title")
    assert title.startswith("mean of all places: the ten scores, each number sees all 28 × 28 pix")
    opened.evaluate("choose(9, 3)")
    scores = opened.evaluate("mapShown(9).values.length")
    assert scores == 10 and opened.evaluate("Math.max(...mapShown(9).values)") > 0
    assert "log-softmax" in opened.locator("#cell-reasons li").last.inner_text()
    assert opened.locator("#hide").is_hidden()


def test_a_hidden_channel_is_gone(opened):
    draw(opened, STROKES[0])
    opened.evaluate("choose(2, 4)")
    opened.locator("#hide").press("Space")
    opened.wait_for_function("() => byId('hide').ariaPressed === 'true'")
    net, shown = load_run().net, pixels(opened)[None, None].float()
    maps = net.conv1(batches.normalise(shown, MEAN, STD))
    maps[:, 4] = 0
    for _, stage in [*net.named_children()][1:]:
        maps = stage(maps)
    found, before = torch.tensor(opened.evaluate("[mind.shares, mind.before]"))
    assert torch.allclose(found, maps.exp().flatten(), rtol=0, atol=1e-4)
    assert (before.log() - found.log()).abs().max() > 0.1
    opened.locator("#unhide").press("Enter")
    assert opened.evaluate("mind.shares") == pytest.approx(before.tolist(), abs=1e-6)
    opened.locator("#unhide").wait_for(state="hidden")


def test_what_is_said_is_without_the_hidden_channels(opened):
    """With two hidden, the sentence has the scores that are shown, and those of the whole net."""
    draw(opened, STROKES[7])
    whole = said(opened)
    for channel in (4, 7):
        opened.evaluate(f"choose(2, {channel})")
        opened.locator("#hide").click()
    shares, before = opened.evaluate("[mind.shares, mind.before]")
    now, then = (f"{some.index(max(some))}, {100 * max(some):.1f} %" for some in (shares, before))
    hidden = said(opened)
    assert (
        f"Without 2 of its channels the net says {now}" in hidden and f"before: {then}" in hidden
    )
    assert then in whole and whole != hidden
    opened.locator("#clear").click()
    assert said(opened) == "Nothing is drawn."
    draw(opened, STROKES[7])
    assert said(opened) == hidden
    opened.locator("#unhide").click()
    assert said(opened) == whole


def test_numbers_that_are_none_are_said_and_nothing_is_thrown(opened):
    opened.evaluate("mind.net.layers[0].weight.values.fill(NaN), choose(1, 0), update(true)")
    assert "it says nothing" in said(opened)
    opened.wait_for_function("() => byId('cell-name').textContent.endsWith('NaN')")
    opened.evaluate("choose(5, 2)")
    assert opened.locator("#cell-name").inner_text().endswith("row 0, column 0: NaN")


def test_keys_go_through_the_maps(opened):
    opened.evaluate("choose(1, 0, [3, 3])")
    opened.locator("#cell-map").focus()
    press(opened, "ArrowRight", "ArrowUp")
    place = "[chosen.step, chosen.channel, ...chosen.place]"
    assert opened.evaluate(place) == [1, 0, 2, 4]
    opened.locator("input[name=channel]:checked").focus()
    shown = opened.locator(".column").nth(1).locator("input:visible").count()
    press(opened, *["ArrowRight"] * shown)
    assert opened.evaluate("chosen.step") == 2
    opened.locator(".column").nth(5).locator(".map:visible").first.click(position={"x": 1, "y": 1})
    assert opened.evaluate("[chosen.step, ...chosen.place]") == [5, 0, 0]


def test_it_fits_its_screen_and_all_has_a_name(opened):
    draw(opened, STROKES[7])
    opened.evaluate("choose(7, 30)")
    for width in (1280, 768, 390):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
    nameless = """[...document.querySelectorAll("#live-body :is(button, input, [tabindex])")]
      .filter((one) => !one.ariaLabel && !one.textContent.trim() && !one.labels?.length).length"""
    assert opened.evaluate(nameless) == 0


def test_without_javascript_it_says_so(open_page):
    page = open_page(live_of(net_of("final")), java_script_enabled=False)
    assert page.locator("#live-body").is_hidden()
    assert page.locator("noscript").inner_text().strip()


NUDGES = """() => mind.net.steps.flatMap((_, step) => {
  const held = step && linkOf(step), { values } = held?.layer?.weight ?? {};
  if (!values) return [];
  const { weight } = held.work, index = weight.indexOf(weight.reduce((most, one) =>
    Math.abs(one) > Math.abs(most) ? one : most));
  const change = 3e-3 / weight[index], measured = [1, -1].map((way) =>
    lossWith(values, index, way * change) - mind.loss);
  return [[weight[index] * change, (measured[0] - measured[1]) / 2]];
})"""


def test_a_nudge_changes_the_loss_as_predicted(opened):
    """A small one, of the weight most to blame in each step; the digit is taken for another."""
    assert opened.evaluate("mind.loss") > 0.1
    found = opened.evaluate(NUDGES)
    assert len(found) == 7
    for predicted, measured in found:
        assert measured == pytest.approx(predicted, rel=0.01)


def test_a_nudge_is_said_and_leaves_the_weight(opened):
    opened.evaluate("choose(2, 4)")
    before = opened.evaluate("mind.loss")
    opened.locator("#nudge").press("ArrowRight")
    assert opened.locator("#nudge-text").inner_text().startswith("Moved by ")
    opened.locator("#cell-inputs button").last.click()
    opened.locator("#weight-kernel").press("ArrowDown")
    assert ", row 2, column 1" in opened.locator("#weight-name").inner_text()
    opened.locator("#weight-others button").first.click()
    assert "batch norm" in opened.locator("#weight-name").inner_text()
    opened.evaluate("choose(2, 4, null), update(true)")
    assert opened.evaluate("mind.loss") == before


def test_blame_goes_back_through_the_same_maps(opened):
    """By keyboard; the columns change one after another, from the answer."""
    opened.locator("#fault").press("Space")
    opened.wait_for_function("() => document.querySelectorAll('.blamed').length === 10")
    assert "backpropagation" in opened.locator("#back").inner_text()
    opened.locator("#worst").click()
    gradients = (
        "mind.space.works.flatMap(({ weight, window }) => (window && weight ? [weight] : []))"
    )
    worst = opened.evaluate(f"largest({gradients}.map(largest))")
    assert abs(opened.evaluate("nudge.gradient")) == worst
    opened.locator("#fault").press("Space")
    assert opened.locator(".blamed").count() == 0 and opened.locator("#worst").is_hidden()


def test_the_loss_is_shown_step_by_step(opened):
    draw(opened, STROKES[7])
    opened.locator("#labels input").nth(2).check()
    cells = opened.locator("#loss-rows tr").nth(2).locator("td").all_inner_texts()
    shares, loss = opened.evaluate("[mind.shares, mind.loss]")
    scores = opened.evaluate("[...mind.space.works.at(-2).output.values]")
    shown = opened.evaluate("(all) => all.map(about)", [scores[2], shares[2]])
    assert [cells[0], cells[2]] == shown
    assert loss == pytest.approx(-torch.tensor(scores).log_softmax(0)[2].item(), rel=1e-4)
    assert opened.locator("#loss-value").inner_text() == opened.evaluate("number(mind.loss)")


def test_steps_on_a_digit_lower_its_loss_and_can_be_taken_back(opened):
    before = opened.evaluate("mind.loss")
    assert opened.locator("#step-back").is_disabled()
    opened.locator("#step-ten").press("Space")
    assert opened.evaluate("mind.loss") < before
    assert "Steps 1 to 10: " in opened.locator("#step-text").inner_text()
    assert said(opened).endswith("have taken below: 10.)")
    opened.locator("#step-back").click()
    assert "have taken" not in said(opened)
    assert opened.evaluate("mind.loss") == before


def test_the_pen(opened):
    """A click makes a dot, as wide as the pen; without centring it stays where it is."""
    opened.locator("#centre").uncheck()
    opened.locator("#width").fill("40")
    opened.locator("#clear").click()
    opened.locator("#paper").click(position={"x": 40, "y": 40})
    ink = pixels(opened)
    assert ink[:7, :7].sum() > 2000 and ink[10:].sum() == 0
    opened.locator("#centre").check()
    assert pixels(opened)[14, 14] == 255


def test_what_is_no_digit_gets_a_sentence_and_so_does_the_task(opened):
    opened.locator("#clear").click()
    draw(opened, STROKES[7])
    opened.evaluate("mind.shares = new Float32Array(10).fill(0.1), say()")
    assert "unsure: perhaps it is no digit" in said(opened)
    opened.evaluate("mind.shares[9] = 0.9, say()")
    assert "you have done it" in said(opened) and "unsure" not in said(opened)
