"""A new run from another's weights: frozen layers, a new head; what a resumed run refuses."""

import hashlib
import json

import numpy as np
import pytest
import torch
from run_files import state_of

from tinytrain.cli.main import main


@pytest.fixture(scope="module")
def begun(tmp_path_factory, data_dir):
    """The words of a short run, without its folder, and a finished run."""
    folder = tmp_path_factory.mktemp("from") / "run"
    words = ["train", "--dataset=synthetic", f"--data-dir={data_dir}", "--threads=1"]
    words += ["--epochs=1", "--batch-size=100"]
    assert main([*words, f"--run-dir={folder}"]) == 0
    return words, folder


def test_a_run_from_anothers_weights(begun, tmp_path, data_dir, printed):
    words, folder = begun
    new = tmp_path / "new"
    assert "begun from another run" in printed(
        *words, f"--from={folder}", "--freeze=conv1", f"--run-dir={new}"
    )
    content = (folder / "checkpoint.pt").read_bytes()
    settings = json.loads((new / "run.json").read_text())
    assert settings["from_digest"] == hashlib.sha256(content).hexdigest()
    averaged = state_of(folder)["ema"]["net"]
    for found in state_of(new)["net"], state_of(new)["ema"]["net"]:
        learned = [name for name, value in found.items() if not torch.equal(value, averaged[name])]
        ends = {name.rpartition(".")[2] for name in learned if name.startswith("conv1")}
        assert not ends & {"weight", "bias"}  # the statistics of batch norm go on
        assert "trans2.0.weight" in learned
    assert main(["evaluate", f"--run-dir={new}", f"--data-dir={data_dir}"]) == 0


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (["--from=nowhere"], 3, "nowhere"),
        (["--from=RUN", "--net=net1"], 2, "--net net9_3_wide2, and images like its own, 1×28×28"),
        (["--freeze=conv9"], 2, "--freeze conv9: expected layers of the net, conv1.0"),
        (["--freeze=conv1,trans1,conv2,trans2"], 2, "--freeze conv1,trans1,conv2,trans2: "),
    ],
)
def test_a_run_from_no_such_weights(more, status, said, begun, tmp_path, fails):
    words, folder = begun
    more = [word.replace("RUN", str(folder)) for word in more]
    assert said in fails(status, *words, *more, f"--run-dir={tmp_path / 'new'}")
    assert not (tmp_path / "new").exists()


SETTINGS = "lr=0.1 seed=1 batch-size=5 deskew=yes threads=1 recipe=final epochs=3 from=x freeze=1"


@pytest.mark.parametrize("setting", SETTINGS.split())
def test_another_setting_of_a_resumed_run_needs_a_new_one(setting, begun, fails):
    line = fails(2, "train", "--resume", f"--run-dir={begun[1]}", f"--{setting}")
    assert f"--{setting.partition('=')[0]}" in line and "run.json" in line
    assert f"--from {begun[1]}" in line


LETTERS = """
from tinytrain import nn
def net(generator=None, classes=10):
    body = nn.Flatten(), nn.Linear(784, 8, generator=generator), nn.ReLU()
    return nn.Sequential(*body, nn.Linear(8, classes, generator=generator), nn.LogSoftmax())
def three(generator=None): return net(generator, 3)
"""


def test_the_head_is_drawn_anew_for_other_classes(begun, tmp_path, data_dir):
    words, _ = begun
    path, labels = tmp_path / "mine.py", np.arange(60) % 3
    path.write_text(LETTERS)
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "three.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    data = tmp_path / "three"
    assert main(["data", "convert", f"{tmp_path / 'three.npz'}", f"--output={data}"]) == 0
    ten, three = tmp_path / "ten", tmp_path / "new"
    assert main([*words, f"--net={path}:net", f"--run-dir={ten}"]) == 0
    words = [*words, f"--dataset={data}", f"--net={path}:three", f"--from={ten}", "--freeze=1"]
    assert main([*words, f"--run-dir={three}"]) == 0
    assert state_of(three)["net"]["3.weight"].shape == (3, 8)
    assert torch.equal(state_of(three)["net"]["1.weight"], state_of(ten)["ema"]["net"]["1.weight"])
