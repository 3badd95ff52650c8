"""The run folder: whole files only, and nothing damaged or foreign is believed."""

import json
import math
import shutil
import zipfile
from collections import OrderedDict
from dataclasses import asdict, fields, replace
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import torch

from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import Recipe
from tinytrain.results.variations import RECIPES
from tinytrain.runs import checkpoints, run_folder
from tinytrain.train import build, loop

SETTINGS = run_folder.Settings(
    replace(RECIPES["final"], epochs=1), "synthetic", "tiny", 0.13, 0.31, 0, 1, "cpu", 1
)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A finished run of one epoch."""
    training, folder = start(), tmp_path_factory.mktemp("runs") / "run"
    run_folder.create(folder, SETTINGS, training, "python -m tinytrain train")
    for _ in loop.fit(training, tiny):
        run_folder.save(folder, SETTINGS, training)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of a finished run of one epoch."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def start():
    return build.start(SETTINGS.recipe, SETTINGS.seed)


def refused(folder, match="checkpoint.pt"):
    with pytest.raises(DataError, match=match):
        run_folder.restore(folder, SETTINGS, start())


@pytest.mark.parametrize("more", [[], [run_folder.NET_FILE]])
def test_a_start_killed_before_its_end_is_no_run(more, tmp_path):
    run_folder.save(tmp_path, SETTINGS, start())
    for name in more:
        (tmp_path / name).touch()
    run_folder.create(tmp_path, SETTINGS, start(), "python -m tinytrain train")
    with pytest.raises(UsageError, match="in use"):
        run_folder.require_unused(tmp_path)


@pytest.mark.parametrize("gone", [[], ["run.json"], ["run.json", "history.jsonl"]])
def test_what_has_epochs_to_lose_is_in_use(gone, folder):
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(UsageError, match="in use"):
        run_folder.require_unused(folder)


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
    assert run_folder.read_settings(folder) == SETTINGS
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["version"] == 1


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    """Version 0.2.0 had other names, fewer settings, and all weights in one vector."""
    training = build.start(SETTINGS.recipe, 1)
    steps = [3] * len(list(training.net.parameters()))
    training.optimizer.load_state_dict(training.optimizer.state_dict() | {"steps": [steps]})
    run_folder.create(tmp_path / "run", SETTINGS, training, "")

    def earlier(text):
        content = json.loads(text)
        recipe = content["recipe"]
        recipe["average"], recipe["looks"] = recipe.pop("ema"), recipe.pop("tta")
        for later in "fold", "image_shape", "net_digest":
            del content[later]
        return json.dumps(content)

    run, checkpoint = tmp_path / "run" / "run.json", tmp_path / "run" / "checkpoint.pt"
    run.write_text(earlier(run.read_text()))
    content = torch.load(checkpoint, weights_only=True)
    state = content["state"]
    state["average"] = state.pop("ema")
    state["optimizer"]["steps"] = [3]
    torch.save(content | {"settings": earlier(content["settings"])}, checkpoint)
    assert run_folder.read_settings(tmp_path / "run") == SETTINGS
    again = build.start(SETTINGS.recipe, 1)
    run_folder.restore(tmp_path / "run", SETTINGS, again)
    expected = training.state_dict()
    checkpoints.require_same_form(expected, again.state_dict(), "state")
    assert again.optimizer.state_dict()["steps"] == [steps]


def test_a_used_folder_is_refused(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match="--resume.*--run-dir"):
        run_folder.create(folder, SETTINGS, start(), "")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_fresh_folder_beside_a_used_one(folder):
    assert run_folder.fresh_folder(folder.parent, "run") == folder.parent / "run-2"
    assert run_folder.fresh_folder(folder.parent, "other") == folder.parent / "other"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="another folder"):
        run_folder.create(tmp_path / "file" / "run", SETTINGS, start(), "")


def test_a_folder_that_cannot_be_looked_into(tmp_path, monkeypatch):
    def closed(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", closed)
    with pytest.raises(UsageError, match=f"{tmp_path}: cannot be written .Permission denied."):
        run_folder.require_unused(tmp_path)


PLACE, SHAPE = "conv1.0.weight", (8, 1, 3, 3)


DAMAGES = {
    "version": (["version"], 0),
    "another run": (["settings"], json.dumps(asdict(replace(SETTINGS, seed=2)))),
    "no settings": (["settings"], "{}"),
    "not a state": (["state"], [1]),
    "a name missing": (["state"], {}),
    "a shape": (["state", "net", "conv1.0.weight"], torch.zeros(8, 1, 5, 5)),
    "a dtype": (["state", "net", "conv1.0.weight"], torch.zeros(8, 1, 3, 3).double()),
    "a tensor's place": (["state", "net", "conv1.0.weight"], 3.0),
    "no average": (["state", "ema"], None),
    "a type": (["state", "epoch"], "two"),
    "the optimizer's length": (["state", "optimizer", "steps"], []),
    "an epoch of the history": (["state", "history"], [{"epoch": 1}]),
    "a history that is none": (["state", "history"], 7),
    "settings that are none": (["settings"], 7),
    "a version that is many": (["version"], torch.ones(2)),
    "a version that is true": (["version"], True),
    "another dictionary": (["state"], OrderedDict()),
    "another dictionary inside": (["state", "net"], OrderedDict()),
    "names that are none": (["state", "net"], {torch.ones(2, 2): 1}),
    "an epoch before the first": (["state", "epoch"], 0),
    "an epoch that is negative": (["state", "epoch"], -1),
    "an epoch that is huge": (["state", "epoch"], 10**5000),
    "an epoch after the last": (["state", "epoch"], 3),
    "a batch that is negative": (["state", "batch"], -1),
    "more images than were seen": (["state", "correct"], 1),
    "a loss that is none": (["state", "loss_sum"], math.nan),
    "seconds backwards": (["state", "seconds"], -1.0),
    "seconds without end": (["state", "seconds"], math.inf),
    "steps of the optimizer": (["state", "optimizer", "steps", 0], -1),
    "a mean that is not finite": (
        ["state", "optimizer", "mean", 0],
        torch.ones(7934) / 0,
    ),
    "an average of less than none": (["state", "ema", "steps"], -1),
    "an average that diverged": (["state", "ema", "net", PLACE], torch.ones(SHAPE) / 0),
    "more than all correct": (["state", "history", 0, "test_accuracy"], 101.0),
    "correct of too few": (["state", "history", 0, "test_total"], 0),
    "an epoch out of order": (["state", "history", 0, "epoch"], 2),
    "an epoch without end": (["state", "history", 0, "seconds"], math.inf),
}


def hiding(name):
    """The right tensor, but for an attribute that takes the place of a method."""
    tensor = torch.zeros(SHAPE)
    setattr(tensor, name, "nothing that could be called")
    return tensor


TENSORS = {
    "sparse": lambda: torch.zeros(SHAPE).to_sparse(),
    "without numbers": lambda: torch.zeros(SHAPE, device="meta"),
    "quantised": lambda: torch.quantize_per_tensor(torch.zeros(SHAPE), 1.0, 0, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.zeros(1)]),
    "a parameter": lambda: torch.nn.Parameter(torch.zeros(SHAPE)),
    "with a past": lambda: torch.zeros(SHAPE, requires_grad=True),
    "with a method of its own": lambda: hiding("isfinite"),
}
DAMAGES |= {kind: (["state", "net", PLACE], make) for kind, make in TENSORS.items()}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_foreign_checkpoint_changes_nothing(folder, damage):
    path = folder / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    (*names, last), value = DAMAGES[damage]
    reduce(getitem, names, content)[last] = value() if callable(value) else value
    torch.save(content, path)
    training = start()
    before = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
    with pytest.raises(DataError, match="checkpoint.pt") as error:
        run_folder.restore(folder, SETTINGS, training)
    assert len(str(error.value).splitlines()) == 1
    after = training.net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert training.epoch == 1 and not training.history


def test_weights_that_diverged_are_said_to_have(folder):
    training = start()
    run_folder.restore(folder, SETTINGS, training)
    next(training.net.parameters()).data[0] = math.nan
    run_folder.save(folder, SETTINGS, training)
    refused(folder, "checkpoint.pt.*the run diverged")


def test_a_checkpoint_that_unpacks_to_more_than_its_size(folder):
    path = folder / "checkpoint.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    refused(folder, "checkpoint.pt: damaged .*more than its size")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_off_checkpoint(folder, share):
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(folder)


def with_setting(name, value):
    """How run.json is changed: one setting, or one field of the recipe (`recipe.FIELD`)."""

    def changed(text):
        content = json.loads(text)
        inner = content["recipe"] if name.startswith("recipe.") else content
        inner[name.removeprefix("recipe.")] = value
        return json.dumps(content)

    return changed


VALUES = {
    "seed": ["1", -1, 1.5, True, 10**19, None],
    "mean": ["0.1", math.nan, math.inf, 10**400],
    "threads": [-1, "two"],
    "device": [1, []],
    "fold": ["x", "1/0", "6/5", "1/2/3", "0/5", 1, "1" * 5000 + "/5"],
    "image_shape": [[], [1, 28], [1, 0, 28], [1, -28, -28], ["1", 28, 28], [1, 10**9, 10**9], 1],
    "net_digest": [1, "f" * 64],
    "recipe": [None, [], "final", {"net": 1}, {"x": 1}, {"net": "net1", "epochs": 10**9}],
}
VALUES |= {
    f"recipe.{field.name}": [None, [], {}, -1, math.nan, 10**400] for field in fields(Recipe)
}
CHANGES = [with_setting(name, value) for name, values in VALUES.items() for value in values]
CHANGES += [lambda text, content=content: content for content in ("", "{", "[]", '{"recipe": {}}')]


@pytest.mark.parametrize("change", CHANGES)
def test_settings_that_no_run_has(folder, change):
    path = folder / "run.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match="run.json"):
        run_folder.read_settings(folder)


def test_a_history_that_no_run_has(folder):
    path = folder / "history.jsonl"
    line = json.loads(path.read_text())
    for name, value in (("epoch", 2), ("test_accuracy", 101.0), ("seconds", 1e308)):
        path.write_text(json.dumps(line | {name: value}))
        with pytest.raises(DataError, match="history.jsonl"):
            run_folder.read_history(folder)


def test_no_run(tmp_path):
    with pytest.raises(DataError, match="--run-dir"):
        run_folder.read_settings(tmp_path)
    refused(tmp_path, "--run-dir")


class Code:
    """What unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def test_a_checkpoint_is_data_and_never_code(tmp_path):
    content = {"version": 1, "settings": "{}", "state": Code(tmp_path / "run by the file")}
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(DataError, match="checkpoint.pt: damaged or not a checkpoint"):
        checkpoints.read_checkpoint(tmp_path / "checkpoint.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_flipped_bit_is_noticed(folder):
    path = folder / "checkpoint.pt"
    whole = path.read_bytes()
    weights = torch.load(path, weights_only=True)["state"]["net"]["conv2.8.weight"]
    place = whole.index(weights.numpy().tobytes()[:64])
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused(folder, "checkpoint.pt: damaged")


def test_two_runs_never_share_a_fresh_folder(tmp_path):
    assert len({run_folder.fresh_folder(tmp_path / "runs", "name") for _ in range(3)}) == 3
