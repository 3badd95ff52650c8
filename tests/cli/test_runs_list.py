"""Runs that are listed and compared: what they were, what came of them, which is better."""

import json
import re
import statistics
from dataclasses import asdict, replace
from functools import partial

import pytest

from tinytrain.cli.main import main
from tinytrain.cli.runs import HEAD
from tinytrain.recipes import RECIPES
from tinytrain.recipes.changes import nearest
from tinytrain.results import comparison, records
from tinytrain.results.run_list import natural_order
from tinytrain.results.statistics import student_t
from tinytrain.runs import run_folder, user_file
from tinytrain.train import Epoch

FINAL = RECIPES["final"]


def settings_of(**changes):
    settings = run_folder.Settings(FINAL, "mnist", "digest", 0.13, 0.31, 0, 1, "cpu", 1)
    return replace(settings, **changes)


def history_of(accuracies):
    return [
        Epoch(number, 0.1, 0.5, 98.0, 1 - accuracy / 100, 1, 2, accuracy, accuracy, 60.0)
        for number, accuracy in enumerate(accuracies, 1)
    ]


@pytest.fixture
def write(tmp_path):
    """Writes a run: its settings, and an epoch for each accuracy."""

    def write(name, settings, accuracies, **more):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        content = asdict(settings) | {"versions": {"torch": "2.13.0"}, "machine": "x"} | more
        (folder / "run.json").write_text(json.dumps(content))
        lines = [json.dumps(asdict(epoch)) + "\n" for epoch in history_of(accuracies)]
        (folder / "history.jsonl").write_text("".join(lines))
        return folder

    return write


@pytest.fixture
def shown(printed):
    return partial(printed, "runs")


@pytest.fixture
def compared(printed):
    return lambda *words: json.loads(printed("runs", "compare", *words, "--json"))


GOOD = [99.0] * 10 + [99.40, 99.41, 99.42, 99.43, 99.44]


# Settings, fields of the recipe, accuracies by epoch, and the line.
LINES = [
    ({}, {}, GOOD, "final|7,934|mnist|1|15/15|99.44|99.420|met|0:15:00"),
    ({}, {}, [*GOOD[:-1], 99.39], "final|7,934|mnist|1|15/15|99.39|99.410|not met|0:15:00"),
    ({}, {}, GOOD[:7], "final|7,934|mnist|1|7/15|99.00|99.000|unfinished|0:07:00"),
    ({"freeze": "conv1"}, {}, [], "final, freeze conv1|7,934|mnist|1|0/15|unfinished|0:00:00"),
    ({"seed": 7}, {}, [99.5], "final|7,934|mnist|7|1/15|99.50|unfinished|0:01:00"),
    ({}, {}, [], "final|7,934|mnist|1|0/15|unfinished|0:00:00"),
    ({}, {"lr": 0.0123}, [], "final, lr 0.0123|7,934|mnist|1|0/15|unfinished|0:00:00"),
    ({"holdout": 50}, {}, [], "final|7,934|mnist, 50 held out|1|0/15|not judged|0:00:00"),
    (
        {"fold": "2/5", "holdout": 9},
        {},
        [],
        "final|7,934|mnist, fold 2/5|1|0/15|not judged|0:00:00",
    ),
    ({"dataset": "own"}, {}, GOOD, "final|7,934|own|1|15/15|99.44|99.420|not judged|0:15:00"),
    ({}, {"net": "gone"}, GOOD, "final, net gone|mnist|1|15/15|99.44|99.420|not judged|0:15:00"),
    (
        *({"recipe": RECIPES["net1"]}, {"epochs": 2}, [99.0] * 2),
        "net1, epochs 2|109,946|mnist|1|2/2|99.00|not judged|0:02:00",
    ),
    (
        *({"recipe": RECIPES["net1"]}, {}, GOOD),
        "net1|109,946|mnist|1|15/15|99.44|99.420|not met|0:15:00",
    ),
]


@pytest.mark.parametrize(("changes", "recipe", "accuracies", "expected"), LINES)
def test_a_run_is_a_line(write, changes, recipe, accuracies, expected, shown):
    settings = settings_of(**changes)
    recipe = replace(settings.recipe, **recipe)
    folder = write("run", replace(settings, recipe=recipe), accuracies)
    head, line = shown(folder.parent).splitlines()
    assert re.split("  +", line) == [str(folder), *expected.split("|")]
    assert re.split("  +", head) == [*HEAD]
    assert shown(folder).splitlines() == [head, line]


