"""The doctor: what is well is called well, what is not is found, and both say what to do."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tinytrain import data, optim
from tinytrain.cli import findings, self_test
from tinytrain.cli.main import main
from tinytrain.nn import functional


@pytest.fixture(scope="module")
def seen():
    """The training of the self-test."""
    return self_test.trial("cpu")


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch, seen):
    """An idle machine and an empty folder; the training is not done again for every test."""
    threads = torch.get_num_threads()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(findings, "trial", lambda device: seen)
    yield
    torch.set_num_threads(threads)


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


def test_a_machine_that_is_well(capsys, data_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(findings, "TRIED", {})
    assert main(["doctor", "--threads=1", "--data-dir", data_dir]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "All is well." and not list(tmp_path.iterdir())
    topics = ["versions", "threads", "device", "data", "self-test", "speed"]
    assert list(dict.fromkeys(line.split()[1] for line in lines)) == topics
    assert {line.split()[0] for line in lines} == {"ok"}


def test_the_digests_of_what_is_there(examine, data_dir):
    digest = data.load("synthetic", data_dir).digest
    place, *sets = examine("ok", "data")
    assert place == f"in {data_dir}" and len(sets) == 4
    assert sets[3].startswith("synthetic: 400 + 50 images") and digest[:16] in sets[3]
    assert all("not here; fetched" in text for text in sets[:3])


def test_an_empty_folder(examine, tmp_path):
    assert "nothing is yet" in examine("ok", "data", root=tmp_path / "new")[0]
    assert not (tmp_path / "new").exists()


def test_a_set_of_ones_own(examine, tmp_path, data_dir):
    shutil.copytree(Path(data_dir, "synthetic"), tmp_path / "mine")
    assert f"{tmp_path / 'mine'}: 400 + 50 images" in examine("ok", "data", root=tmp_path)[-1]
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte").unlink()
    [text] = examine("FAILED", "data", 3, root=tmp_path)
    assert text.startswith(f"{tmp_path / 'mine'}: no test-labels")


def test_damaged_data(examine, tmp_path, data_dir):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    labels = tmp_path / "synthetic" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    assert examine("FAILED", "data", 3, root=tmp_path)[0].startswith(f"{labels}: ")
    labels.unlink()
    assert "move the rest away" in examine("FAILED", "data", 3, root=tmp_path)[0]
    assert not labels.exists()


def test_a_download_that_was_not_finished(examine, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"not looked at")
    [text] = examine("warning", "data", root=tmp_path)
    assert (
        text.startswith("mnist: no train-images-idx3-ubyte, train-labels") and "t10k-l" not in text
    )


def test_a_data_folder_that_is_a_file(examine, tmp_path):
    (tmp_path / "file").touch()
    [text] = examine("FAILED", "data", 3, root=tmp_path / "file")
    assert "--data-dir" in text


def test_more_threads_than_cores_and_a_machine_at_work(examine, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 999)
    assert "--threads" in examine("warning", "threads")[0]
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert examine("warning", "load")[0].startswith("1000.0 ")


def test_every_device_is_named(examine, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", "card {}".format)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    [text] = examine("ok", "device", words=["--device=cpu"])
    assert text.endswith("cuda:0 (card 0), cuda:1 (card 1), mps") and text.startswith("cpu;")


def test_a_version_that_nobody_tried(examine, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "99.1.0+cpu")
    assert examine("warning", "versions")[0].startswith("torch 99.1.0+cpu: ")


def test_what_setup_promises_was_tried():
    text = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert f"torch>={findings.TRIED['torch'][0]}\n" in text
    assert f"python_requires = >={findings.TRIED['Python'][0]}\n" in text


def test_a_wrong_gradient(examine, monkeypatch):
    monkeypatch.setattr(
        functional, "silu", lambda input, inplace: input * input.detach().sigmoid()
    )
    [text] = examine("FAILED", "self-test", 1)
    assert "of SiLU is not" in text


def test_a_step_that_is_a_tenth_too_long(examine, monkeypatch):
    step = optim.Adam.step

    def wrong(self):
        self.lr *= 1.1
        step(self)

    monkeypatch.setattr(optim.Adam, "step", wrong)
    monkeypatch.setattr(findings, "trial", self_test.trial)
    [text] = examine("FAILED", "self-test", 1)
    assert "and not 2.3012, 2.3231, 1.4358" in text


def test_a_device_that_does_not_compute(examine, monkeypatch):
    broken = Mock(side_effect=RuntimeError("no kernel image\nis available"))
    monkeypatch.setattr(findings, "trial", broken)
    [text] = examine("FAILED", "self-test", 1)
    assert "no kernel image; install" in text
    monkeypatch.setattr("tinytrain.cli.resolve.choose_device", lambda name: "cuda")
    assert "--device cpu" in examine("FAILED", "self-test", 1)[0]


def test_seconds_an_epoch(examine, seen):
    trial = replace(seen, step=0.02, image=0.0001)
    assert trial.epoch() == pytest.approx(469 * 0.02 + 1)
    assert examine("ok", "speed")[0].startswith(f"{seen.epoch():.0f} s an epoch")


def test_the_gravest_decides(examine, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(findings, "trial", Mock(side_effect=RuntimeError("broken")))
    assert examine("FAILED", "self-test", 3, root=tmp_path / "file")
