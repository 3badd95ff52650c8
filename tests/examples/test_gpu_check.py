"""The check of a GPU, tried on a CPU: what it finds, and that a failure does not stop it."""

import importlib
import json
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("gpu_check")


def test_runs_are_compared_bit_by_bit(check, tiny, monkeypatch):
    assert check.all_true(check.repeats(tiny, "cpu", 4))
    monkeypatch.setattr(check, "weights_after", lambda *_, resumed_at=None: check.torch.randn(3))
    assert not check.all_true(check.repeats(tiny, "cpu", 4))


def test_where_nothing_compiles_the_others_are_timed(check, tiny, monkeypatch):
    monkeypatch.setattr(check.torch, "compile", Mock(side_effect=RuntimeError("no compiler")))
    found = check.milliseconds(tiny, "cpu", 1, 1)
    assert {*found["failed"]} == {"torch.nn, compiled", "tinytrain, graph compiled"}
    assert found["tinytrain, graph"] > 0 and "ratio" not in found and not check.all_true(found)


def test_what_fails_is_recorded_and_the_rest_is_run(check, tiny, monkeypatch, tmp_path, capsys):
    record = tmp_path / "record.json"
    words = ["--device", "cpu", "--steps", "2", "--epochs", "1", "--no-tests", "--json", record]
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", *map(str, words)])
    monkeypatch.setattr(check.datasets, "load", lambda name: tiny)
    monkeypatch.setattr(check, "milliseconds", lambda *settings: 1 / 0)
    with pytest.raises(SystemExit) as end:
        check.main()
    found, printed = json.loads(record.read_text()), capsys.readouterr().out
    assert end.value.code == 1 and "ZeroDivision" in found["milliseconds a step"]["failed"]
    assert len(found["a whole training"]["accuracies"]) == 1
    assert found["ten seeds"]["seed 1 is as alone"]
    for line in (
        "a step as a graph, ms: at most 0.8, not found",
        "seeds 1-10 that hold: at least 10, found 0, MISSED",
        "equal in bits: met",
    ):
        assert line in printed