def test_runs_are_in_natural_order_and_each_once(write, tmp_path, shown):
    for number in (10, 9, 2):
        write(f"all/seed-{number}", settings_of(seed=number), [])
    write("all/seed-2/seed-1", settings_of(), [])  # what lies in a run is the run's
    lines = shown(tmp_path, tmp_path / "all").splitlines()[1:]
    names = [line.split()[0].rpartition("/")[2] for line in lines]
    assert names == ["seed-2", "seed-9", "seed-10"]


def test_natural_order_takes_any_name():
    names = ["", "1", "a", "a1b", "a10", "a9", "1a", "٣", "²", "a-1"]
    assert len(sorted(names, key=natural_order)) == len(names)


@pytest.mark.parametrize(
    ("recipe", "found"),
    [
        (FINAL, ("final", {})),
        (RECIPES["wide"], ("wide", {})),
        (replace(RECIPES["wide"], lr=0.0123), ("wide", {"lr": "0.0123"})),
        (replace(FINAL, ema=0.0), ("without-averaging", {})),
        (replace(RECIPES["upright"], epochs=3), ("upright", {"epochs": "3"})),
        (replace(FINAL, lr=0.0123), ("final", {"lr": "0.0123"})),
        (replace(FINAL, ema=0.5), ("final", {"ema": "0.5"})),
    ],
)
def test_the_nearest_recipe(recipe, found):
    assert nearest(recipe) == found


def test_many_changes_are_cut_short(write, shown):
    changes = dict(lr=0.5, rotation=1.0, shift=2.0, scale=0.5, shear=0.5, ema=0.5)
    folder = write("run", settings_of(recipe=replace(FINAL, **changes)), [])
    assert "final, lr 0.5, rotation 1, shift 2, scale 0.5 and 2 more  " in shown(folder)
    (listed,) = json.loads(shown(folder, "--json"))
    assert listed["changes"].keys() == changes.keys()


DAMAGES = [
    ("run.json", None),
    ("run.json", b"\xff\xfe"),
    ("history.jsonl", None),
    ("history.jsonl", b'{"epoch": 1}\n'),
]


