"""The rendered course: complete, self-contained, fits its screen, and never stale."""

import html
import itertools
import json
import re
import shlex
import statistics
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tinytrain import data, nets, nn, streams
from tinytrain.cli import main as cli
from tinytrain.cli.export import as_state_dict
from tinytrain.cli.main import parse
from tinytrain.cli.resolve import trained
from tinytrain.course import ladder, page, readme
from tinytrain.course.exercises import exercises
from tinytrain.course.ladder import gain
from tinytrain.course.lessons import STEPS, read_lesson, read_text, sections
from tinytrain.course.page import build as page_build
from tinytrain.course.page import interactive as live
from tinytrain.course.page.text import Renderer
from tinytrain.errors import DataError, Unavailable, UsageError
from tinytrain.nets.bricks import blocks, stacked
from tinytrain.plots import net_pictures
from tinytrain.recipes import LADDER
from tinytrain.results import published, records
from tinytrain.results.variations import ABLATION, FRONTIER, RECIPES
from tinytrain.runs import run_folder
from tinytrain.train import Epoch, build

REPOSITORY = Path(__file__).parents[2]


def invented(name, seeds=3):
    """A record with drawn figures."""
    recipe = RECIPES[name]
    draw = torch.rand(seeds, recipe.epochs, generator=streams.generator(0, name)) + 98.7
    drawn = {n: dict.fromkeys(records.MEASURED, row) for n, row in enumerate(draw.tolist(), 1)}
    stamp = records.fingerprint(ladder.net_of(recipe))
    return replace(records.read_record("final"), recipe=recipe, fingerprint=stamp, seeds=drawn)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Invented records for some rungs, whose curves are drawn, and for all variations but one."""
    folder = tmp_path_factory.mktemp("records")
    some = {"net1", "net3", "net4", "net9_3", "final"}
    for name in some | {*RECIPES} - {*LADDER, "constant-rate"}:
        record = invented(name, 1 if name == "net1" else 3)
        records.write_record(folder / f"{name}.jsonl", record)
    return folder


@pytest.fixture(scope="module")
def rungs(folder):
    return ladder.rungs(folder=folder)


@pytest.fixture(scope="module")
def rendered(folder, rungs, tiny):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    net = nets.build(RECIPES["final"].net, generator=streams.generator(1, "weights"))
    drawings = net_pictures.net_pictures(net, tiny, RECIPES["five-looks"])
    pictures = [draw() for name, draw in drawings.items() if name != "maps"]
    return page.as_html(ladder.course(folder), pictures)


@pytest.mark.parametrize("channels, classes", [(1, 2), (2, 5), (3, 5), (3, 60)])
def test_at_work_on_colour_of_any_size_and_classes(channels, classes):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    labels, draw = torch.arange(2 * classes) % classes, streams.generator(0, "images")
    images = torch.randint(256, (2 * classes, channels, 12, 9), generator=draw).to(torch.uint8)
    own = data.from_arrays(images, labels, images, labels)
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes)]
    stages = {"conv1": blocks((channels, 4), draw), "conv2": blocks((4, 3), draw), "last": last}
    pictures = net_pictures.net_pictures(stacked(stages), own, RECIPES["final"])
    drawn = {name: draw()[1] for name, draw in pictures.items()}
    shapes = {
        name: [axes.images[0].get_array().shape for axes in figure.axes]
        for name, figure in drawn.items()
    }
    picture = (12, 9, 3) if channels == 3 else (12, 9)
    assert {*shapes["mistakes"]} == {picture}
    assert shapes["augmentation"] == [picture] * 6 * min(classes, 3)
    first = drawn["augmentation"].axes[0].images[0].get_array()
    assert first.mean() == pytest.approx(float(images[classes // 5].float().mean()))
    assert shapes["confusion"] == [(classes, classes)]
    assert shapes["filters"] == [(3, 3)] * 4 * channels


def plain(markdown):
    """The text of Markdown as the page shows it, without tags."""
    rendered = html.unescape(str(Renderer([]).block(markdown)))
    return re.sub("</?(p|em|strong|a|code)[^>]*>", "", rendered).strip().split("\n")[0]


def test_every_rung_is_on_the_page(rendered, rungs):
    text = html.unescape(re.sub("</?(a|span|code|em|strong)[^>]*>", "", rendered))
    for rung in rungs:
        lesson = rung.lesson
        parts = [lesson.change, lesson.target, lesson.analysis, lesson.idea, lesson.question]
        parts = [plain(part) for part in [*parts, lesson.answer]]
        parts += [page_build.result(rung), lesson.source, f'<section id="{rung.name}">']
        assert not [part for part in parts if part not in text]
    assert text.count("not measured") >= 4 and "points, 95 % interval" in text


def test_text_arrives_as_text(rungs):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    odd = '1 < 2, <i>"so" & so</i>'
    first = replace(rungs[0], lesson=replace(rungs[0].lesson, title=odd, analysis=odd))
    final = replace(next(rung for rung in rungs if rung.name == "final"), lesson=None)
    shown = page.as_html(ladder.Course([first, final], [], [], []), [])
    assert "<i>" not in shown and html.unescape(shown).count(odd) == 3


def test_every_variation_is_on_the_page(rendered, folder):
    final = ladder.rung("final", folder)
    ablations, frontier = (ladder.rungs(names, folder) for names in (ABLATION, FRONTIER))
    for rung in [*ablations, *frontier]:
        assert f'<th scope="row">{rung.name}</th>' in rendered
        assert f"final, but: {ladder.describe(rung.changes)}</td>" in rendered
    for rung in ablations:
        change = gain(final, rung)
        assert (change is None) == (rung.name == "constant-rate")
        if change:
            assert change.value == pytest.approx(rung.summary.mean - final.summary.mean)
            assert f"<td>{change.value:+.3f}</td>" in rendered
    for rung in frontier:
        last = [seed[-1] for seed in rung.record.column("test_accuracy")]
        assert f"<td>{statistics.mean(last):.3f} ± {statistics.stdev(last):.3f}</td>" in rendered


def test_lessons_and_exercises_lead_to_each_other(rendered):
    found = [
        re.findall(rf'(?s)<{kind} id="([^"]+)">(.*?)</{kind}>', rendered)
        for kind in ("section", "div")
    ]
    sections = dict(itertools.chain(*found))
    for one in exercises():
        assert f"exercise start {one.name}<" in sections[f"exercise-{one.name}"]
        for name in one.rungs:
            assert f'href="#exercise-{one.name}"' in sections[name]
            assert f'href="#{name}"' in sections[f"exercise-{one.name}"]


def test_links_lead_to_places_on_the_page(rendered):
    markup = re.sub("(?s)<script.*?</script>", "", rendered)
    targets = re.findall(r'href="#([^"]+)"', markup)
    assert {*targets} <= {*re.findall(r'id="([^"]+)"', markup)}


def test_nothing_is_fetched(rendered):
    assert not re.search(r"(src|href)=['\"](?!#|data:)", rendered)
    assert not re.search(r"@import|url\((?!#|['\"]?data:)", rendered)


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
def opened(browser, rendered, tmp_path):
    """Opens the page in a browser; afterwards nothing was asked for, and nothing complained."""
    (tmp_path / "course.html").write_text(rendered)
    said, asked = [], []

    def opened(search="", **how):
        page = browser.new_page(**how)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{tmp_path / 'course.html'}{search}")
        return page

    yield opened
    assert not said and {url[:5] for url in asked} <= {"file:", "data:", "blob:"}
    assert sum(url.startswith("file:") for url in asked) == len(browser.contexts)
    for context in list(browser.contexts):
        context.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_cut_off_or_too_small(opened, width):
    page = opened(viewport={"width": width, "height": 900})
    assert page.evaluate(CUT_OFF) == [[], []]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_prediction_by_keyboard(opened):
    page = opened()
    form, truth = page.locator("form.predict").first, {"up": 0, "same": 1, "down": 2}
    assert not page.locator("details.result[open]").count()
    form.locator("input").nth(0).focus()
    page.keyboard.press("Space")
    right = truth[form.get_attribute("data-truth")] == 0
    assert form.locator(".verdict").inner_text().startswith("Yes." if right else "No.")
    assert page.locator("details.result[open]").count() == 1
    assert page.locator(".tally").first.inner_text().startswith(f"So far: {int(right)} of 1 right")


def test_predictions_are_judged_by_the_records(rendered, folder):
    truths = re.findall(r'(?s)data-truth="(\w+)">.*?name="([^"]+)"', rendered)
    assert truths
    for said, name in truths:
        after = ladder.rung(name, folder)
        change = gain(ladder.rung(after.base, folder), after)
        expected = "same" if not change.excludes_zero else "up" if change.value > 0 else "down"
        assert said == expected


def test_the_answers_and_the_slides(opened):
    page = opened("?slides")
    assert page.locator("main > section:visible").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.locator("main > section:visible").get_attribute("id") == "net1"
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
    page.goto(f"file://{path}")
    assert page.title() != "run"
    page.close()


def test_colours_have_contrast():
    css = (Path(page.__file__).parent / "page.css").read_text()
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in css.split("@media")[:2]
    )
    for colours in (light, light | dark):
        for name in ("ink", "link", "quiet", "own"):
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


@pytest.mark.parametrize("name", LADDER)
def test_what_a_lesson_says_to_try_can_be_typed(name):
    lesson = read_lesson(name)
    parse(shlex.split(lesson.command))
    assert 2 <= len(lesson.source.splitlines()) <= 25
    assert "<math" in Renderer([]).block(lesson.formula) or "$" not in lesson.formula
    assert lesson.step in STEPS


def test_every_lesson_belongs_to_a_rung_and_every_path_for_a_class_can_be_typed():
    assert {path.stem for path in (Path(ladder.__file__).parent / "rungs").glob("*.md")} == {
        *LADDER
    }
    for command in re.findall(r"`python -m tinytrain ([^`]+)`", read_text("teach")):
        parse(shlex.split(command))


def test_the_first_use_of_a_word_is_linked():
    render = Renderer(sections(read_text("glossary"))).inline
    first = render("A <rung> was held out; a rung held.")
    assert first.count('href="#glossary-rung"') == 1 and "&lt;" in first
    assert "glossary-held-out" in first and 'href="#glossary-held"' in first
    assert "href" not in render("A rung held.")


def test_the_readme_shows_the_present_records():
    course = ladder.course()
    for path, text in readme.rendered(REPOSITORY / "README.md", course).items():
        assert text == path.read_text(), f"{path} is stale: run make course"
    digits = (REPOSITORY / "examples" / "digits.svg").read_text()
    assert f"weights {published.digest()}" in digits, "stale: run make course"
    for name in ("ladder.svg", "final_net.svg"):
        picture = (REPOSITORY / "examples" / name).read_text()
        assert f"figures {readme.digest(course)}" in picture, "stale: run make course"


def test_the_command_without_data(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.setattr(data, "load", Mock(side_effect=Unavailable("no mirror answers")))
    drawn = {"title": "a curve", "svg": "<svg></svg>"}  # drawing takes long, and is seen above
    monkeypatch.setattr(page_build, "picture", lambda title, figure: drawn)
    output, path = tmp_path / "course.html", tmp_path / "README.md"
    for file in readme.rendered(REPOSITORY / "README.md", ladder.course()):
        old = file.read_text()
        copy = tmp_path / file.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(re.sub(r"(?m)^\| .*\n", "", old))
    (tmp_path / "examples").mkdir()
    assert cli.main(["course", "--output", str(output), "--readme", str(path)]) == 0
    assert "Not drawn" in output.read_text()
    for file in readme.rendered(REPOSITORY / "README.md", ladder.course()):
        found = (tmp_path / file.relative_to(REPOSITORY)).read_text()
        assert "| final |" in found or "| `final` |" in found
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("gone", [False, True])
def test_the_net_of_a_run_lives_in_the_page(tmp_path, data_dir, monkeypatch, gone):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    drawn = {"title": "a curve", "svg": "<svg></svg>"}
    monkeypatch.setattr(page_build, "picture", lambda title, figure: drawn)
    monkeypatch.setattr(net_pictures, "net_pictures", lambda *of: {})
    run, output = tmp_path / "run", tmp_path / "course.html"
    where = ["--run-dir", str(run), "--data-dir", data_dir]
    small = ["--net", "net9", "--epochs", "1", "--threads", "1", "--deskew"]
    assert cli.main(["train", "--dataset", "synthetic", *small, *where]) == 0
    if gone:
        monkeypatch.setattr(data, "load", Mock(side_effect=Unavailable("no mirror answers")))
    assert cli.main(["course", "--output", str(output), *where]) == 0
    text = output.read_text()
    given = json.loads(re.search('(?s) id="live">(.*?)</script>', text)[1])
    assert given["net"]["name"] == "net9" and given["net"]["deskew"]
    weights = trained(run)[1].state_dict()["conv1.0.weight"]
    assert given["net"]["layers"][0]["weight"]["data"] == live.encoded(weights)
    assert (given["digits"] is None) == gone
    assert f"of {run} (recipe" in html.unescape(text)


def test_weights_come_back_as_they_were(tmp_path):
    net = nets.build(RECIPES["final"].net, generator=streams.generator(3, "weights"))
    (tmp_path / "weights.pt").write_bytes(as_state_dict(net))
    again = published.final_net(tmp_path / "weights.pt").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"weights", None])
def test_published_weights_that_are_damaged(tmp_path, content):
    if content is not None:
        (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.pt: no weights of the final net"):
        published.final_net(tmp_path / "weights.pt")


def test_one_seed_can_not_be_compared(rungs):
    assert gain(rungs[0], rungs[2]) is None and gain(rungs[2], rungs[3]) is not None


def test_collected_runs_are_of_one_kind_and_come_back(tmp_path):
    recipe = replace(RECIPES["net1"], epochs=1)
    for seed, threads in ((1, 1), (2, 1), (3, 2)):
        settings = run_folder.Settings(recipe, "mnist", "0", 0.13, 0.31, 0, seed, "cpu", threads)
        training = build.start(recipe, seed)
        training.history.append(Epoch(1, 0.1, 0.123456, 90.0, 0.1, 9, 10, 90.0, 80.0, seed / 8))
        run_folder.create(tmp_path / f"seed-{seed}", settings, training, "train")
    record = records.collect(tmp_path, [1, 2], "seeds")
    assert record.is_of(recipe) and (record.dataset, record.threads) == ("mnist", 1)
    assert record.column("train_loss") == [[0.1235]] * 2
    assert record.column("seconds") == [[0.125], [0.25]]
    records.write_record(tmp_path / "both.jsonl", record)
    assert records.read_record("both", tmp_path) == record
    with pytest.raises(UsageError, match="seed-3: other threads than .*seed-1$"):
        records.collect(tmp_path, [1, 3], "seeds")


def test_a_stale_record_counts_as_not_measured(tmp_path):
    record = invented("net7")
    for change in ({}, {"fingerprint": "0" * 16}, {"recipe": replace(record.recipe, lr=1.0)}):
        records.write_record(tmp_path / "net7.jsonl", replace(record, **change))
        measured = ladder.rung("net7", tmp_path).record is not None
        assert measured == (not change)


def test_a_damaged_record(tmp_path):
    path = tmp_path / "net7.jsonl"
    records.write_record(path, invented("net7"))
    text = path.read_text()
    damaged = ["", "[]", "{}", '{"recipe": {}}', text[:-9], text.splitlines()[0]]
    damaged += [
        text.replace('"train_loss": [', '"train_loss": [1, ', 1),
        text.replace('"lr"', '"rate"'),
    ]
    for content in [*damaged, text.replace("seconds", "time"), text.replace("machine", "place")]:
        path.write_text(content)
        with pytest.raises(DataError, match="net7.jsonl"):
            ladder.rung("net7", tmp_path)


def test_a_readme_without_marks(tmp_path, capsys):
    (tmp_path / "README.md").write_text("nothing")
    for name in ("README.md", "missing.md"):
        assert cli.main(["course", "--readme", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
