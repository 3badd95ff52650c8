"""The run folder: whole files only, and nothing damaged or foreign is believed."""

import json
from dataclasses import asdict, replace
from functools import reduce
from operator import getitem

import pytest
import torch

from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import RECIPES
from tinytrain.train import build, loop, runs

SETTINGS = runs.Settings(
    replace(RECIPES["final"], epochs=1), "synthetic", "tiny", 0.13, 0.31, 0, 1, "cpu", 1
)


@pytest.fixture
def folder(tiny, tmp_path):
    """A finished run of one epoch."""
    training = start()
    runs.create(tmp_path / "run", SETTINGS, training, "python -m tinytrain train")
    for _ in loop.fit(training, tiny):
        runs.save(tmp_path / "run", SETTINGS, training)
    return tmp_path / "run"


def start():
    return build.start(SETTINGS.recipe, SETTINGS.seed)


def refused(folder, match="checkpoint.pt"):
    with pytest.raises(DataError, match=match):
        runs.restore(folder, SETTINGS, start())


def test_a_start_killed_before_its_end_is_no_run(tmp_path):
    runs.save(tmp_path, SETTINGS, start())
    runs.create(tmp_path, SETTINGS, start(), "python -m tinytrain train")
    with pytest.raises(UsageError, match="in use"):
        runs.require_unused(tmp_path)


@pytest.mark.parametrize("gone", [[], ["run.json"], ["run.json", "history.jsonl"]])
def test_what_has_epochs_to_lose_is_in_use(gone, folder):
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(UsageError, match="in use"):
        runs.require_unused(folder)


def test_what_a_folder_holds(folder):
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.pt",
        "history.jsonl",
        "run.json",
    }
    (line,) = folder.joinpath("history.jsonl").read_text().splitlines()
    names = "epoch lr train_loss train_accuracy test_loss test_correct test_total test_accuracy"
    assert list(json.loads(line)) == [*names.split(), "raw_test_accuracy", "seconds"]
    assert {"recipe", "dataset", "data_digest", "seed", "device", "threads", "versions"} <= set(
        json.loads(folder.joinpath("run.json").read_text())
    )
    assert runs.read_settings(folder) == SETTINGS


@pytest.mark.parametrize(
    ("older", "present"),
    [
        ({}, {}),
        ({"deskew": None}, {}),
        ({"net": "net9_3_looks", "erase": 0.0}, {"net": "net9_3", "looks": 5}),
        ({"net": "framed2791"}, {"net": "framed2791", "looks": 5}),
    ],
)
def test_a_run_of_an_earlier_version(older, present, tmp_path):
    """`older`: what its recipe had in other words, None for what it had not."""
    settings = replace(SETTINGS, recipe=replace(SETTINGS.recipe, **present))
    runs.create(tmp_path / "run", settings, build.start(settings.recipe, 1), "")

    def earlier(text):
        content = json.loads(text)
        recipe = content["recipe"] | {"looks": None} | older
        content["recipe"] = {name: value for name, value in recipe.items() if value is not None}
        return json.dumps(content)

    run, checkpoint = tmp_path / "run" / "run.json", tmp_path / "run" / "checkpoint.pt"
    run.write_text(earlier(run.read_text()))
    content = torch.load(checkpoint, weights_only=True)
    torch.save(content | {"settings": earlier(content["settings"])}, checkpoint)
    assert runs.read_settings(tmp_path / "run") == settings
    runs.restore(tmp_path / "run", settings, build.start(settings.recipe, 1))


def test_a_run_that_erased_is_refused_with_the_version_that_cannot(folder):
    content = json.loads((folder / "run.json").read_text())
    content["recipe"] = dict(content["recipe"], erase=0.3)
    del content["recipe"]["looks"]
    (folder / "run.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="erase.*since tinytrain 0.2"):
        runs.read_settings(folder)


def test_a_used_folder_is_refused(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match="--resume.*--run-dir"):
        runs.create(folder, SETTINGS, start(), "")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_fresh_folder_beside_a_used_one(folder):
    assert runs.fresh_folder(folder.parent, "run") == folder.parent / "run-2"
    assert runs.fresh_folder(folder.parent, "other") == folder.parent / "other"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="another folder"):
        runs.create(tmp_path / "file" / "run", SETTINGS, start(), "")


DAMAGES = {
    "version": (["version"], 0),
    "another run": (["settings"], json.dumps(asdict(replace(SETTINGS, seed=2)))),
    "no settings": (["settings"], "{}"),
    "not a state": (["state"], [1]),
    "a name missing": (["state"], {}),
    "a shape": (["state", "net", "conv1.0.weight"], torch.zeros(8, 1, 5, 5)),
    "a dtype": (["state", "net", "conv1.0.weight"], torch.zeros(8, 1, 3, 3).double()),
    "a tensor's place": (["state", "net", "conv1.0.weight"], 3.0),
    "no average": (["state", "average"], None),
    "a type": (["state", "epoch"], "two"),
    "the optimizer's length": (["state", "optimizer", "steps"], []),
    "an epoch of the history": (["state", "history"], [{"epoch": 1}]),
    "a history that is none": (["state", "history"], 7),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_foreign_checkpoint_changes_nothing(folder, damage):
    path = folder / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    (*names, last), value = DAMAGES[damage]
    reduce(getitem, names, content)[last] = value
    torch.save(content, path)
    training = start()
    before = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
    with pytest.raises(DataError, match="checkpoint.pt"):
        runs.restore(folder, SETTINGS, training)
    after = training.net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert training.epoch == 1 and not training.history


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_off_checkpoint(folder, share):
    path = folder / "checkpoint.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"recipe": {}}', '{"recipe": {"x": 1}}'])
def test_a_damaged_run_json(folder, content):
    (folder / "run.json").write_text(content)
    with pytest.raises(DataError, match="run.json"):
        runs.read_settings(folder)


def test_no_run(tmp_path):
    with pytest.raises(DataError, match="--run-dir"):
        runs.read_settings(tmp_path)
    refused(tmp_path, "--run-dir")


def test_a_flipped_bit_is_noticed(folder):
    path = folder / "checkpoint.pt"
    whole = path.read_bytes()
    weights = torch.load(path, weights_only=True)["state"]["net"]["conv2.8.weight"]
    place = whole.index(weights.numpy().tobytes()[:64])
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused(folder, "checkpoint.pt: damaged")


def test_two_runs_never_share_a_fresh_folder(tmp_path):
    assert len({runs.fresh_folder(tmp_path / "runs", "name") for _ in range(3)}) == 3
