"""The rendered course: complete, self-contained, fits its screen, and never stale."""

import html
import itertools
import json
import re
import statistics
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import parse_qsl

import pytest
import torch

import tinytrain.course
from tinytrain import data, nets, streams
from tinytrain.cli import main as cli
from tinytrain.course import ladder, readme
from tinytrain.course.exercises import exercises
from tinytrain.course.ladder import gain
from tinytrain.course.page import build, interactive
from tinytrain.course.tables import signed
from tinytrain.errors import Unavailable
from tinytrain.plots import net_pictures
from tinytrain.recipes import LADDER, RECIPES
from tinytrain.recipes.changes import describe
from tinytrain.results import records
from tinytrain.results.trained_run import FINAL, load_run

REPOSITORY = Path(__file__).parents[2]
pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Invented records for some rungs, one with one seed, and for all variations but one."""
    folder = tmp_path_factory.mktemp("records")
    for name in {"net1", "net3", "net4", "net9_3", "final"} | {*RECIPES} - {
        *LADDER,
        "constant-rate",
    }:
        recipe, seeds = RECIPES[name], 1 if name == "net1" else 3
        draw = torch.rand(seeds, recipe.epochs, generator=streams.generator(0, name)) + 98.7
        measured = {
            seed: dict.fromkeys(records.MEASURED, row) for seed, row in enumerate(draw.tolist(), 1)
        }
        stamp = records.fingerprint(ladder.net_of(recipe))
        final = records.read_record("final")
        record = replace(final, recipe=recipe, fingerprint=stamp, seeds=measured)
        records.write_record(folder / f"{name}.jsonl", record)
    return ladder.course(folder)


@pytest.fixture(scope="module")
def rendered(course, tiny):
    net = nets.build(RECIPES["final"].net, generator=streams.generator(1, "weights"))
    drawings = net_pictures.Pictures(net, tiny, RECIPES["five-looks"]).by_name
    return build.as_html(course, [draw() for name, draw in drawings.items() if name != "maps"])


@pytest.fixture
def short(course, monkeypatch):
    """Pages of few rungs without a picture: to draw and to count all takes long."""
    named = [rung for rung in course.ladder if rung.name in readme.ROWS]
    beyond = [rung for rung in course.frontier if rung.name in readme.ROWS]
    few = ladder.Course(named, course.ablation[:1], course.views[:1], beyond)
    monkeypatch.setattr(ladder, "course", lambda: few)
    monkeypatch.setattr(build, "picture", lambda title, figure: {"title": title, "svg": ""})
    monkeypatch.setattr(net_pictures.Pictures, "by_name", {})
    return few


def test_every_rung_is_on_the_page(rendered, course):
    text = html.unescape(re.sub("</?(a|span|code)[^>]*>", "", rendered))
    for rung in course.ladder:
        lesson = rung.lesson
        parts = [lesson.idea, lesson.caption, lesson.source, lesson.try_it, lesson.command]
        parts += [lesson.question, lesson.answer, lesson.change, lesson.target, lesson.analysis]
        parts += [build.result(rung), f'<section id="{rung.name}">']
        assert [part for part in parts if part.replace("`", "") not in text] == []
    assert text.count("not measured") >= 4 and "points, 95 % interval" in text


def test_text_arrives_as_text(short):
    odd = '1 < 2, <i>"so" & so</i>'
    first = short.ladder[0]
    lesson = replace(first.lesson, title=odd, concept=f"{odd}!", analysis=odd)
    final = replace(short.final, lesson=None)
    few = ladder.Course([replace(first, lesson=lesson), final], [], [], [])
    shown = build.as_html(few, [])
    assert "<i>" not in shown and html.unescape(shown).count(odd) == 4


def test_every_variation_is_on_the_page(rendered, course):
    for rung in [*course.ablation, *course.frontier]:
        assert f'<th scope="row">{rung.name}</th>' in rendered
        assert f"final, but: {describe(rung.changes)}</td>" in rendered
    for rung in course.ablation:
        change = gain(course.final, rung)
        assert (change is None) == (rung.name == "constant-rate")
        if change:
            assert change.value == pytest.approx(rung.summary.mean - course.final.summary.mean)
            assert f"<td>{signed(change.value)}</td>" in rendered
    for rung in course.frontier:
        last = [seed[-1] for seed in rung.record.column("test_accuracy")]
        assert f"<td>{statistics.mean(last):.3f} ± {statistics.stdev(last):.3f}</td>" in rendered


def test_lessons_and_exercises_lead_to_each_other(rendered):
    sections = dict(
        itertools.chain.from_iterable(
            re.findall(rf'(?s)<{kind} id="([^"]+)">(.*?)</{kind}>', rendered)
            for kind in ("section", "div")
        )
    )
    for one in exercises():
        assert f"exercise start {one.name}<" in sections[f"exercise-{one.name}"]
        for name in one.rungs:
            assert f'href="#exercise-{one.name}"' in sections[name]
            assert f'href="#{name}"' in sections[f"exercise-{one.name}"]


def test_links_lead_to_places_on_the_page_and_nothing_is_fetched(rendered):
    markup = re.sub("(?s)<script.*?</script>", "", rendered)
    assert {*re.findall(r'href="#([^"]+)"', markup)} <= {*re.findall(r'id="([^"]+)"', markup)}
    assert not re.search(r"(src|href)=['\"](?!#|data:)", rendered)
    assert not re.search(r"@import|url\((?!#|['\"]?data:)", rendered)


def test_predictions_are_judged_by_the_records(rendered, course):
    by_name = {rung.name: rung for rung in course.ladder}
    truths = re.findall(r'(?s)data-truth="(\w+)">.*?name="([^"]+)"', rendered)
    assert truths
    for truth, name in truths:
        against = by_name[name].lesson.against or by_name[name].base
        change = gain(by_name[against], by_name[name])
        expected = "same" if not change.excludes_zero else "up" if change.value > 0 else "down"
        assert truth == expected


CUT_OFF = """() => {
  document.querySelectorAll("main details").forEach(one => (one.open = true));
  const kinds = "p, dd, h1, h2, h3, h4, pre, .wide, figure, svg, table, math, fieldset, nav";
  const over = one => one.getBoundingClientRect().right > innerWidth + 1;
  const cut = [...document.querySelectorAll(kinds)].filter(one =>
    over(one) && !one.parentElement.closest(".wide, pre"));
  const tables = [...document.querySelectorAll(".wide:has(table)")];
  cut.push(...tables.filter(one => one.scrollWidth > one.clientWidth + 1));
  const small = [...document.querySelectorAll("svg text")].filter(one => {
    const box = one.ownerSVGElement, wide = box.viewBox.baseVal?.width;
    const scale = wide ? box.getBoundingClientRect().width / wide : 1;
    return parseFloat(getComputedStyle(one).fontSize) * scale < 11;
  });
  return [cut.map(one => one.outerHTML.slice(0, 80)), small.map(one => one.textContent)];
}"""


@pytest.fixture
def opened(open_file, rendered, tmp_path):
    """`opened(search)` opens the page in a browser."""
    (tmp_path / "course.html").write_text(rendered)
    return lambda search="", **how: open_file(tmp_path / "course.html", search, **how)


def test_it_is_short_whole_and_large_enough_at_any_width(opened):
    page = opened()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len({*ids})
    assert page.evaluate("document.body.innerText.split(/\\s+/).length") <= 4600
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT_OFF) == [[], []], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_figure_is_saved_as_a_file(opened):
    page = opened()
    with page.expect_download() as download:
        page.locator(".save").first.press("Enter")
    text = Path(download.value.path()).read_text()
    assert text.startswith("<svg") and 'xmlns="http://www.w3.org/2000/svg"' in text


def test_a_prediction_by_keyboard(opened):
    page = opened()
    form, truth = page.locator("form.predict").first, {"up": 0, "same": 1, "down": 2}
    assert not page.locator("details.result[open]").count()
    form.locator("input").nth(0).press("Space")
    right = truth[form.get_attribute("data-truth")] == 0
    assert form.locator(".verdict").inner_text().startswith("Yes." if right else "No.")
    assert page.locator("details.result[open]").count() == 1
    for _ in range(2):
        tally = page.locator(".tally").first.inner_text()
        assert tally.startswith(f"So far: {int(right)} of 1 right")
        page.reload()


def test_a_word_is_explained_where_it_stands(opened):
    page = opened()
    word = page.locator("a.word").first
    for key in ("Enter", "Escape"):
        word.press(key)
        assert page.locator("#meaning").is_visible() == (key == "Enter")
    assert word.get_attribute("title") == page.locator("#meaning span").text_content()
    assert page.evaluate("location.hash") == "" and page.locator("#meaning a").is_hidden()


def test_the_answers_and_the_slides(opened):
    """Every slide has a figure and fits a small screen."""
    page, seen = opened("?slides"), []
    page.set_viewport_size({"width": 1280, "height": 720})
    while not seen or page.evaluate("location.hash") != seen[-1]:
        seen.append(page.evaluate("location.hash"))
        assert page.locator("main > section:visible").count() == 1
        assert page.locator("main > section:visible figure > svg:visible").count() >= 1, seen[-1]
        size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert page.evaluate(size) == [1280, 720], seen[-1]
        page.keyboard.press("ArrowRight")
    assert seen[0] == "#net1" and len(seen) >= len(LADDER)
    page.reload()
    assert page.evaluate("location.hash") == seen[-1]
    page.keyboard.press("Escape")
    page.locator("#answers").check()
    assert page.locator("details.answer[open]").count() == len(LADDER)
    page.locator("#answers").uncheck()
    assert page.locator("details.answer[open]").count() == 0


def test_without_javascript_all_can_be_opened(opened):
    page = opened(java_script_enabled=False)
    page.locator("#net1 details.result summary").click()
    assert page.locator("#net1 dl").is_visible()


def test_a_script_that_came_in_is_not_run(browser, rendered, tmp_path):
    path = tmp_path / "course.html"
    path.write_text(rendered.replace("</main>", "<script>document.title = 'run'</script></main>"))
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.title() != "run"
    page.close()


def test_colours_have_contrast():
    light, dark = {}, {}
    for style in build.STYLES:
        parts = (build.FOLDER / style).read_text().split("@media")[:2]
        for colours, part in zip((light, dark), parts, strict=True):
            colours |= re.findall(r"--(\w+): (#\w{6})", part)
    for colours in (light, light | dark):
        for name in ("ink", "link", "quiet", "own", "positive", "negative"):
            for behind in ("page", "box"):
                assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)


def contrast(one, other):
    """The contrast ratio of two colours #rrggbb: W3C, WCAG 2.2, 1.4.3."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_the_repository_shows_the_present_records():
    course = ladder.course()
    for path, text in readme.rendered(REPOSITORY / "README.md", course).items():
        assert text == path.read_text(), f"{path}: stale: run make course"
    digests = {
        "digits.svg": f"weights {blake2b(FINAL.read_bytes(), digest_size=8).hexdigest()}",
        "ladder.svg": f"figures {readme.digest(course)}",
        "final_net.svg": f"figures {readme.digest(course)}",
    }
    for name, digest in digests.items():
        text = (REPOSITORY / "examples" / name).read_text()
        assert digest in text, f"{name}: stale: run make course"


