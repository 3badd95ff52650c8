"""The commands with data of one's own: train, evaluate, resume, seeds."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tinytrain import data, streams
from tinytrain.cli.main import main
from tinytrain.nets import Task
from tinytrain.nn.inspect import output_of
from tinytrain.runs import user_file
from tinytrain.store import idx, synthetic

SMALL = ["--recipe", "net1", "--epochs", "2", "--batch-size", "10", "--threads", "1"]


pytestmark = pytest.mark.usefixtures("here")


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


def test_a_run_on_data_of_ones_own(here, printed, fails):
    own_set("mnist")  # called so, it is still not MNIST
    log = printed("train", "--dataset", "./mnist", *SMALL)
    assert "not judged" in log and f"this is {here}/mnist" in log
    [run] = Path("runs").iterdir()
    assert run.name == "mnist-net1-epochs2-batch-size10-seed1"
    settings = json.loads((run / "run.json").read_text())
    assert settings["dataset"] == str(here / "mnist")
    assert settings["data_digest"] == data.load("./mnist").digest
    evaluate = ["evaluate", "--run-dir", str(run)]
    net, _, score = printed(*evaluate).splitlines()
    os.renames("mnist", "moved/mnist")
    assert "--data-dir" in fails(3, *evaluate)
    again = printed(*evaluate, "--data-dir", "moved").splitlines()
    assert (again[0], again[2]) == (net, score) and f"{here}/moved/mnist" in again[1]
    own_set("mnist", seed=1)
    assert "mnist" in fails(3, *evaluate)
    resume = ["train", "--resume", "--run-dir", str(run)]
    assert "mnist" in fails(3, *resume)
    assert main([*resume, "--data-dir", "moved"]) == 0


def test_seeds_on_data_of_ones_own(here, in_one_process):
    own_set("own")
    words = ["seeds", *SMALL[:-2], "--seeds", "1"]
    assert main([*words, "--dataset", f"{here}/own"]) == 0
    assert main([*words, "--dataset", "own"]) == 0  # the same runs
    assert [path.name for path in Path("runs").iterdir()] == ["seeds-own"]


def test_a_shipped_net_takes_the_classes_of_the_data(capsys, here):
    own_set("letters", grey_images(28), torch.arange(60) % 30)
    assert main(["train", "--dataset", "letters", *SMALL]) == 0
    assert re.search(r"Linear: 2-7 +\[-1, 30\]", capsys.readouterr().out)


def test_a_net_for_larger_images_is_refused_before_anything_is_written(here, fails):
    own_set("small", grey_images(8))
    words = ["train", "--dataset", "small", *SMALL, "--run-dir", "run"]
    line = fails(2, *words, "--net", "net9_3")
    assert all(said in line for said in ("small", "Conv2d", "late7500"))
    assert not Path("run").exists()
    assert main([*words, "--net", "late7500"]) == 0


COLOURS = {"dark": (40, 40, 60), "green": (60, 200, 60), "red": (220, 60, 60)}


def photos(folder, count):
    """Folders of photos in three colours, 24 × 20 pixels, with noise."""
    draw = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        Path(folder, name).mkdir(parents=True)
        for number in range(count):
            pixels = (draw.integers(-30, 30, (24, 20, 3)) + colour).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(Path(folder, name, f"{number}.png"))


TOLD = """
from tinytrain import nn

def build(classes, channels=1, size=(28, 28), generator=None):
    conv = nn.Conv2d(channels, 8, size, generator=generator)
    scores = nn.Linear(8, classes, generator=generator)
    return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), scores, nn.LogSoftmax())
"""


@pytest.mark.parametrize("what", ["--recipe=own-data", "--net=told.py:build"])
def test_photos_in_colour_of_three_kinds(what, here, capsys, printed):
    photos("photos", 20)
    Path("told.py").write_text(TOLD)
    assert main(["data", "convert", "photos", "--test-share", "0.25", "--output", "set"]) == 0
    train = ["train", "--dataset", "set", what, "--batch-size", "9", "--epochs", "1"]
    assert main([*train, "--threads", "1", "--run-dir", "run"]) == 0
    settings = json.loads(Path("run", "run.json").read_text())
    assert (settings["classes"], settings["image_shape"]) == (3, [3, 24, 20])
    Path("told.py").unlink()
    capsys.readouterr()
    assert main(["evaluate", "--run-dir", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"] >= 10
    assert "2 red" in printed("predict", "photos/red/0.png", "--run-dir", "run")
    assert main(["export", "--run-dir", "run"]) == 0
    assert main(["train", "--resume", "--run-dir", "run"]) == 0


def test_a_recipes_file_may_name_a_net_for_other_images(here):
    own_set("letters", grey_images(9), torch.arange(60) % 26)
    Path("told.py").write_text(TOLD.replace("    conv", "    assert size == (9, 9)\n    conv"))
    Path("mine.json").write_text('{"net": "told.py:build", "epochs": 1}')
    assert main(["train", "--dataset", "letters", "--recipe", "mine.json"]) == 0


def test_a_function_that_is_not_told_keeps_its_defaults(here):
    Path("told.py").write_text(TOLD.replace("(classes,", "(classes=3,"))
    own, told = "told.py:build", Task(5, (2, 9, 7))
    assert output_of(user_file.build(own)).shape == (1, 3)
    assert output_of(user_file.build(own, task=told), told.shape).shape == (1, 5)
    Path("told.py").write_text(TOLD.replace("(classes,", "(").replace("classes", "3"))
    assert output_of(user_file.build(own, task=told)).shape == (1, 3)  # of one channel
