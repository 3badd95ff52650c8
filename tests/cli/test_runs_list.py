"""Runs that are listed and compared: what they were, what came of them, and what is damaged."""

import json
from dataclasses import asdict, replace

import pytest

from tinytrain.cli.main import main
from tinytrain.results.comparison import nearest
from tinytrain.results.run_list import natural_order
from tinytrain.results.variations import RECIPES
from tinytrain.runs import run_folder
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


def shown(capsys, *words):
    assert main(["runs", *map(str, words)]) == 0
    return capsys.readouterr().out


GOOD = [99.0] * 10 + [99.40, 99.41, 99.42, 99.43, 99.44]


def cells(line):
    return [cell for cell in line.split("  ") if cell.strip()]


@pytest.mark.parametrize(
    ("settings", "accuracies", "expected"),
    [
        ({}, GOOD, "final|mnist|1|15/15|99.44|99.420|met|0:15:00"),
        ({}, [*GOOD[:-1], 99.39], "final|mnist|1|15/15|99.39|99.410|not met|0:15:00"),
        ({}, GOOD[:7], "final|mnist|1|7/15|99.00|99.000|unfinished|0:07:00"),
        ({"seed": 7}, [99.5], "final|mnist|7|1/15|99.50|unfinished|0:01:00"),
        ({}, [], "final|mnist|1|0/15|unfinished|0:00:00"),
        (
            {"recipe": replace(FINAL, lr=0.0123)},
            [],
            "final, lr 0.0123|mnist|1|0/15|unfinished|0:00:00",
        ),
        ({"recipe": RECIPES["net1"]}, GOOD, "net1|mnist|1|15/15|99.44|99.420|not met|0:15:00"),
        (
            {"holdout": 5000},
            GOOD,
            "final|mnist, 5,000 held out|1|15/15|99.44|99.420|not judged|0:15:00",
        ),
        ({"holdout": 9, "fold": "2/5"}, [], "final|mnist, fold 2/5|1|0/15|not judged|0:00:00"),
        ({"dataset": "own"}, GOOD, "final|own|1|15/15|99.44|99.420|not judged|0:15:00"),
        (
            {"recipe": replace(FINAL, epochs=2, net="gone")},
            [99.0] * 2,
            "final, net gone, epochs 2|mnist|1|2/2|99.00|not judged|0:02:00",
        ),
        (
            {"recipe": replace(FINAL, net="gone")},
            GOOD,
            "final, net gone|mnist|1|15/15|99.44|99.420|not judged|0:15:00",
        ),
    ],
)
def test_a_run_is_a_line(write, capsys, settings, accuracies, expected):
    folder = write("run", settings_of(**settings), accuracies)
    head, line = shown(capsys, folder.parent).splitlines()
    assert [cell.strip() for cell in cells(line)] == [str(folder), *expected.split("|")]
    assert " ".join(head.split()) == "run recipe data seed epochs last last 5 verdict time"
    assert shown(capsys, folder).splitlines() == [head, line]


def test_runs_are_in_natural_order_and_each_once(write, capsys, tmp_path):
    for number in (10, 9, 2):
        write(f"all/seed-{number}", settings_of(seed=number), [])
    write("all/seed-2/seed-1", settings_of(), [])  # what lies in a run is the run's
    lines = shown(capsys, tmp_path, tmp_path / "all").splitlines()[1:]
    assert [line.split()[0].rpartition("/")[2] for line in lines] == [
        "seed-2",
        "seed-9",
        "seed-10",
    ]


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


def test_many_changes_are_cut_short(write, capsys):
    changes = dict(lr=0.5, rotation=1.0, shift=2.0, scale=0.5, shear=0.5, ema=0.5)
    folder = write("run", settings_of(recipe=replace(FINAL, **changes)), [])
    assert "final, lr 0.5, rotation 1, shift 2, scale 0.5 and 2 more  " in shown(capsys, folder)
    (listed,) = json.loads(shown(capsys, folder, "--json"))
    assert listed["changes"].keys() == changes.keys()


