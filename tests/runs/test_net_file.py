"""A net from a file with layers of one's own: seeded, resumed, exported; and what may go wrong."""

import itertools

import pytest
import torch

from tinytrain import streams, train
from tinytrain.cli import main as cli
from tinytrain.runs import net_file as net_files

NET = '''
import torch
from tinytrain import nn

class Residual(nn.Module):
    def __init__(self, channels, generator=None):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, generator=generator)

    def forward(self, input):
        return input + self.conv(input).relu()

class Centred(nn.Module):
    """Takes off what the channels were on average, and scales them."""

    buffer_names = ("seen", "mean")

    def __init__(self, channels):
        self.scale = torch.ones(channels, 1, 1, requires_grad=True)
        self.seen, self.mean = torch.tensor(0), torch.zeros(channels, 1, 1)

    def forward(self, input):
        if self.training:
            self.seen += 1
            self.mean.lerp_(input.detach().mean((0, 2, 3))[:, None, None], 0.1)
        return (input - self.mean) * self.scale

def build(generator=None):
    layers = nn.Conv2d(1, 4, 3, stride=2, generator=generator), Residual(4, generator), Centred(4)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10, generator=generator)
    return nn.Sequential(*layers, nn.Dropout(0.1, generator=generator), *head, nn.LogSoftmax())

def seeded_by_torch():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax())
'''


@pytest.fixture
def net_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(NET)
    return path


@pytest.mark.parametrize("function", ["build", "seeded_by_torch"])
def test_the_seed_decides_the_weights(net_file, function, global_generator_untouched):
    with global_generator_untouched():
        one, same, other = (
            net_files.build(f"{net_file}:{function}", generator=streams.generator(seed, "weights"))
            for seed in (1, 1, 2)
        )
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs if (a != 1).any())  # a scale begins as 1


WRONG = {
    "no file": ("", "nowhere.py:build", "cannot be read"),
    "no function named": ("", "own.py", "FILE.py:FUNCTION"),
    "no such function": ("", "own.py:build", "no function build"),
    "no program": ("def build(:", "own.py:build", "line 1: not a Python program"),
    "no Module": ("def build(): return 3", "own.py:build", "found builtins.int"),
    "torch's own": (
        "import torch\ndef build(): return torch.nn.Linear(3, 3)",
        "own.py:build",
        "found torch.nn.modules.linear.Linear",
    ),
    "layers of torch's": (
        "import torch\nfrom tinytrain import nn\ndef build():\n    net = nn.Module()\n"
        "    net.inner = torch.nn.Linear(3, 3)\n    return net",
        "own.py:build",
        "inner: weights in a Linear are not found",
    ),
    "needs more": ("def build(width): ...", "own.py:build", "give it a default"),
    "an error in it": ("def build():\n    return 1 / 0", "own.py:build", "ZeroDivisionError"),
    "an import": ("import nothing_of_that_name", "own.py:build", "nothing_of_that_name"),
    "a wrong width": (
        NET.replace("Linear(784, 10)", "Linear(784, 7)"),
        "own.py:seeded_by_torch",
        "expected outputs (N, 10)",
    ),
    "a forward that fails": (
        NET.replace("input + self", "input + self.spare + self"),
        "own.py:build",
        "line 10, in forward",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_net_file_that_is_wrong(wrong, tmp_path, monkeypatch, capsys, data_dir):
    source, name, message = WRONG[wrong]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(source)
    words = ["--net", name, "--dataset", "synthetic", "--data-dir", data_dir, "--run-dir", "run"]
    assert cli.main(["train", *words]) == 2
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert lines[0].startswith("tinytrain: ") and message in shown.err
    assert all("own.py" in line or not line.startswith("  File") for line in lines)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "--shape"),
        (["--shape=3x24x40"], 0, "square images only"),
        (["--shape=3x24x24"], 0, "Receptive fields, in pixels"),
        (["--shape=24x40"], 2, "3x40x24"),
    ],
)
def test_the_summary_of_a_net_for_other_images(words, status, said, tmp_path, capsys):
    source = "from tinytrain import nn\ndef build(): return nn.Sequential(nn.Conv2d(3, 4, 3))\n"
    (tmp_path / "own.py").write_text(source)
    assert cli.main(["summary", "--net", f"{tmp_path}/own.py:build", *words]) == status
    shown = capsys.readouterr()
    assert said in (shown.err if status else shown.out) and shown.err.count("\n") == bool(status)


