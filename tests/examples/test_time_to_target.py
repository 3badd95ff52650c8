"""The bench of seconds to a target: its peer resumes exactly, its table is worked out right."""

import argparse
import importlib
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tinytrain.data.batches import normalise
from tinytrain.errors import DataError, UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def bench():
    """examples/time_to_target.py as a module; it finds its neighbours as a script does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("time_to_target")


@pytest.fixture(autouse=True)
def own_generator_and_threads():
    """The peer draws from torch's own generator and sets the number of threads; put both back."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def on_tiny_data(bench, tiny, monkeypatch):
    monkeypatch.setattr(bench.datasets, "load", lambda name: tiny)


def test_the_usual_program_is_the_one_that_is_meant(bench, tiny):
    program = bench.UsualProgram(tiny.train, tiny.test, seed=1)
    assert sum(parameter.numel() for parameter in program.net.parameters()) == 1_199_882
    images, labels = next(iter(program.train_loader))
    assert images.shape == (64, 1, 28, 28) and sorted(set(labels.tolist())) == list(range(10))
    assert not torch.equal(labels, tiny.train.labels[:64])
    assert program.net(images).exp().sum(1).allclose(torch.ones(64))
    images, labels = next(iter(program.test_loader))
    assert images.allclose(normalise(tiny.test.images.float(), 0.1307, 0.3081), atol=1e-6)
    assert torch.equal(labels, tiny.test.labels)


def test_an_epoch_at_a_time_is_the_whole_run(bench, tiny, tmp_path, on_tiny_data):
    for _ in range(3):
        seed, accuracies = bench.next_epoch(7, tmp_path, None, "tiny")
    program = bench.UsualProgram(tiny.train, tiny.test, seed=7)
    torch.set_num_threads(1)
    for epoch in range(3):
        assert program.optimizer.param_groups[0]["lr"] == pytest.approx(0.7**epoch)
        assert len(list(program.train_epoch())) == 2
        program.test()
    assert (seed, accuracies) == (7, program.accuracies) and len(accuracies) == 3
    _, state = bench.checkpoints.read_checkpoint(tmp_path / "seed-7.pt")
    for name, value in program.net.state_dict().items():
        assert torch.equal(state["net"][name], value)


def test_a_seed_ends_with_its_last_epoch(bench, tmp_path, on_tiny_data, monkeypatch):
    monkeypatch.setattr(bench, "EPOCHS", 1)
    first, again = (bench.next_epoch(1, tmp_path, 20, "20 images") for _ in range(2))
    assert first == again and len(first[1]) == 1


def test_checkpoints_of_other_images_are_refused(bench, tmp_path, on_tiny_data):
    bench.next_epoch(1, tmp_path, 20, "20 images")
    with pytest.raises(UsageError, match="of 20 images, expected all"):
        bench.next_epoch(1, tmp_path, None, "all")


@pytest.mark.parametrize("name", ["the usual program", "final", "two-epochs"])
def test_contestants_answer_with_seconds(bench, name, on_tiny_data):
    ours, theirs = multiprocessing.Pipe()
    for asked in (True, True, False):
        ours.send(asked)
    bench.take_turns(name, argparse.Namespace(threads=1, steps=2, warm_up=1), theirs)
    for preparation, step in (ours.recv(), ours.recv()):
        assert (preparation > 0) == (name == "two-epochs") and step > 0


def test_the_table_by_hand(bench, capsys):
    accuracies = {
        bench.USUAL: {"1": [98.9, 99.2, 99.3], "2": [99.0, 99.0]},
        "quick": {1: [99.39], 2: [99.41]},
    }
    times = {
        bench.USUAL: {"batch_size": 64, "rounds": [(0.0, 0.1), (0.0, 0.3), (0.0, 0.2)]},
        "quick": {"batch_size": 600, "rounds": [(10.0, 0.5)]},
    }
    table = bench.table(accuracies, times)
    usual, quick = table["99.0"].values()
    assert usual["means"] == [98.95, 99.1] and usual["epoch"] == 2
    assert usual["seconds"] == pytest.approx((375.2, 187.6, 562.8))  # 2 × 938 steps
    assert quick["epoch"] == 1 and quick["seconds"] == pytest.approx(
        (60, 60, 60)
    )  # 10 + 100 × 0.5
    assert quick["times as fast"] == pytest.approx(375.2 / 60)
    usual, quick = table["99.4"].values()
    assert usual["epoch"] is None and quick["epoch"] == 1 and "times as fast" not in quick
    bench.show(table)
    printed = capsys.readouterr().out
    assert "375.2 (187.6 to 562.8)" in printed and "6.25 times as fast" in printed
    assert "not in 2 epochs: reaches 99.100 %" in printed
    bench.show(bench.table({bench.USUAL: {"1": [], "2": []}, "quick": accuracies["quick"]}, {}))
    assert capsys.readouterr().out.count("not timed") == 2


def test_accuracies_of_recipes_are_recorded_ones(bench):
    recorded = bench.recorded("final")
    assert list(recorded) == [1, 2, 3, 4, 5] and {*map(len, recorded.values())} == {15}
    with pytest.raises(UsageError, match="--recipes mine: no record"):
        bench.recorded("mine")


def test_a_damaged_result_is_told(bench, tmp_path):
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(DataError, match=r"result\.json: damaged"):
        bench.measured(tmp_path / "result.json")


def test_without_flags_it_measures_and_writes_nothing(tmp_path):
    output = subprocess.run(
        [sys.executable, EXAMPLES / "time_to_target.py"],
        env=os.environ | {"TINYTRAIN_DATA": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert output.returncode == 0 and "not timed" in output.stdout and not output.stderr
    assert not list(tmp_path.iterdir())
