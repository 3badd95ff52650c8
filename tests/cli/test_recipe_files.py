"""Recipes in files: what they change, what is refused, and the names of folders."""

import dataclasses
import json
import os
import shlex
import threading
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from tinytrain.cli import series
from tinytrain.cli.main import main, parse
from tinytrain.cli.options import words_of
from tinytrain.cli.recipe_files import FIELDS, label, plain
from tinytrain.cli.resolve import chosen_recipe
from tinytrain.recipes import RECIPES
from tinytrain.runs import run_folder

FINAL = RECIPES["final"]


@pytest.fixture(autouse=True)
def nothing_to_train_on(tmp_path_factory, monkeypatch, unreachable):
    """What is not refused ends for want of data, and writes nothing here."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("TINYTRAIN_DATA", "no-data")


@pytest.fixture
def mine(tmp_path):
    """Writes a recipe's file: text and bytes as they are, anything else as JSON."""

    def write(content, name="mine.json"):
        path = tmp_path / name
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def options_of(*words):
    return parse([*words])


def recipe_of(*words):
    return chosen_recipe(options_of("train", *words))


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        ({"base": "final", "lr": 0.02}, "--lr=0.02"),
        ({"lr": 1}, "--lr=1.0"),
        ({"base": "reference"}, "--recipe=reference"),
        ({"base": "net1", "about": "a note", "nesterov": True}, "--recipe=net1 --nesterov"),
        ({"average": 0.5, "looks": 5}, "--ema=0.5 --tta=5"),  # former names, as flags below
        ({}, "--average=0.996 --looks=1"),
        ("\ufeff{}", ""),
    ],
)
def test_a_file_changes_what_it_says_in_its_base_and_flags_override_it(mine, content, flags):
    path, expected = mine(content), recipe_of(*flags.split())
    assert recipe_of("--recipe", path) == expected
    for words in (["--recipe", path, "--lr=0.5"], ["--lr=0.5", f"--recipe={path}"]):
        options = options_of("train", *words)
        assert chosen_recipe(options) == replace(expected, lr=0.5)
        again = words_of(options)  # without the file
        assert path not in shlex.join(again) and recipe_of(*again) == chosen_recipe(options)


# What is in the file, and what the refusal names.
REFUSED = [
    ("{lr: 0.02}", "expected JSON, found: Expecting property name"),
    ("", "expected JSON"),
    ('{"lr": 0.02', "expected JSON"),
    ("[" * 100_000, "expected JSON"),
    (f'{{"lr": 1{"0" * 9999}}}', "expected JSON"),
    (b"\xff\xfe\x00", "expected JSON"),
    ([1], "expected an object such as"),
    ({"learning_rate": 1}, '"learning_rate": expected a field'),
    ({"batchsize": 1}, "close to it: batch_size"),
    ('{"lr": 1, "lr": 2}', "lr: expected once, found 2×"),
    ({"lr": "0.02"}, 'lr: expected a number from 1e-30 to 1e+30, found "'),
    ('{"lr": NaN}', "lr: expected a number from 1e-30 to 1e+30, found NaN"),
    (f'{{"lr": 1{"0" * 400}}}', "found 1000"),
    ({"lr": None}, "lr: expected a number from 1e-30 to 1e+30, found null"),
    ({"net": 9}, "net: expected a text, found 9"),
    ({"epochs": 0.5}, "epochs: expected a whole number from 1 to 1000000"),
    ({"epochs": True}, "epochs: expected a whole number"),
    ({"deskew": 1}, "deskew: expected true or false, found 1"),
    ({"dropout": 1.5}, "dropout: expected a number from 0 to 1, found 1.5"),
    ({"optimizer": "lion"}, "optimizer: expected one of adam, sgd"),
    ({"looks": 3}, "tta: expected one of 1, 5, 9, found 3"),
    ({"base": "finale"}, "close to it: final"),
    ({"base": ["final"]}, "base: expected a recipe's name"),
    ({"about": 7}, "about: expected a text, found 7"),
    ({"step_size": 3}, "--step-size 3: needs --schedule step"),
    ({"net": "net99"}, "--net net99: no such net"),
    ({"momentum": 0.9}, "optimizer adam: has no momentum"),
]


@pytest.mark.parametrize(("content", "said"), REFUSED, ids=lambda case: str(case)[:30])
def test_what_a_recipe_cannot_be_is_one_line(mine, fails, content, said):
    path = mine(content)
    error = fails(2, "train", "--recipe", path)
    assert error.startswith(f"{path}: ") and said in error


def test_recipes_that_cannot_be_used_in_other_commands_or_be_read(mine, fails, tmp_path):
    path = mine([1])
    for words in ["seeds", "--recipe"], ["ladder"]:
        assert fails(2, *words, path).startswith(f"{path}: ")
    for name in "missing.json", "a/missing", ".":
        path = tmp_path / name
        assert f"{path}: cannot be read" in fails(2, "train", "--recipe", f"{tmp_path}/{name}")


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe.json"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=['{"lr": 0.02}'])
    writer.start()
    assert recipe_of("--recipe", str(path)).lr == 0.02
    writer.join()


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shown_can_be_read_back(mine, printed, name):
    shown = printed("recipe", "show", name)
    assert recipe_of("--recipe", mine(shown)) == RECIPES[name]
    assert {*json.loads(shown)} - {"base"} == {"about", *FIELDS}


