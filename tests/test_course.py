"""The rendered course: complete, self-contained, fits its screen, and never stale."""

import html
import json
import re
import shutil
import statistics
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain import nets, streams
from tinytrain.cli import parser as cli
from tinytrain.course import ladder, page, published, records, render
from tinytrain.course.variations import ablations, frontier
from tinytrain.data import sets
from tinytrain.errors import DataError, Unavailable
from tinytrain.recipes import LADDER, RECIPES
from tinytrain.train.spread import difference, student_t, summarise

REPOSITORY = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def invented(name, seeds=3):
    """A record with drawn figures, as JSON."""
    draw = torch.rand(seeds, 15, generator=streams.generator(0, name)) + 98.7
    columns = {
        seed: dict.fromkeys(records.MEASURED, values)
        for seed, values in enumerate(draw.tolist(), 1)
    }
    return json.dumps(
        {
            "command": f"python -m tinytrain ladder {name}",
            "date": "2026-01-01",
            "recipe": asdict(RECIPES[name]),
            "dataset": "mnist",
            "holdout": 0,
            "device": "cpu",
            "threads": 1,
            "versions": {"torch": "0"},
            "fingerprint": records.fingerprint(RECIPES[name]),
            "seeds": columns,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Invented records for all recipes but three."""
    folder = tmp_path_factory.mktemp("records")
    for name in RECIPES:
        if name not in ("net2", "late7500", "batch-64"):
            (folder / f"{name}.json").write_text(invented(name, 1 if name == "net1" else 3))
    return folder


@pytest.fixture(scope="module")
def rungs(folder):
    return ladder.all_rungs(folder)


@pytest.fixture(scope="module")
def rendered(folder, rungs, tiny):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    weights = nets.build(RECIPES["final"].net, generator=streams.generator(1, "weights"))
    pictures = [draw() for draw in render.at_work(weights, tiny).values()]
    return page.page(rungs, ablations(folder), frontier(folder), pictures)


def test_every_rung_is_on_the_page(rendered, rungs):
    text = html.unescape(rendered)
    for rung in rungs:
        assert f"id='{rung.name}'" in rendered
        for part in (
            rung.lesson.change,
            rung.lesson.target,
            page.result(rung),
            rung.lesson.analysis,
        ):
            assert part in text
    assert text.count("not measured") >= 4 and "points, 95 % interval" in text


def test_every_ablation_is_on_the_page(rendered, folder):
    for ablation in ablations(folder):
        assert f"<th scope='row'>{ablation.name}</th>" in rendered
        assert f"<td>{ladder.describe(ablation.change)}</td>" in rendered
        effect = ablation.effect
        assert (effect is None) == (ablation.name == "batch-64")
        if effect:
            means = [one.summary.mean for one in (ablation.record, ablation.final)]
            assert effect.value == pytest.approx(means[0] - means[1])
            assert f"<td>{effect.value:+.3f}</td>" in rendered


def test_the_frontier_is_on_the_page(rendered, folder):
    for variation in frontier(folder):
        last = [seed[-1] for seed in variation.record.column("test_accuracy")]
        assert f"<th scope='row'>{variation.name}</th>" in rendered
        assert f"<td>{statistics.mean(last):.3f} ± {statistics.stdev(last):.3f}</td>" in rendered


def test_nothing_is_fetched(rendered):
    assert not re.search(r"(src|href)=['\"](?!#|data:)", rendered)
    assert not re.search(r"@import|url\((?!#|['\"]?data:)", rendered)


PROBE = """<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), inner = frame.contentDocument;
  const wide = [...inner.querySelectorAll("p, dd, h1, h2, h3, pre, .wide, section > svg")]
    .filter(one => one.getBoundingClientRect().right > frame.clientWidth + 1);
  document.title = [inner.documentElement.scrollWidth > frame.clientWidth, wide.length,
    inner.querySelectorAll("section").length].join(" ");
})
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to look at the page with")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(rendered, width, tmp_path):
    frame = f"<iframe width={width} height=900 srcdoc='{html.escape(rendered)}'></iframe>"
    (tmp_path / "frame.html").write_text(f"<meta charset=utf-8>{frame}{PROBE}")
    flags = "--headless=new --no-sandbox --disable-gpu --enable-logging=stderr --dump-dom"
    seen = subprocess.run(
        [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path}", f"{tmp_path / 'frame.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    overflow, wide, sections = re.search(r"<title>(.*)</title>", seen.stdout)[1].split()
    assert (overflow, int(wide), int(sections)) == ("false", 0, len(LADDER))
    assert "CONSOLE" not in seen.stderr


def test_the_readme_shows_the_present_records():
    readme = (REPOSITORY / "README.md").read_text()
    rungs = ladder.all_rungs()
    rendered = render.with_tables(REPOSITORY / "README.md", rungs, ablations(), frontier())
    assert rendered == readme, "stale: run make course"
    for name in ("ladder.svg", "final_net.svg"):
        picture = (REPOSITORY / "examples" / name).read_text()
        assert f"figures {render.digest(rungs)}" in picture, "stale: run make course"


def no_data(*arguments):
    raise Unavailable("no mirror answers")


def test_the_command_without_data(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    monkeypatch.setattr(sets, "load", no_data)
    output = tmp_path / "course.html"
    readme = tmp_path / "README.md"
    tables = [
        f"{render.BEGIN.format(name)}\nstale\n{render.END.format(name)}\n"
        for name in ("ladder", "final", "ablation", "frontier")
    ]
    readme.write_text("\n".join(["before", tables[0], "between", *tables[1:], "after"]))
    (tmp_path / "examples").mkdir()
    assert cli.main(["course", "--output", str(output), "--readme", str(readme)]) == 0
    assert "Not drawn" in output.read_text()
    text = readme.read_text()
    assert "stale" not in text and "| net9_3 |" in text
    assert [word for word in ("before", "between", "after") if word in text.split("\n")]
    assert capsys.readouterr().err.count("\n") == 1


def test_weights_come_back_as_they_were(tmp_path):
    net = nets.build(RECIPES["final"].net, generator=streams.generator(3, "weights"))
    published.export(net, tmp_path / "weights.pt")
    again = published.final_net(tmp_path / "weights.pt")
    for name, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


percents = st.lists(st.floats(98, 100), min_size=5, max_size=5)
several = st.lists(percents, min_size=2, max_size=6)


@given(several, several)
def test_differences(first, second):
    forth = difference(summarise(first), summarise(second))
    back = difference(summarise(second), summarise(first))
    assert forth.low <= forth.value <= forth.high
    assert (back.value, back.low, back.high) == pytest.approx(
        (-forth.value, -forth.high, -forth.low), abs=1e-9
    )
    assert forth.excludes_zero == (forth.low > 0 or forth.high < 0)


@given(several)
def test_difference_of_equal_spreads_has_their_degrees_of_freedom(seeds):
    summary = summarise(seeds)
    found = difference(summary, summary)
    error = summary.deviation * (2 / summary.count) ** 0.5
    assert found.high == pytest.approx(student_t(2 * summary.count - 2) * error, abs=1e-9)


def test_one_seed_can_not_be_compared(rungs):
    assert ladder.gain(rungs[0], rungs[2]) is None


def test_a_stale_record_counts_as_not_measured(tmp_path):
    record = json.loads(invented("net7"))
    for change in ({}, {"fingerprint": "0" * 16}, {"recipe": record["recipe"] | {"lr": 1.0}}):
        (tmp_path / "net7.json").write_text(json.dumps(record | change))
        measured = ladder.rung("net7", tmp_path).record is not None
        assert measured == (not change)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"recipe": {}}'])
def test_a_damaged_record(content, tmp_path):
    (tmp_path / "net7.json").write_text(content)
    with pytest.raises(DataError, match="net7.json"):
        ladder.rung("net7", tmp_path)


def test_a_readme_without_marks(tmp_path, capsys):
    (tmp_path / "README.md").write_text("nothing")
    for name in ("README.md", "missing.md"):
        assert cli.main(["course", "--readme", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