@pytest.mark.parametrize(("name", "content"), DAMAGES)
def test_a_damaged_run_is_one_line(write, capsys, name, content, shown):
    good, broken = write("a", settings_of(), GOOD), write("b", settings_of(), GOOD)
    path = broken / name
    path.unlink() if content is None else path.write_bytes(content)
    _, first, second = shown(good.parent).splitlines()
    assert first.startswith(str(good)) and second.startswith(f"damaged: {path}")
    listed, error = json.loads(shown(good.parent, "--json"))
    assert listed["last_five"] == pytest.approx(99.42)
    assert error.keys() == {"folder", "error"} and error["folder"] == str(broken)
    assert main(["runs", "compare", str(good), str(broken)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_the_default_is_runs(write, tmp_path, monkeypatch, fails, shown):
    monkeypatch.chdir(tmp_path)
    assert "no runs below runs" in shown() and shown().count("\n") == 1
    assert json.loads(shown("--json")) == []
    write("runs/one", settings_of(), GOOD)
    assert "runs/one final 7,934 mnist 1 " in " ".join(shown().split())
    for name in ("nowhere", "runs/one/run.json"):
        assert f"{name}: expected a folder of runs" in fails(3, "runs", name)


@pytest.fixture
def seeds(write, tmp_path):
    """`seeds(name, scores, **changes)`: a folder of runs, of the seeds from `first` on."""

    def seeds(name, scores, first=1, epochs=5, **changes):
        recipe = replace(FINAL, epochs=epochs)
        for seed, score in enumerate(scores, first):
            settings = settings_of(**{"recipe": recipe} | changes, seed=seed)
            write(
                f"{name}/seed-{seed}", settings, [90.0] * (epochs - 5) + [score] * min(5, epochs)
            )
        return tmp_path / name

    return seeds


LOW, HIGH = [99.0, 99.1, 99.3, 99.2], [99.5, 99.7, 99.8, 99.6]


@pytest.mark.parametrize(("first", "epochs"), [(1, 1), (1, 5), (2, 7), (3, 5), (11, 4)])
def test_seeds_are_paired_where_three_are_shared(seeds, epochs, first, shown, compared):
    one, other = seeds("a", LOW, epochs=epochs), seeds("b", HIGH, first, epochs)
    found, common = compared(one, other), 5 - first
    if paired := common >= 3:
        assert found["seeds"] == [[*range(first, 5)]] * 2
        gains = [new - old for old, new in zip(LOW[first - 1 :], HIGH, strict=False)]
        half = student_t(common - 1) * statistics.stdev(gains) / common**0.5
    else:
        assert found["seeds"] == [[1, 2, 3, 4], [*range(first, first + 4)]]
        gains = [statistics.mean(HIGH) - statistics.mean(LOW)]
        deviation = statistics.stdev(LOW)  # of equal deviations Welch's freedom is that of both
        half = student_t(6) * (deviation**2 / 2) ** 0.5
    mean = statistics.mean(gains)
    assert (found["paired"], found["value"]) == (paired, pytest.approx(mean))
    assert found["interval"]["low"] == pytest.approx(mean - half)
    assert (found["better"], found["needed"]) == (str(other), None)
    assert compared(other, one)["better"] == str(other)
    text = shown("compare", one, other)
    assert f"{other} is better." in text
    assert (f"left out: {one}: 1, seeds of one side" in text) == (first == 2)


def test_what_is_not_told_apart_takes_more_seeds(seeds, shown, compared):
    one, other = seeds("a", LOW), seeds("b", LOW[::-1])
    found = compared(one, other)
    assert found["better"] is None and found["needed"] is None  # they are equal in the mean
    other = seeds("c", [*LOW[:3], 99.3])
    found = compared(one, other)
    assert found["better"] is None and found["needed"] > 3
    assert f"about {found['needed']} seeds more" in shown("compare", one, other)


def test_two_runs_compared(write, shown, compared):
    one = write("one", settings_of(), GOOD)
    recipe = replace(FINAL, lr=0.0123, deskew=True, net="net9_3")
    other = write("two", settings_of(recipe=recipe, seed=2), GOOD[::-1], versions={"torch": "3"})
    lines = shown("compare", one, other).splitlines()
    assert lines[0] == f"{one} → {other}"
    changes = [
        "  net: net9_3_wide2 → net9_3 (the net)",
        "  lr: 0.03 → 0.0123 (the learning rate)",
        "  deskew: no → yes (make all digits upright first)",
        "  torch version: 2.13.0 → 3",
    ]
    assert lines[lines.index("Settings") + 1 :][:5] == [*changes, ""]
    for line in (
        "  seeds: 1 → 2",
        "  parameters: 7,934 → 7,934 (+0)",
        "  mean accuracy of the last 5 epochs, %: 99.420 → 99.000 (-0.420)",
        "  loss of the last epoch: 0.0056 → 0.0100 (+0.0044)",
    ):
        assert line in lines
    assert "-0.420 points" in lines[-2] and "tinytrain seeds" in lines[-1]
    found = compared(one, other)
    assert (found["runs"], found["interval"]) == ([str(one), str(other)], None)
    assert found["settings"]["lr"] == [0.03, 0.0123]
    assert found["results"][1]["last_five"] == [99.0]
    assert "Settings: the same" in shown("compare", one, one)


def test_runs_that_are_not_finished_are_named_and_left_out(seeds, write, shown, compared):
    one, other = seeds("a", LOW), seeds("b", HIGH)
    for place, scores in (("a/seed-5", GOOD[:3]), ("b/seed-6", GOOD[:2]), ("b/seed-7", [])):
        folder = write(place, settings_of(), scores)
    (folder / "history.jsonl").write_text("{")
    (other / "seed-6.log").write_text("tinytrain: epoch 3, step 1: the loss is not finite\n")
    found = compared(one, other)
    assert found["left_out"][0] == [f"{one / 'seed-5'}: unfinished, 3 of 15 epochs"]
    diverged, damaged = found["left_out"][1]
    assert diverged == f"{other / 'seed-6'}: diverged, 2 of 15 epochs"
    assert damaged.startswith(f"{other / 'seed-7' / 'history.jsonl'}: ")
    assert shown("compare", one, other).count("left out: ") == 3


@pytest.mark.parametrize(
    "change", [{"dataset": "own"}, {"data_digest": "x"}, {"holdout": 9}, {"fold": "1/5"}]
)
def test_runs_on_different_images_are_not_compared(seeds, fails, change):
    one, other = seeds("a", LOW), seeds("b", HIGH, **change)
    error = fails(2, "runs", "compare", one, other)
    assert str(one) in error and str(other) in error


def test_what_cannot_be_compared(seeds, write, fails, tmp_path):
    good, empty = seeds("good", LOW), tmp_path / "empty"
    empty.mkdir()
    unfinished = write("unfinished", settings_of(), GOOD[:7])
    mixed, twice = seeds("mixed", LOW), seeds("twice", LOW)
    write("mixed/more", settings_of(seed=9), GOOD)
    write("twice/more", settings_of(seed=2, recipe=replace(FINAL, epochs=5)), HIGH + HIGH[:1])
    folds = [seeds(name, [99.0], first, fold=f"{first}/5") for name, first in (("c", 1), ("d", 2))]
    for name, words, status in (
        (empty, (good, empty), 3),
        (tmp_path / "none", (tmp_path / "none", good), 3),
        (unfinished, (good, unfinished), 3),
        ("7 of 15 epochs", (good, unfinished), 3),
        ("other recipe", (good, mixed), 2),
        (mixed / "seed-1", (good, mixed), 2),
        (twice / "seed-2", (twice, good), 2),
        ("fold 2/5", folds, 2),
        ("expected two runs", (), 2),
        ("expected two runs", (good,), 2),
        ("expected two runs", (good, good, good), 2),
    ):
        assert str(name) in fails(status, "runs", "compare", *words)


def test_folds_are_paired_however_few(write, fails, compared):
    for name, folds in (("a", (1, 2)), ("b", (2, 3)), ("c", (3, 4))):
        for part in folds:
            settings = settings_of(seed=part, fold=f"{part}/4", holdout=9)
            folder = write(f"{name}/seed-{part}", settings, GOOD).parent
    a, b, c = (folder.with_name(name) for name in "abc")
    assert compared(a, b)["seeds"] == [[2], [2]]
    assert compared(a, b)["pooled"] == ["", ""]
    assert "fold" in fails(2, "runs", "compare", a, c)


def test_a_record_is_compared_where_only_that_is_left(seeds, compared):
    runs, kept = seeds("a", LOW), seeds("b", HIGH)
    before = compared(runs, kept)
    record = comparison.read_side(kept).record
    kept.with_name("c").mkdir()
    records.write_record(kept.with_name("c") / "record.jsonl", record)
    records.write_record(kept.with_name("d.jsonl"), record)
    records.write_record(kept / "record.jsonl", record)
    for path in kept.glob("*/history.jsonl"):
        path.unlink()
    assert len(compared(runs, kept)["left_out"][1]) == len(HIGH)
    for place in (kept.with_name("c"), kept.with_name("d.jsonl")):
        after = compared(runs, place)
        assert after | {"runs": 0, "better": 0} == before | {"runs": 0, "better": 0}


def test_the_files_of_nets_are_compared_line_by_line(seeds, tmp_path, shown, compared):
    net, lines = tmp_path / "mine.py", ["from tinytrain import nets", "net = nets.net1"]

    def own(name, *lines):
        net.write_text("".join(line + "\n" for line in lines))
        recipe = replace(FINAL, epochs=5, net=f"{net}:net")
        digests = {function.field: function.digest() for function in user_file.own(recipe)}
        folder = seeds(name, LOW, recipe=recipe, digests=digests)
        for run in folder.iterdir():
            (run / "net_file.py").write_text(net.read_text())
        return folder

    one, same, other = own("a", *lines), own("b", *lines), own("c", lines[0], "net = nets.net2")
    assert compared(one, same)["files"] == {}
    diff = compared(one, other)["files"]["net file"]
    copies = [str(folder / "seed-1" / "net_file.py") for folder in (one, other)]
    head = [f"--- {copies[0]}", f"+++ {copies[1]}", "@@ -1,2 +1,2 @@"]
    assert diff.splitlines() == [*head, f" {lines[0]}", "-net = nets.net1", "+net = nets.net2"]
    text = shown("compare", one, other)
    assert diff in text and "net file: " not in text
    assert "109,946 → 103,114" in text
