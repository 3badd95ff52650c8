"""The run folder: whole files only, and nothing damaged or foreign is believed."""

import io
import json
import math
import shutil
import zipfile
from collections import OrderedDict
from copy import deepcopy
from dataclasses import asdict, fields, replace
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import torch

from tinytrain.cli.resolve import choose_device
from tinytrain.errors import DataError, UsageError
from tinytrain.recipes import RECIPES, Recipe, build
from tinytrain.runs import run_folder
from tinytrain.runs.settings import parse_settings
from tinytrain.train import loop

SETTINGS = run_folder.Settings(
    replace(RECIPES["final"], epochs=1), "synthetic", "tiny", 0.13, 0.31, 0, 1, "cpu", 1
)


def start():
    return build.start(SETTINGS.recipe, SETTINGS.seed)


def create(folder):
    run_folder.create(folder, SETTINGS, start(), "python -m tinytrain train")


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


def refused(folder, said=""):
    """The checkpoint is refused in one line, and the training that it was meant for stays new."""
    training = start()
    before = deepcopy(training.net.state_dict())
    with pytest.raises(DataError, match=f"checkpoint.pt.*{said}") as error:
        run_folder.restore(folder, SETTINGS, training)
    assert len(str(error.value).splitlines()) == 1
    torch.testing.assert_close(training.net.state_dict(), before, rtol=0, atol=0)
    assert training.epoch == 1 and not training.history


def changed(content, place, value):
    """The content (dicts and lists) with another value at that place."""
    reduce(getitem, place[:-1], content)[place[-1]] = value
    return content


def test_a_start_killed_before_its_end_is_no_run_and_the_next_one_is(tmp_path):
    run_folder.save(tmp_path, SETTINGS, start())
    (tmp_path / "net_file.py").touch()
    create(tmp_path)
    with pytest.raises(UsageError, match="in use"):
        run_folder.require_unused(tmp_path)