def test_what_is_shown_says_what_it_changes(mine, printed):
    def about(*words):
        return json.loads(printed("recipe", "show", *words))["about"]

    assert about("wide") == "averaged, but the net: net9_3 → net9_3_wide2"
    assert about(mine({"lr": 0.02})) == "final, but the learning rate: 0.03 → 0.02"
    assert about(mine({})) == "final as it is"
    assert about("net7", "--epochs=2").startswith("net6, but the net: net6 → net7; times")


def test_the_list_has_all(printed):
    for words in ["recipe"], ["recipe", "list"]:
        lines = printed(*words).splitlines()
        assert {*RECIPES} <= {line.split()[0] for line in lines if line[:3] > "   "}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--recipe=final", "final"),
        ("--lr=0.02", "final-lr0.02"),
        ("--lr=0.03", "final"),
        ("--recipe=net1 --nesterov", "net1-nesterov"),
        ("--recipe=upright --deskew=no", "upright-no-deskew"),
        ("--net=net6 --batch-size=64", "final-net6-batch-size64"),
        ("--lr=1e-05", "final-lr1e-05"),
        ("--lr=1 --freeze=conv1,conv2.0 --from=runs/a", "final-lr1-freeze-conv1-conv2.0-from-a"),
    ],
)
def test_a_label_says_what_was_overridden(words, expected):
    assert label(options_of("train", *words.split())) == expected


def test_a_label_of_many_changes_is_short(mine):
    path = mine({}, "my  recipe, (2).json")
    flags = [f"--{name.replace('_', '-')}={field.default}" for name, field in FIELDS.items()]
    changed = "net9_3-lr0.01-constant-rotation0-shift0-scale0-2more"
    assert label(options_of("train", "--recipe", path, *flags)) == f"my-recipe-2-{changed}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("../my data/", "my-data"),
        ("nets/mine.py:build", "mine.py-build"),
        ("C:\\nets\\mine", "mine"),
        ("..", "own"),
        ("-rf", "rf"),
        ("x" * 300, "x" * 40),
        ("a\nb", "a-b"),
    ],
)
def test_a_name_is_one_of_a_file(text, expected):
    assert plain(text) == expected


@pytest.fixture(scope="module")
def data_dir(drawn_data):
    return drawn_data(40, 10)


def test_a_run_is_named_after_its_recipe(mine, data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "--dataset=synthetic", "--data-dir", data_dir, "--epochs=1", "--seed=3"]
    path = mine({"batch_size": 20})
    assert main([*words, "--recipe", path, "--net=net1", "--fold=2/4"]) == 0
    folder = Path("runs/synthetic-mine-net1-epochs1-fold2of4-seed3")
    settings = run_folder.read_settings(folder)
    assert settings.recipe == replace(FINAL, net="net1", epochs=1, batch_size=20)
    Path(path).unlink()
    command = json.loads((folder / "run.json").read_text())["command"]
    assert main([*shlex.split(command)[3:], "--run-dir", "again"]) == 0
    assert run_folder.read_settings(Path("again")) == settings


def test_seeds_are_named_after_their_recipe(mine, data_dir, tmp_path, monkeypatch, in_one_process):
    monkeypatch.chdir(tmp_path)
    words = ["--dataset=synthetic", "--data-dir", data_dir, "--epochs=1", "--net=net1"]
    path = mine({"batch_size": 20})
    assert main(["seeds", *words, "--recipe", path, "--seeds=1", "--holdout=10"]) == 0
    folder = Path("runs/seeds-synthetic/mine-net1-epochs1-holdout10")
    record = json.loads((folder / "record.jsonl").read_text().splitlines()[0])
    assert record["recipe"]["batch_size"] == 20 and "mine.json" not in record["command"]


def test_a_rung_with_flags_is_named_after_both(
    data_dir, tmp_path, monkeypatch, in_one_process, printed
):
    monkeypatch.chdir(tmp_path)
    words = ["ladder", "net1", "--epochs=5", "--dataset=synthetic", "--data-dir", data_dir]
    assert "mean of the last 5: " in printed(*words, "--records=records")
    head, column = map(json.loads, Path("records/net1-epochs5.jsonl").read_text().splitlines())
    assert head["recipe"] == dataclasses.asdict(replace(RECIPES["net1"], epochs=5))
    assert {"seeds", "--recipe=net1", "--epochs=5", "--seeds=1"} < {*head["command"].split()}
    assert len(column["test_accuracy"]) == 5
    assert Path("runs/ladder/net1-epochs5/seed-1/run.json").exists()


def test_a_file_can_be_a_rung(mine, monkeypatch):
    path = mine({"base": "net7", "lr": 0.02})
    monkeypatch.setattr(series, "train_series", trained := Mock())
    assert main(["ladder", path, "net6", "--epochs=2"]) == 0
    ((rungs,), _) = trained.call_args
    assert [*map(str, rungs)] == ["runs/ladder/mine-epochs2", "runs/ladder/net6-epochs2"]
    found = [chosen_recipe(options) for options in rungs.values()]
    bases = replace(RECIPES["net7"], lr=0.02), RECIPES["net6"]
    assert found == [replace(base, epochs=2) for base in bases]