def test_the_command_without_data(tmp_path, capsys, monkeypatch, short):
    monkeypatch.setattr(data, "load", Mock(side_effect=Unavailable("no mirror answers")))
    names = {"README.md": ["results"]}
    names[str(readme.RECORDS)] = ["ladder", "final", "ablation", "views", "frontier"]
    (tmp_path / "examples").mkdir()
    for name, tables in names.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        marks = [(readme.BEGIN.format(table), readme.END.format(table)) for table in tables]
        texts = [f"{begin}\nstale\n{end}\nkept {begin[4:]}" for begin, end in marks]
        (tmp_path / name).write_text("\n".join(["first", *texts]))
    output = tmp_path / "course.html"
    words = ["course", "--output", str(output), "--readme", str(tmp_path / "README.md")]
    assert cli.main(words) == 0
    assert "Not drawn" in output.read_text()
    for name, tables in names.items():
        text = (tmp_path / name).read_text()
        assert text.startswith("first\n") and text.count("\nkept ") == len(tables)
        assert "stale" not in text and "| 7,934 |" in text
    assert (tmp_path / "examples" / "ladder.svg").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_readme_without_marks_or_that_is_missing(tmp_path, fails, short):
    (tmp_path / "README.md").write_text("nothing")
    for name in ("README.md", "missing.md"):
        assert name in fails(2, "course", "--readme", tmp_path / name)


