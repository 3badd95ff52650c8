"""What the README shows works as it stands there, and its figures are those of the records."""

import importlib
import re
import shlex
from functools import partial
from pathlib import Path

import pytest
import torch

import tinytrain
from tinytrain import data
from tinytrain.cli.main import COMMANDS, main, parse
from tinytrain.errors import UsageError
from tinytrain.report import target
from tinytrain.results import records

README = (Path(__file__).parents[1] / "README.md").read_text()
PROGRAM, NET_FILE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The present folder: an empty one, but for the README's own recipe and net."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(re.search(r'\{"base".*?\}', README)[0])
    (tmp_path / "mine.py").write_text(NET_FILE)
    return tmp_path


def test_its_program_trains_and_repeats(tiny, monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda name: tiny)
    exec(PROGRAM, {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert re.findall(r"epoch (\d): [\d.]+ %\n", printed) == ["1", "2", "3"]
    exec(PROGRAM, {"__name__": "readme"})
    assert capsys.readouterr().out == printed


def test_its_net_trains(folder, data_dir):
    words = "train --net mine.py:Net --dataset synthetic --epochs 1 --threads 1 --run-dir run"
    assert main([*words.split(), "--data-dir", data_dir]) == 0


def test_its_net_trains_by_a_call(folder, data_dir, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    net = importlib.import_module("mine").Net
    few = {"dataset": "synthetic", "epochs": 1, "threads": 1, "data_dir": data_dir}
    assert "conv.weight" in tinytrain.run("run", net=net, **few).net.state_dict()
    for not_in_a_file in (lambda: 0), net(), partial(net), int:
        with pytest.raises(UsageError, match="top of a file"):
            tinytrain.run("other", net=not_in_a_file, **few)
    others = {"lr": 0.5, "holdout": 9, "freeze": "conv", "dataset": "kmnist", "from_": "run"}
    for name, value in others.items():
        with pytest.raises(UsageError, match=f"other settings .{name.strip('_')}. "):
            tinytrain.run("run", net=net, **few | {name: value})
    with pytest.raises(UsageError, match="of the package torch"):
        tinytrain.run("other", optimizer=torch.optim.SGD, **few)
    with pytest.raises(UsageError, match="dataset: .* a Dataset"):
        tinytrain.run("other", **few | {"dataset": data.load("synthetic", data_dir)})


def test_a_number_that_is_another_when_the_file_is_run_again_is_refused(folder, monkeypatch):
    Path("wide.py").write_text("WIDTH = 1\ndef net(): return 10 * WIDTH\n")
    monkeypatch.syspath_prepend(folder)
    wide = importlib.import_module("wide")
    wide.WIDTH = 2
    with pytest.raises(UsageError, match="WIDTH is 2 here, and 1 where"):
        tinytrain.run("other", net=wide.net, dataset="synthetic")


def test_a_program_that_trains_without_a_guard_is_refused(folder):
    program = Path("unguarded.py")
    call = "\ntinytrain.run('other', net=Net, dataset='synthetic')\n"
    program.write_text("import tinytrain\n" + Path("mine.py").read_text() + call)
    with pytest.raises(UsageError, match="__main__"):
        tinytrain.run("other", net="unguarded.py:Net", dataset="synthetic")


def test_its_commands_are_known(folder):
    blocks = re.findall(r"^```\w*\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^tinytrain (.*)$", "".join(blocks), re.MULTILINE)
    parsed = [parse(shlex.split(line, comments=True)) for line in lines]
    assert {options.command for options in parsed} == {*COMMANDS}


def test_its_verdict_is_that_of_the_record():
    record = records.read_record("final")
    (parameters,) = re.findall(r"net of ([\d,]+) parameters", README)
    verdict = target.verdict(record.seeds[1]["test_accuracy"], int(parameters.replace(",", "")))
    assert verdict.text in README
