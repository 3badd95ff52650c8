"""Frozen weights, constants and buffers stay as they are, whoever trains; buffers do not count."""

from dataclasses import replace

import pytest
import torch

from tinytrain import nn, streams
from tinytrain.cli.main import main
from tinytrain.recipes import RECIPES, build
from tinytrain.report.table import summary
from tinytrain.results import run_list
from tinytrain.runs import run_folder, user_file
from tinytrain.train import fit
from tinytrain.workers.group import Workers

NET = """
import torch
from tinytrain import nn

class Scaled(nn.Module):
    buffer_names = ("wide",)

    def __init__(self):
        self.factor = torch.full((1,), 0.5)  # a constant
        self.wide = torch.zeros(9000)  # and one of more than 8,000 numbers, a buffer
        self.learned = torch.ones(1, requires_grad=True)

    def forward(self, input):
        return input * self.factor * self.learned

def build(generator=None):
    edges = nn.Conv2d(1, 4, 3, stride=3, generator=generator)
    edges.weight.requires_grad_(False)
    head = nn.Flatten(), nn.Linear(324, 10, generator=generator), nn.LogSoftmax()
    return nn.Sequential(edges, nn.ReLU(), Scaled(), *head)
"""
FROZEN = ("0.weight", "2.factor", "2.wide")


def frozen_net(name, dropout, generator):
    names = {}
    exec(NET, names)
    return names["build"](generator)


def require_frozen(before, after):
    """Everything in the state has moved but what is frozen, which has the same bits."""
    assert [name for name in before if torch.equal(before[name], after[name])] == [*FROZEN]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon"])
@pytest.mark.parametrize("shards", [0, 2])
def test_a_recipe_leaves_them_alone(tiny, optimizer, shards):
    recipe = replace(RECIPES["final"], optimizer=optimizer, weight_decay=0.1, epochs=2)
    training = build.start(replace(recipe, batch_size=20, ema=0.9), 1, build_net=frozen_net)
    before = {name: value.clone() for name, value in training.net.state_dict().items()}
    workers = Workers()
    workers.cut(shards)
    list(fit(training, tiny, workers))
    require_frozen(before, training.net.state_dict())
    require_frozen(before, training.ema.net.state_dict())


def test_the_table_tells_them_from_what_is_trained():
    net = frozen_net("", 0.0, None)
    assert nn.parameter_count(net) == 3292
    lines = summary(net).splitlines()
    assert "Total params: 3,292" in lines
    assert "Trainable params: 3,255" in lines and "Non-trainable params: 37" in lines


def test_the_command_line_leaves_them_alone_and_judges_all_parameters(
    tmp_path, data_dir, capsys, monkeypatch
):
    (tmp_path / "net.py").write_text(NET)
    words = [f"--net={tmp_path}/net.py:build", "--epochs=5", "--batch-size=100", "--threads=1"]
    as_if_mnist = "tinytrain.runs.settings.reason_not_judged"
    monkeypatch.setattr(as_if_mnist, lambda *_: None)
    run = tmp_path / "run"
    words += ["--dataset=synthetic", f"--data-dir={data_dir}", f"--run-dir={run}"]
    assert main(["train", *words]) == 0
    assert "met      3,292 parameters (fewer than 8,000)" in capsys.readouterr().out
    state = torch.load(run / "checkpoint.pt", weights_only=True)["state"]
    net = user_file.build(f"{tmp_path}/net.py:build", generator=streams.generator(1, "weights"))
    require_frozen(net.state_dict(), state["net"])
    history = [replace(line, test_accuracy=99.5) for line in run_folder.read_history(run)]
    settings = run_folder.read_settings(run)
    parameters = run_list.parameters_of(run, settings)
    assert run_list.judged(settings, history, parameters) == "met"