def test_a_run_on_cuda_says_how_its_kernels_compute(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for flag, before in ("deterministic", False), ("allow_tf32", True):
        monkeypatch.setattr(torch.backends.cudnn, flag, before)
    settings = replace(SETTINGS, device=choose_device("cuda"))
    run_folder.create(tmp_path, settings, start(), "python -m tinytrain train")
    found = json.loads((tmp_path / "run.json").read_text())["kernels"]
    assert found.pop("deterministic") and len(found) == 2 and not any(found.values())
    assert run_folder.read_settings(tmp_path) == settings


def test_what_a_folder_holds_and_that_it_is_in_use_while_there_are_epochs_to_lose(folder):
    names = "epoch lr train_loss train_accuracy test_loss test_correct test_total test_accuracy"
    (line,) = folder.joinpath("history.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == [*names.split(), "raw_test_accuracy", "seconds"]
    assert {"command", "versions"} < json.loads((folder / "run.json").read_text()).keys()
    assert run_folder.read_settings(folder) == SETTINGS
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["version"] == 1
    for name in "run.json", "history.jsonl", "checkpoint.pt":
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        way = ".*--resume" if name == "run.json" else ""  # the first that is gone
        with pytest.raises(UsageError, match=f"in use{way}.*--run-dir"):
            create(folder)
        assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
        (folder / name).unlink()
    assert not list(folder.iterdir())


def test_a_fresh_folder_is_beside_those_that_are_there(tmp_path):
    assert [run_folder.fresh_folder(tmp_path / "new", "run").name for _ in range(3)] == [
        "run",
        "run-2",
        "run-3",
    ]


def as_one_vector(state, counts):
    """The state of an optimizer as an earlier version held it; `counts` of the steps, too."""
    earlier = dict(state)
    for name, held in state.items():
        if name in ("velocity", "mean", "square"):
            earlier[name] = [torch.cat([weight.flatten() for weight in held])]
        elif name == "steps":
            earlier[name] = [counts(held)]
        elif name == "adam":
            earlier[name] = as_one_vector(held, counts)
    return earlier


SGD, ADAM, MUON = {"optimizer": "sgd", "momentum": 0.9}, {}, {"optimizer": "muon"}


@pytest.mark.parametrize("counts", [lambda steps: steps[0], list], ids=["one count", "counts"])
@pytest.mark.parametrize("optimizer", [SGD, ADAM, MUON])
def test_a_run_of_an_earlier_version_goes_on(optimizer, counts, tiny, tmp_path):
    """Version 0.2.0 had other names, fewer settings, and all weights in one vector."""
    written = replace(SETTINGS, recipe=replace(SETTINGS.recipe, **optimizer))
    training, again = (build.start(written.recipe, written.seed) for _ in range(2))
    next(loop.fit(training, tiny))
    run_folder.create(tmp_path, written, training, "")

    def earlier(text):
        content = json.loads(text)
        recipe = content["recipe"]
        recipe["average"], recipe["looks"] = recipe.pop("ema"), recipe.pop("tta")
        for later in "fold", "image_shape", "digests", "classes":
            del content[later]
        return json.dumps(content)

    run, checkpoint = tmp_path / "run.json", tmp_path / "checkpoint.pt"
    run.write_text(earlier(run.read_text()))
    content = torch.load(checkpoint, weights_only=True)
    state = content["state"]
    state["average"] = state.pop("ema")
    state["optimizer"] = as_one_vector(state["optimizer"], counts)
    torch.save(content | {"settings": earlier(content["settings"])}, checkpoint)
    assert run_folder.read_settings(tmp_path) == written
    run_folder.restore(tmp_path, written, again)
    torch.testing.assert_close(again.state_dict(), training.state_dict(), rtol=0, atol=0)


def test_a_folder_that_cannot_be_written_or_looked_into(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    for make in create, lambda folder: run_folder.fresh_folder(folder.parent, "run"):
        with pytest.raises(UsageError, match="another (folder|--run-dir)"):
            make(tmp_path / "file" / "run")

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
    ("state", "optimizer", "mean"): [[], [torch.zeros(3)], [torch.zeros(())], None],
    ("state", "optimizer", "mean", 0): [torch.ones(7934) / 0],
    ("state", "epoch"): ["two", 0, -1, 3, lambda: 10**5000],
    ("state", "batch"): [-1],
    ("state", "correct"): [1],
    ("state", "loss_sum"): [math.nan, 3.0],
    ("state", "lr"): [-0.03, 0.0, 0.5],
    ("state", "seconds"): [-1.0, math.inf],
    ("state", "history"): [[{"epoch": 1}], 7],
    ("state", "history", 0, "test_accuracy"): [101.0],
    ("state", "history", 0, "test_total"): [0],
    ("state", "history", 0, "epoch"): [2],
    ("state", "history", 0, "seconds"): [math.inf],
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("place", FOREIGN, ids=str)
def test_a_foreign_checkpoint_changes_nothing(finished, tmp_path, place):
    for value in FOREIGN[place]:
        content = torch.load(finished / "checkpoint.pt", weights_only=True)
        value = value() if callable(value) else value
        torch.save(changed(content, place, value), tmp_path / "checkpoint.pt")
        refused(tmp_path)


def test_weights_that_diverged_are_said_to_have(folder):
    training = start()
    run_folder.restore(folder, SETTINGS, training)
    next(training.net.parameters()).data[0] = math.nan
    run_folder.save(folder, SETTINGS, training)
    refused(folder, "the run diverged")


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


class Code:
    """What unpickling would run."""

    def __reduce__(self):
        return Path.touch, (Path("run by the file"),)


def code(_):
    torch.save({"version": 1, "settings": "{}", "state": Code()}, file := io.BytesIO())
    return file.getvalue()


DAMAGES = [
    (flipped, "damaged"),
    (bomb, "damaged .*more than its size"),
    (code, "damaged or not a checkpoint"),
    (lambda whole: whole[: len(whole) // 2], "damaged"),
    (lambda whole: whole[:-1], "damaged"),
    (lambda whole: b"", "damaged"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_a_damaged_checkpoint(finished, tmp_path, damage, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(damage((finished / "checkpoint.pt").read_bytes()))
    refused(tmp_path, said)
    assert list(tmp_path.iterdir()) == [path]  # a checkpoint is data and never code


VALUES = {
    ("seed",): ["1", -1, 1.5, True, 10**19, None],
    ("mean",): ["0.1", math.nan, math.inf, 10**400],
    ("threads",): [-1, "two"],
    ("device",): [1, []],
    ("fold",): ["x", "1/0", "6/5", "1/2/3", "0/5", 1, "1" * 5000 + "/5"],
    ("image_shape",): [[], [1, 28], [1, 0, 28], [1, -8, -8], ["1", 8, 8], [1, 10**9, 10**9], 1],
    ("classes",): [None, "10", -1, 257, 10.0],
    ("net_digest",): [1, "f" * 64],
    ("digests",): [1, {"net": "f" * 64}, {"loss": 1}],
    ("recipe",): [None, [], {}, "final", {"net": 1}, {"x": 1}, {"net": "net1", "epochs": 10**9}],
} | {("recipe", one.name): [None, [], {}, -1, math.nan, 10**400] for one in fields(Recipe)}


@pytest.mark.parametrize("place", VALUES, ids=str)
def test_settings_that_no_run_has(place):
    for value in VALUES[place]:
        text = json.dumps(changed(asdict(SETTINGS), place, value))
        with pytest.raises(DataError, match="^run.json"):
            parse_settings(text, "run.json")


def test_settings_and_a_history_that_are_none(folder):
    line = json.loads((folder / "history.jsonl").read_text())
    wrong = [{"epoch": 2}, {"test_accuracy": 101.0}, {"seconds": 1e308}]
    texts = ["{", "[]", '{"recipe": {}}', *(json.dumps(line | change) for change in wrong)]
    for name, read, more in (
        ("run.json", run_folder.read_settings, [""]),
        ("history.jsonl", run_folder.read_history, ["[" * 100_000]),
    ):
        for text in texts + more:
            (folder / name).write_text(text)
            with pytest.raises(DataError, match=name):
                read(folder)


def test_no_run(tmp_path):
    with pytest.raises(DataError, match="run.json"):
        run_folder.read_settings(tmp_path)
    refused(tmp_path, "--run-dir")
