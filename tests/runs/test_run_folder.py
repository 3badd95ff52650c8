"""The run folder: whole files only, and nothing damaged or foreign is believed."""

import io
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


@pytest.mark.parametrize("more", [[], ["net_file.py"]])
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
        for later in "fold", "image_shape", "digests":
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


def test_a_used_folder_is_refused_and_a_fresh_one_is_beside_it(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match="--resume.*--run-dir"):
        run_folder.create(folder, SETTINGS, start(), "")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    fresh = [run_folder.fresh_folder(folder.parent, "run").name for _ in range(2)]
    assert fresh == ["run-2", "run-3"]
    assert run_folder.fresh_folder(folder.parent / "new", "other").is_dir()


def test_a_folder_that_cannot_be_written_or_looked_into(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="another folder"):
        run_folder.create(tmp_path / "file" / "run", SETTINGS, start(), "")

    def closed(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", closed)
    with pytest.raises(UsageError, match=f"{tmp_path}: cannot be written .Permission denied."):
        run_folder.require_unused(tmp_path)


def hiding(name):
    """The right tensor, but for an attribute that takes the place of a method."""
    tensor = torch.zeros(SHAPE)
    setattr(tensor, name, "nothing that could be called")
    return tensor


PLACE, SHAPE = "conv1.0.weight", (8, 1, 3, 3)
TENSORS = [
    torch.zeros(8, 1, 5, 5),
    torch.zeros(SHAPE).double(),
    torch.zeros(SHAPE).to_sparse(),
    torch.zeros(SHAPE, device="meta"),
    lambda: torch.quantize_per_tensor(torch.zeros(SHAPE), 1.0, 0, torch.qint8),
    lambda: torch.nested.nested_tensor([torch.zeros(1)]),
    torch.nn.Parameter(torch.zeros(SHAPE)),
    torch.zeros(SHAPE, requires_grad=True),
    hiding("isfinite"),
]
FOREIGN = {  # by where in the checkpoint
    ("version",): [0, torch.ones(2), True],
    ("settings",): [json.dumps(asdict(replace(SETTINGS, seed=2))), "{}", 7],
    ("state",): [[1], {}, OrderedDict()],
    ("state", "net"): [OrderedDict(), {torch.ones(2, 2): 1}],
    ("state", "net", PLACE): [3.0, *TENSORS],
    ("state", "ema"): [None],
    ("state", "ema", "steps"): [-1],
    ("state", "ema", "net", PLACE): [torch.ones(SHAPE) / 0],
    ("state", "optimizer", "steps"): [[]],
    ("state", "optimizer", "steps", 0): [-1],
    ("state", "optimizer", "mean", 0): [torch.ones(7934) / 0],
    ("state", "epoch"): ["two", 0, -1, 3, lambda: 10**5000],
    ("state", "batch"): [-1],
    ("state", "correct"): [1],
    ("state", "loss_sum"): [math.nan],
    ("state", "seconds"): [-1.0, math.inf],
    ("state", "history"): [[{"epoch": 1}], 7],
    ("state", "history", 0, "test_accuracy"): [101.0],
    ("state", "history", 0, "test_total"): [0],
    ("state", "history", 0, "epoch"): [2],
    ("state", "history", 0, "seconds"): [math.inf],
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("place", "value"), [(place, value) for place in FOREIGN for value in FOREIGN[place]]
)
def test_a_foreign_checkpoint_changes_nothing(folder, place, value):
    path, (*names, last) = folder / "checkpoint.pt", place
    content = torch.load(path, weights_only=True)
    reduce(getitem, names, content)[last] = value() if callable(value) else value
    torch.save(content, path)
    training = start()
    before = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
    with pytest.raises(DataError, match="checkpoint.pt") as error:
        run_folder.restore(folder, SETTINGS, training)
    assert len(str(error.value).splitlines()) == 1
    torch.testing.assert_close(training.net.state_dict(), before, rtol=0, atol=0)
    assert training.epoch == 1 and not training.history


def test_weights_that_diverged_are_said_to_have(folder):
    training = start()
    run_folder.restore(folder, SETTINGS, training)
    next(training.net.parameters()).data[0] = math.nan
    run_folder.save(folder, SETTINGS, training)
    refused(folder, "checkpoint.pt.*the run diverged")


def flipped(whole):
    """One bit of a weight is another."""
    content = torch.load(io.BytesIO(whole), weights_only=True)
    place = whole.index(content["state"]["net"]["conv2.8.weight"].numpy().tobytes()[:64])
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def bomb(_):
    """It unpacks to more than its size."""
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    return file.getvalue()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flipped, "damaged"),
        (bomb, "damaged .*more than its size"),
        *((lambda whole, share=share: whole[: int(len(whole) * share)], "") for share in (0, 0.5)),
        (lambda whole: whole[:-1], ""),
    ],
)
def test_a_damaged_checkpoint(folder, damage, said):
    path = folder / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    refused(folder, f"checkpoint.pt: .*{said}")


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
    "digests": [1, {"net": "f" * 64}, {"loss": 1}],
    "recipe": [None, [], {}, "final", {"net": 1}, {"x": 1}, {"net": "net1", "epochs": 10**9}],
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
