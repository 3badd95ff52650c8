"""The doctor: what is well is called well, what is not is found, and both say what to do."""

import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tinytrain import data, optim, train
from tinytrain.cli import self_test
from tinytrain.cli.main import main
from tinytrain.nn import functional

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def quick(monkeypatch):
    """Only what is there is looked at; nothing is computed."""
    monkeypatch.setattr(self_test, "short_training", lambda device: [])


@pytest.fixture
def examine(capsys, data_dir):
    """Have the doctor look; the texts of the lines with that mark and topic."""

    def texts(mark, topic, status=0, root=data_dir, words=("--threads=1",)):
        assert main(["doctor", "--data-dir", str(root), *words]) == status
        output = capsys.readouterr()
        assert output.err.count("\n") == bool(status) and topic in output.err + output.out
        lines = [line.split(maxsplit=2) for line in output.out.splitlines()]
        assert bool(status) == any(line[0] == "FAILED" for line in lines)
        return [line[2] for line in lines if line[:2] == [mark, topic]]

    return texts


def test_a_machine_that_is_well(printed, data_dir, tmp_path):
    *lines, last = printed("doctor", "--threads=1", "--data-dir", data_dir).splitlines()
    assert last == "All is well." and not list(tmp_path.iterdir())
    topics = ["versions", "threads", "device", "data", "self-test", "speed"]
    assert list(dict.fromkeys(line.split()[1] for line in lines)) == topics
    assert {line.split()[0] for line in lines} == {"ok"}


@pytest.mark.usefixtures("quick")
def test_the_sets_that_are_there_and_every_device(examine, data_dir, tmp_path, monkeypatch):
    place, *sets = examine("ok", "data")
    assert place == f"in {data_dir}" and len(sets) == 4
    digest = data.load("synthetic", data_dir).digest
    assert sets[3].startswith("synthetic: 400 + 50 images") and digest[:16] in sets[3]
    assert all("not here" in text for text in sets[:3])
    assert len(examine("ok", "data", root=tmp_path / "new")) == 5
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", "card {}".format)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    [text] = examine("ok", "device", words=["--device=cpu"])
    assert text.endswith("cuda:0 (card 0), cuda:1 (card 1), mps") and text.startswith("cpu;")


@pytest.mark.usefixtures("quick")
def test_damaged_data_and_a_download_that_was_not_finished(examine, tmp_path, data_dir):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    shutil.copytree(Path(data_dir, "synthetic"), tmp_path / "mine")
    (tmp_path / "mnist").mkdir(exist_ok=True)
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"not looked at")
    _, mnist, *_, mine = examine("ok", "data", root=tmp_path)
    assert mnist.startswith("mnist: no train-images-idx3-ubyte") and "t10k-labels" not in mnist
    assert mine.startswith(f"{tmp_path / 'mine'}: 400 + 50 images")
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte").unlink()
    assert str(tmp_path / "mine") in examine("FAILED", "data", 3, root=tmp_path)[0]
    labels = tmp_path / "synthetic" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    assert examine("FAILED", "data", 3, root=tmp_path)[0].startswith(f"{labels}: ")
    labels.unlink()
    assert labels.name in examine("FAILED", "data", 3, root=tmp_path)[0]
    assert not labels.exists()


def too_long(self):
    """A step whose rate is a tenth too large."""
    self.lr *= 1.1
    STEP(self)


def leaky(input, inplace=False):
    """ReLU's value, with a gradient where it has none."""
    return torch.relu(input) + 0.2 * (input - input.detach())


STEP, WRONG = optim.Adam.step, [(optim.Adam, "step", too_long), (functional, "relu", leaky)]


@pytest.mark.parametrize("wrong", WRONG, ids=["step", "gradient"])
def test_a_step_or_a_gradient_that_is_wrong(wrong, examine, monkeypatch):
    monkeypatch.setattr(*wrong)
    [text] = examine("FAILED", "self-test", 1)
    assert "and not 2.3012, 2.3231, 1.4358" in text


def test_a_device_that_does_not_compute_and_a_data_folder_that_is_a_file(
    examine, monkeypatch, tmp_path
):
    monkeypatch.setattr(train, "fit", Mock(side_effect=RuntimeError("no kernel image\nis here")))
    assert "no kernel image; try --device cpu" in examine("FAILED", "self-test", 1)[0]
    (tmp_path / "file").touch()  # the gravest decides
    assert "--data-dir" in examine("FAILED", "data", 3, root=tmp_path / "file")[0]