ALONE = """
from tinytrain import nn

def build():
    whole = nn.Conv2d(1, 10, 28), nn.BatchNorm2d(10)
    return nn.Sequential(*whole, nn.Flatten(), nn.LogSoftmax())
"""


def test_a_last_batch_of_one_is_refused_before_a_folder_is_made(tmp_path, data_dir, capsys):
    (tmp_path / "alone.py").write_text(ALONE)
    net = f"--net={tmp_path}/alone.py:build"
    assert cli.main(train_words(tmp_path / "run", data_dir, net, "--batch-size=57")) == 2
    errors = capsys.readouterr().err
    assert (
        errors.count("\n") == 1 and "1 (BatchNorm2d)" in errors and not (tmp_path / "run").exists()
    )
    for size in 56, 58:
        assert f"--batch-size {size}" in errors
        words = train_words(tmp_path / f"run{size}", data_dir, net, f"--batch-size={size}")
        assert cli.main([*words, "--epochs=1"]) == 0


def train_words(folder, data_dir, *more):
    words = ["train", "--dataset=synthetic", "--batch-size=50", "--threads=1", "--device=cpu"]
    return [*words, f"--data-dir={data_dir}", f"--run-dir={folder}", *more]


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["state"]


def test_a_run_with_a_net_file_goes_on_as_it_began(net_file, tmp_path, data_dir, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    named = [f"--net={net_file}:build", "--epochs=2"]
    assert cli.main(train_words(whole, data_dir, *named)) == 0

    def interrupted(*arguments):
        yield from itertools.islice(fit(*arguments), 12)
        raise KeyboardInterrupt

    fit = train.loop.fit
    with monkeypatch.context() as patch:
        patch.setattr(train.loop, "fit", interrupted)
        assert cli.main(train_words(cut, data_dir, *named)) == 130
    again = ["train", "--resume", f"--run-dir={cut}", f"--data-dir={data_dir}"]
    net_file.write_text(NET + "# changed\n")
    assert cli.main(again) == 2
    net_file.unlink()
    assert cli.main(again) == 0
    found, expected = state(cut), state(whole)
    torch.testing.assert_close(found["ema"]["net"], expected["ema"]["net"], rtol=0, atol=0)
    torch.testing.assert_close(found["net"], expected["net"], rtol=0, atol=0)
    learned = found["net"]
    assert learned["2.seen"] == 16 and learned["2.mean"].all() and (learned["2.scale"] != 1).all()


def test_own_layers_are_exported_as_weights_and_not_as_torchs(
    net_file, tmp_path, data_dir, capsys
):
    run = tmp_path / "run"
    assert cli.main(train_words(run, data_dir, f"--net={net_file}:build", "--epochs=1")) == 0
    assert cli.main(["export", f"--run-dir={run}"]) == 0
    exported = torch.load(run / "weights.pt", weights_only=True)
    net_files.build(f"{net_file}:build").load_state_dict(exported)
    capsys.readouterr()
    assert cli.main(["export", "--format=torch", f"--run-dir={run}"]) == 2
    errors = capsys.readouterr().err
    assert "2 (Centred)" in errors or "1 (Residual)" in errors
    assert errors.count("\n") == 1
    assert not (run / "net.py").exists() and not (run / "net.pt").exists()


def test_a_runs_copy_of_its_net_file_is_checked(net_file, tmp_path, data_dir, capsys):
    folder = tmp_path / "run"
    assert cli.main(train_words(folder, data_dir, f"--net={net_file}:build", "--epochs=1")) == 0
    words = ["evaluate", f"--run-dir={folder}", f"--data-dir={data_dir}"]
    net_file.unlink()
    assert cli.main(words) == 0
    (folder / "net_file.py").write_text(NET + "# changed\n")
    assert cli.main(words) == 3 and "net_file.py: not the net file" in capsys.readouterr().err
    (folder / "net_file.py").unlink()
    assert cli.main(words) == 3 and "copy of its net file is gone" in capsys.readouterr().err
