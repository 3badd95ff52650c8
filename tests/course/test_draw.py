"""A digit drawn in the page becomes one of MNIST's, and what the net makes of it is explained."""

import dataclasses

import pytest
import torch

from tinytrain import nets, streams
from tinytrain.course.page.interactive import interactive
from tinytrain.data import batches, deskew
from tinytrain.data.datasets import Split
from tinytrain.nn.receptive_field import receptive_field
from tinytrain.results import published
from tinytrain.results.variations import RECIPES
from tinytrain.store import synthetic
from tinytrain.store.mnist_form import mnist_form

MEAN, STD = 0.1307, 0.3081
# Strokes of digits, in 280ths of the paper's side.
STROKES = {
    0: [
        [(140, 40), (80, 80), (70, 140), (90, 210), (140, 240), (190, 210), (210, 140), (190, 70)]
    ],
    1: [[(150, 40), (135, 240)]],
    7: [[(60, 60), (220, 60), (120, 240)]],
}
STROKES[0][0].append(STROKES[0][0][0])


def live_of(name="final", dataset=None):
    """A recipe's net for the page: the published one, or one untrained with odd statistics."""
    draw = streams.generator(1, "stirred")
    net = published.final_net() if name == "final" else nets.build(RECIPES[name].net, 0.0, draw)
    if name != "final":
        net.train()(torch.randn(64, 1, 28, 28, generator=draw))
    return interactive("a net", net.eval(), RECIPES[name], MEAN, STD, dataset)


@pytest.fixture
def opened(open_page, tiny):
    """The page of the final net, with digits, one of which has a wrong label, alive."""
    labels = tiny.test.labels.clone()
    labels[0] = 9
    dataset = dataclasses.replace(tiny, test=Split(tiny.test.images, labels))
    return wait(open_page(live_of(dataset=dataset)))


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


INK = """[...byId("paper").getContext("2d").getImageData(0, 0, 280, 280).data]
  .filter((_, place) => place % 4 === 3)"""


@pytest.mark.parametrize("digit", STROKES)
def test_a_drawing_takes_the_form_of_mnist_and_is_read(opened, digit):
    opened.locator("#clear").click()
    draw(opened, STROKES[digit])
    assert f"The net says {digit}," in said(opened)
    ink = torch.tensor(opened.evaluate(INK)).view(280, 280)
    difference = pixels(opened).int() - mnist_form(ink).int()
    assert ink.max() == 255 and difference.abs().max() <= 1
    assert opened.locator("#steps figure:visible").count() == 4


def test_upright_is_upright(opened):
    slanted = synthetic.digits(torch.arange(20) % 10, streams.generator(0, "slanted"))
    for image in slanted:
        found = opened.evaluate(
            "pixels => [...upright(Uint8Array.from(pixels))]", image.flatten().tolist()
        )
        expected = deskew.deskew(image[None]).flatten().int()
        assert (torch.tensor(found) - expected).abs().max() <= 1


def test_a_net_that_wants_digits_upright_gets_them_so(open_page):
    name = next(name for name, recipe in RECIPES.items() if recipe.deskew)
    page = wait(open_page(live_of(name)))
    assert page.locator("#test").is_hidden() and page.locator("#wrong").is_hidden()
    draw(page, [[(200, 40), (100, 240)]])
    columns = pixels(page).float().sum(0)
    assert page.locator("#steps figure:visible").count() == 5 and (columns > 0).sum() < 8


def test_keys_draw_undo_and_clear(opened):
    def press(*keys):
        for key in keys:
            opened.keyboard.press(key)

    opened.locator("#paper").focus()
    press(*["ArrowUp"] * 10, "Space", *["ArrowDown"] * 20)
    assert "Pen down, 50.0 % across, 85.7 % down" in opened.locator("#where").inner_text()
    press("Space")
    assert "The net says 1," in said(opened)
    press("ArrowRight", "Space", "ArrowRight", "Space")
    assert opened.evaluate("drawings.at(-1).strokes.length") == 2
    press("Backspace")
    assert opened.evaluate("drawings.at(-1).strokes.length") == 1
    press("Tab", "Enter")
    assert "It is labelled" in said(opened) and opened.locator("#undo").is_disabled()
    opened.locator("#clear").focus()
    press("Enter")
    assert said(opened) == "Nothing is drawn."
    press("Tab", "Enter")
    assert "It is labelled" in said(opened)
    press("Tab", "Enter")
    label = opened.evaluate("drawings.at(-1).given.label")
    assert f"It is labelled {label}." in said(opened) and f"says {label}," not in said(opened)


EXPLAINED = """() => mind.net.steps.slice(1).flatMap(({ layers, shown }, before) => {
  const step = before + 1, { planes, sides: sizes } = mapOf(shown), last = planes.length - 1;
  return [[0, [0, 0]], [last, [sizes[0] - 1, sizes[1] >> 1]], [last >> 1, [sizes[0] >> 1, 0]]]
    .map(([channel, place]) => {
      choose(step, channel, place);
      const { inputs } = windowAt(step, channel, place);
      const { bias, weight } = mind.net.layers[layers[0]];
      const sum = inputs.reduce((total, one) => total + one.sum, bias?.values[channel] ?? 0);
      const { sides } = mapOf(shown), made = mind.maps[layers[0]].values;
      const first = made[(channel * sides[0] + place[0]) * sides[1] + place[1]];
      const said = byId("cell-name").textContent.split(": ")[1];
      return [weight ? sum : first, first, said,
        number(planes[channel][place[0] * sizes[1] + place[1]])];
    });
})"""