def test_the_final_net_lives_in_the_page(tmp_path, monkeypatch, short, tiny):
    """With digits where its data are there, without where they are not."""
    output = tmp_path / "course.html"
    weights = load_run().net.state_dict()["conv1.0.weight"]
    for load in Mock(return_value=tiny), Mock(side_effect=Unavailable("no mirror answers")):
        monkeypatch.setattr(data, "load", load)
        assert cli.main(["course", "--output", str(output)]) == 0
        given = json.loads(re.search('(?s) id="live">(.*?)</script>', output.read_text())[1])
        assert given["net"]["layers"][0]["weight"]["data"] == interactive.encoded(weights)
        assert (given["digits"] is None) == (load.side_effect is not None)


@pytest.mark.parametrize("library", ["jinja2", "latex2mathml", "markdown_it"])
def test_a_missing_library_is_named_with_its_extra(library, tmp_path, monkeypatch, fails):
    monkeypatch.delattr(tinytrain.course, "page")
    for name in list(sys.modules):
        if name.startswith(("tinytrain.course.page", f"{library}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    said = fails(2, "course", "--output", tmp_path / "page.html")
    assert f" {library};" in said and "[course]" in said and not list(tmp_path.iterdir())


def test_the_page_with_mnist_is_small(rendered, mnist):
    live = interactive.interactive(load_run(), mnist)
    assert (
        len(rendered) + len(json.dumps(live)) + sum(map(len, interactive.scripts().values()))
        < 1.8e6
    )


def test_a_swap_brings_the_training_to_its_rung(course, open_file, tiny, tmp_path, monkeypatch):
    """Set as the lesson says; from the contents it goes back to its own place."""
    monkeypatch.setattr(build, "picture", lambda title, figure: {"title": title, "svg": ""})
    live = interactive.interactive(load_run(), tiny)
    (tmp_path / "course.html").write_text(build.as_html(course, [], live))
    page = open_file(tmp_path / "course.html")
    lessons = {rung.name: rung.lesson for rung in course.ladder if rung.lesson.settings}
    assert len(lessons) == page.locator(".swap:visible").count() == 8
    assert page.locator("#train .away").is_hidden()
    for name, lesson in lessons.items():
        page.locator(f"#{name} .swap").click()
        assert page.locator(f"#{name} #lab-text").inner_text() == lesson.live
        chosen = page.evaluate("Object.fromEntries(new FormData(byId('train-settings')))")
        assert chosen.items() >= dict(parse_qsl(lesson.settings)).items()
    page.locator("#train .away a").click()
    assert page.locator("#train #lab").is_visible()
    assert (
        page.locator("#lab-text").is_hidden() and page.locator("[name=lr]").input_value() == "0.01"
    )
    for button in ("Draw", "Loss"):  # which close the list that they are in
        page.get_by_role("button", name="Contents").click()
        page.locator("#contents").get_by_text(button, exact=True).click()
        assert page.locator("#contents").is_hidden()
    taught = page.evaluate("mind.net.layers.map(({ taught }) => taught).filter(Boolean)")
    assert "net7" in taught and all(page.locator(f"#{place}").count() == 1 for place in taught)