DAMAGES = {
    "no run.json": ("run.json", None),
    "no history": ("history.jsonl", None),
    "half a run.json": ("run.json", "{"),
    "a run.json of something else": ("run.json", "[]"),
    "an epoch cut off": ("history.jsonl", '{"epoch": 1'),
    "an epoch of something else": ("history.jsonl", '{"epoch": 1}\n'),
    "bytes": ("run.json", b"\xff\xfe"),
    "a wrong type": ("run.json", {"recipe": asdict(FINAL) | {"epochs": "15"}}),
    "another wrong type": ("run.json", {"recipe": asdict(FINAL) | {"net": [1]}}),
    "a holdout that is none": ("run.json", {"holdout": "many", "dataset": "own"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_one_line(write, capsys, damage):
    good, broken = write("a", settings_of(), GOOD), write("b", settings_of(), GOOD)
    name, content = DAMAGES[damage]
    path = broken / name
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        path.write_text(content)
    _, first, second = shown(capsys, good.parent).splitlines()
    assert first.startswith(str(good)) and second.startswith(f"damaged: {path}")
    listed, error = json.loads(shown(capsys, good.parent, "--json"))
    assert listed["last_five"] == pytest.approx(99.42)
    assert error.keys() == {"folder", "error"} and error["folder"] == str(broken)
    assert main(["runs", "compare", str(good), str(broken)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_no_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(capsys) == "no runs below runs; python -m tinytrain train makes one\n"
    assert json.loads(shown(capsys, "--json")) == []
    for name in ("nowhere", "file"):
        (tmp_path / "file").touch()
        assert main(["runs", name]) == 3
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and f"{name}: expected a folder of runs" in error


def test_the_default_is_runs(write, capsys, tmp_path, monkeypatch):
    write("runs/one", settings_of(), GOOD)
    monkeypatch.chdir(tmp_path)
    assert "\nruns/one  final   mnist  1  " in shown(capsys)


def test_two_runs_compared(write, capsys):
    one = write("one", settings_of(), GOOD)
    recipe = replace(FINAL, lr=0.0123, deskew=True)
    other = write("two", settings_of(recipe=recipe, seed=2), GOOD[:-1], versions={"torch": "3"})
    lines = shown(capsys, "compare", one, other).splitlines()
    assert lines[0] == f"{one} → {other}"
    settings, results = lines.index("Settings"), lines.index("Result")
    assert lines[settings + 1 : results - 1] == [
        "  lr: 0.03 → 0.0123 (the learning rate)",
        "  deskew: no → yes (make all digits upright first)",
        "  seed: 1 → 2",
        "  torch version: 2.13.0 → 3",
    ]
    assert "  mean accuracy of the last 5 epochs, %: 99.420 → 99.332 (-0.088)" in lines
    assert "  loss of the last epoch: 0.0056 → 0.0057 (+0.0001)" in lines
    assert "  epochs done: 15 → 14" in lines and "  verdict: met → unfinished" in lines
    assert "tinytrain seeds" in lines[-1] and not any("different images" in line for line in lines)


def test_two_runs_compared_for_tools(write, capsys):
    one, other = write("one", settings_of(), GOOD), write("two", settings_of(fold="1/5"), [99.0])
    found = json.loads(shown(capsys, "compare", one, other, "--json"))
    assert found["runs"] == [str(one), str(other)]
    assert found["settings"] == {"fold": ["", "1/5"]}
    assert found["results"]["last_five"] == [pytest.approx(99.42), None]
    assert found["results"]["last_loss"] == pytest.approx([0.0056, 0.01])


@pytest.mark.parametrize("change", [{"dataset": "own"}, {"data_digest": "x"}, {"holdout": 9}])
def test_runs_on_different_images_are_told(write, capsys, change):
    one, other = write("one", settings_of(), GOOD), write("two", settings_of(**change), GOOD[:2])
    text = shown(capsys, "compare", one, other)
    assert "Tested on different images" in text and "epochs, %: 99.420 → none\n" in text


def test_equal_runs_compared(write, capsys):
    one, other = write("one", settings_of(), GOOD), write("two", settings_of(), GOOD)
    assert "Settings: the same" in shown(capsys, "compare", one, other)


@pytest.mark.parametrize("names", [[], ["one"], ["one", "two", "three"]])
def test_two_runs_are_compared_and_not_more(capsys, names):
    assert main(["runs", "compare", *names]) == 2
    assert "expected two runs" in capsys.readouterr().err
