"""A layer of one's own is a `Module` with `forward`: what is done with nets is done with it."""

from __future__ import annotations

import pytest
import torch

from tinytrain import nets, nn
from tinytrain.cli.main import main
from tinytrain.nn import inspect
from tinytrain.nn.receptive_field import measured_field, receptive_field
from tinytrain.runs import signals
from tinytrain.store import synthetic
from tinytrain.streams import generator


def residual(nn):
    """The class of a residual block, from `torch.nn` or from `tinytrain.nn`."""

    class Residual(nn.Module):
        def __init__(self, channels, **more):
            super().__init__()
            conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, **more)
            self.change = nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())

        def forward(self, input):
            return input + self.change(input)

    return Residual


class Centred(nn.Module):
    """Takes off what the channels were on average, and scales them: parameters and buffers."""

    buffer_names = ("seen", "mean")

    def __init__(self, channels):
        self.scale = torch.ones(channels, 1, 1, requires_grad=True)
        self.seen, self.mean = torch.tensor(0), torch.zeros(channels, 1, 1)

    def forward(self, input):
        if self.training:
            self.seen += 1
            with torch.no_grad():
                self.mean.lerp_(input.mean((0, 2, 3))[:, None, None], 0.1)
        return (input - self.mean) * self.scale

    def extra_repr(self):
        return f"{len(self.scale)}"


def own_net(generator=None):
    """A net with both, which looks at 28 × 28 images; 3,698 parameters."""
    return nn.Sequential(
        {
            "conv": nn.Conv2d(1, 8, 5, stride=2, generator=generator),
            "centred": Centred(8),
            "block": residual(nn)(8, generator=generator),
            "pool": nn.MaxPool2d(2),
            "drop": nn.Dropout(0.1, generator=generator),
            "flatten": nn.Flatten(),
            "linear": nn.Linear(288, 10, generator=generator),
            "log_softmax": nn.LogSoftmax(dim=1),
        }
    )


@pytest.fixture
def named(monkeypatch):
    """`--net own` is the net with layers of one's own."""
    monkeypatch.setitem(nets.NETS, "own", own_net)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A data root with 60 + 20 drawn digits."""
    root = tmp_path_factory.mktemp("data")
    (root / "synthetic").mkdir()
    synthetic.write_files(root / "synthetic", train=60, test=20)
    return root


def state(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)["state"]


def words(run, data_dir):
    return [f"--run-dir={run}", f"--data-dir={data_dir}"]


def test_it_is_trained_resumed_evaluated_and_exported(
    named, data_dir, tmp_path, capsys, monkeypatch
):
    train = ["train", "--net=own", "--dataset=synthetic", "--epochs=2", "--batch-size=20"]
    train += [f"--threads={torch.get_num_threads()}"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*train, *words(whole, data_dir)]) == 0
    with monkeypatch.context() as patch:
        patch.setenv(signals.PARENT, "a process that is no more")
        assert main([*train, *words(stopped, data_dir)]) == 143
    assert state(stopped)["batch"] < 6
    assert main(["train", "--resume", *words(stopped, data_dir)]) == 0
    for part in "net", "ema":
        found, expected = (state(run)[part] for run in (stopped, whole))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    learned = state(whole)["net"]
    assert learned["centred.seen"] == 6
    assert learned["centred.mean"].all() and (learned["centred.scale"] != 1).all()
    capsys.readouterr()
    assert main(["evaluate", *words(whole, data_dir)]) == 0
    assert "/20 (" in capsys.readouterr().out
    assert main(["export", f"--run-dir={whole}"]) == 0
    exported = torch.load(whole / "weights.pt", weights_only=True)
    own_net().load_state_dict(exported)
    assert main(["export", "--format=torch", f"--run-dir={whole}"]) == 2
    errors = capsys.readouterr().err
    assert "centred (Centred)" in errors and errors.count("\n") == 1
    assert not (whole / "net.py").exists() and not (whole / "net.pt").exists()


def test_it_is_shown(named, capsys):
    assert main(["summary", "--net=own"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "├─Centred: 1-2 [-1, 8, 12, 12] 8" in lines
    assert "├─Residual: 1-3 [-1, 8, 12, 12] --" in lines
    assert "| | └─Conv2d: 3-1 [-1, 8, 12, 12] 576" in lines
    assert "centred.scale torch.Size([8, 1, 1])" in lines
    assert any(line.startswith("block 12 2 2 ~9 ") for line in lines)
    assert "(centred): Centred(8)\n  (block): Residual(\n    (change): Seq" in repr(own_net())


def test_its_receptive_field_is_measured():
    fields = {field.name: field for field in receptive_field(own_net())}
    assert list(fields) == ["input", "conv", "block", "pool"]
    block, pool = fields["block"], fields["pool"]
    assert (block.field, block.jump, block.measured) == (9, 2, True)
    assert (pool.field, pool.jump) == (11, 4)
    assert measured_field(own_net(), "pool", 3) == pool.span(3, 28)


def test_its_weights_move_between_torch_and_here():
    ours, theirs = residual(nn)(4), residual(torch.nn)(4)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 4, 5, 5, generator=generator(0, "images"))
    torch.testing.assert_close(ours(images), theirs(images))
    torch.testing.assert_close(ours.state_dict(), dict(theirs.state_dict()))


def test_its_parameters_are_among_all_weights_and_its_buffers_are_not():
    net = own_net()
    assert sum(weight.numel() for weight in net.parameters()) == nn.parameter_count(net)
    assert inspect.output_shape(net) == (10,)
    assert list(net.centred.state_dict()) == ["scale", "seen", "mean"]
    assert [name for name, _ in net.centred.named_buffers()] == ["seen", "mean"]
