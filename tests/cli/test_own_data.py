"""The commands with data of one's own: train, evaluate, resume, seeds."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tinytrain import data, nets, nn, streams
from tinytrain.cli.main import main
from tinytrain.store import idx, synthetic

SMALL = ["--recipe", "net1", "--epochs", "2", "--batch-size", "10", "--threads", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_set(folder, images=None, labels=None, seed=0):
    """Files of one's own, of digits unless others are given, in a folder."""
    labels = torch.arange(60) % 10 if labels is None else labels
    if images is None:
        images = synthetic.digits(labels, streams.generator(seed, "own"))[:, 0]
    Path(folder).mkdir(parents=True)
    for name, rows in ("train", slice(40)), ("test", slice(40, 60)):
        idx.write(Path(folder, f"{name}-images"), images[rows].numpy())
        idx.write(Path(folder, f"{name}-labels"), labels[rows].numpy().astype(np.uint8))


def grey_images(side):
    """Sixty images of that side, each of one grey."""
    return torch.arange(60).view(-1, 1, 1).expand(-1, side, side).byte()


def test_a_run_on_data_of_ones_own(here, capsys, fails):
    own_set("mnist")  # called so, it is still not MNIST
    assert main(["train", "--dataset", "./mnist", *SMALL]) == 0
    log = capsys.readouterr().out
    assert "not judged" in log and f"this is {here}/mnist" in log
    [run] = Path("runs").iterdir()
    assert run.name == "mnist-net1-epochs2-batch-size10-seed1"
    settings = json.loads((run / "run.json").read_text())
    assert settings["dataset"] == str(here / "mnist")
    assert settings["data_digest"] == data.load("./mnist").digest
    evaluate = ["evaluate", "--run-dir", str(run)]
    assert main(evaluate) == 0
    net, _, score = capsys.readouterr().out.splitlines()
    os.renames("mnist", "moved/mnist")
    assert "--data-dir" in fails(3, *evaluate)
    assert main([*evaluate, "--data-dir", "moved"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert (again[0], again[2]) == (net, score) and f"{here}/moved/mnist" in again[1]
    own_set("mnist", seed=1)
    assert "mnist" in fails(3, *evaluate)
    resume = ["train", "--resume", "--run-dir", str(run)]
    assert "mnist" in fails(3, *resume)
    assert main([*resume, "--data-dir", "moved"]) == 0


def test_seeds_on_data_of_ones_own(here):
    own_set("own")
    words = ["seeds", *SMALL[:-2], "--seeds", "1"]
    assert main([*words, "--dataset", f"{here}/own"]) == 0
    assert main([*words, "--dataset", "own"]) == 0  # the same runs
    assert [path.name for path in Path("runs").iterdir()] == ["seeds-own"]


def test_a_net_for_fewer_classes_or_another_size_is_refused(fails):
    own_set("letters", grey_images(28), torch.arange(60) % 30)
    error = fails(2, "train", "--dataset", "letters", *SMALL)
    assert "letters" in error and "(N, 30)" in error
    own_set("small", grey_images(4))
    assert "small" in fails(2, "train", "--dataset", "small", *SMALL)


def test_a_net_for_images_of_ones_own(capsys, monkeypatch):
    own_set("small", grey_images(4))
    layers = nn.Conv2d(1, 5, 3), nn.Flatten(), nn.Linear(20, 10), nn.LogSoftmax()
    monkeypatch.setitem(nets.NETS, "own", lambda _: nn.Sequential(*layers))
    assert main(["train", "--dataset", "small", *SMALL, "--net", "own"]) == 0
    assert re.search(r"Conv2d: 1-1 +\[-1, 5, 2, 2\]", capsys.readouterr().out)