@pytest.mark.parametrize("name", ["final", "net1", "net2", "net4"])
def test_every_number_is_the_sum_that_is_shown(open_page, name):
    page = wait(open_page(live_of(name)))
    draw(page, STROKES[7])
    explained = page.evaluate(EXPLAINED)
    assert len(explained) >= 12
    for total, made, shown, value in explained:
        assert total == pytest.approx(made, abs=1e-3) and shown == value


def test_a_place_sees_its_receptive_field(opened):
    """The frame on the digit, in pixels, is the field as the formula has it."""
    fields = {field.name: field for field in receptive_field(published.final_net())}
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


def test_rows_and_numbers_have_plain_names(opened):
    """And the layer's name in small; the last row has the scores before log-softmax."""
    opened.evaluate("choose(2, 4, [3, 5])")
    name = "second convolution, channel 4, row 3, column 5: "
    assert opened.locator("#cell-name").inner_text().startswith(name)
    second, last = (opened.locator(".row").nth(place) for place in (2, -1))
    assert second.locator("b").inner_text() == "second convolution (3 × 3), batch norm, ReLU"
    assert second.locator("p small").inner_text() == "conv1.4"
    assert last.locator("b").inner_text() == "mean of all places: the ten scores"
    assert "each number sees all 28 × 28 pixels" in last.locator("p").inner_text()
    opened.evaluate("choose(9, 3)")
    scores = opened.evaluate("mapShown(9).values.length")
    assert scores == 10 and opened.evaluate("Math.max(...mapShown(9).values)") > 0
    assert "log-softmax" in opened.locator("#cell-reasons li").last.inner_text()
    assert opened.locator("#hide").is_hidden()


def test_a_hidden_channel_is_gone(opened):
    draw(opened, STROKES[0])
    opened.evaluate("choose(2, 4)")
    button = opened.locator("#hide")
    button.focus()
    opened.keyboard.press("Space")
    opened.wait_for_function("() => byId('hide').ariaPressed === 'true'")
    net, shown = published.final_net(), pixels(opened)[None, None].float()
    maps = net.conv1(batches.normalise(shown, MEAN, STD))
    maps[:, 4] = 0
    for _, stage in [*net.named_children()][1:]:
        maps = stage(maps)
    found = torch.tensor(opened.evaluate("mind.shares"))
    assert torch.allclose(found, maps.exp().flatten(), rtol=0, atol=1e-4)
    before = torch.tensor(opened.evaluate("mind.before"))
    assert (before.log() - found.log()).abs().max() > 0.1
    opened.locator("#unhide").focus()
    opened.keyboard.press("Enter")
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
    expected = f"Without 2 of its channels the net says {now} sure (before: {then})."
    assert said(opened) == expected and whole == f"The net says {then} sure." != expected
    opened.locator("#clear").click()
    assert said(opened) == "Nothing is drawn."
    draw(opened, STROKES[7])
    assert said(opened) == expected
    opened.locator("#unhide").click()
    assert said(opened) == whole


def test_numbers_that_are_none_are_said_and_nothing_is_thrown(opened):
    opened.evaluate("mind.net.layers[0].weight.values.fill(NaN), choose(1, 0), update(true)")
    assert "it says nothing" in said(opened)
    opened.wait_for_function("() => byId('cell-name').textContent.endsWith('NaN')")
    opened.evaluate("choose(5, 2)")
    assert opened.locator("#cell-name").inner_text().endswith("row 0, column 0: NaN")


def test_kernels_are_painted(opened):
    """Side by side, as many as there are channels above, a pixel between two of 3 × 3."""
    sizes = "[...document.querySelectorAll('.kernel')].map((one) => [one.width, one.height])"
    sizes = opened.evaluate(sizes)
    assert sizes[0] == [4, 4] and sizes[8] == [3 * 4, 3 * 4] and [300, 150] not in sizes


def test_keys_go_through_the_maps(opened):
    place = "JSON.stringify([chosen.step, chosen.channel, chosen.place])"
    opened.evaluate("choose(1, 0, [3, 3])")
    opened.locator("#cell-map").focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowUp")
    assert opened.evaluate(place) == "[1,0,[2,4]]"
    opened.locator("input[name=channel]:checked").focus()
    for _ in range(8):
        opened.keyboard.press("ArrowRight")
    assert opened.evaluate("[chosen.step, chosen.channel]") == [2, 0]
    opened.locator(".row").nth(5).locator(".map").nth(2).click(position={"x": 1, "y": 1})
    assert opened.evaluate(place) == "[5,2,[0,0]]"


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
    page = open_page(live_of(), java_script_enabled=False)
    assert page.locator("#live-body").is_hidden()
    assert page.locator("noscript").inner_text().strip()


def test_a_row_stays_where_it_is_when_a_number_of_it_is_chosen(opened):
    opened.evaluate("document.documentElement.style.overflowAnchor = 'none'")  # as in Safari
    opened.evaluate("choose(2, 4)")
    tile = opened.locator(".row").nth(3).locator(".map").nth(1)
    tile.scroll_into_view_if_needed()
    before = tile.bounding_box()["y"]
    tile.click()
    assert opened.evaluate("chosen.step") == 3
    assert tile.bounding_box()["y"] == pytest.approx(before, abs=2)
