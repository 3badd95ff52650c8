"""What users bring: a net, a loss, an optimizer, an augmentation; and what may go wrong."""

import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch

from tinytrain import data, nets, nn, optim, streams, train
from tinytrain.cli import main as cli
from tinytrain.errors import UsageError
from tinytrain.nn import functional
from tinytrain.results.variations import RECIPES
from tinytrain.runs import net_file as net_files

NET = """
from tinytrain import nn

class Residual(nn.Module):
    def __init__(self, channels, generator=None):
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, generator=generator)

    def forward(self, input):
        return input + self.conv(input).relu()

def build(generator=None):
    layers = nn.Conv2d(1, 4, 3, stride=2, generator=generator), Residual(4, generator)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10, generator=generator)
    return nn.Sequential(*layers, *head, nn.LogSoftmax())

def seeded_by_torch():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax())
"""


def plain_net(seed=1):
    return nets.net6(streams.generator(seed, "weights"))


def events(tiny, **options):
    """The epochs of a training of Net6 with these options, its optimizer by default Adam."""
    net = options.pop("net", None) or plain_net()
    defaults = {"optimizer": optim.Adam(net.parameters(), 0.01), "epochs": 2, "batch_size": 30}
    return epochs_of(train.Training(net, **(defaults | options)), tiny)


def epochs_of(training, dataset):
    return [event for event in train.fit(training, dataset) if isinstance(event, train.Epoch)]


def losses(epochs):
    return [(epoch.train_loss, epoch.test_loss) for epoch in epochs]


def test_objects_train_as_the_recipe_that_names_them(tiny):
    recipe = replace(RECIPES["final"], net="net6", epochs=2, batch_size=30)
    wanted = epochs_of(train.build.start(recipe, 1), tiny)
    net = plain_net()
    found = events(
        tiny,
        net=net,
        optimizer=optim.Adam(net.parameters(), recipe.lr),
        schedule=optim.WarmupLinear(2),
        augmentation=data.Augmentation(rotation=8, shift=1.5, scale=0.08, shear=0.15),
        ema=optim.ExponentialMovingAverage(net, recipe.ema),
    )
    for one, other in zip(losses(found), losses(wanted), strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_all_but_net_and_optimizer_has_a_default(tiny):
    net = plain_net()
    training = train.Training(net, optim.SGD(net.parameters(), 0.1))
    assert (training.epochs, training.batch_size, training.seed, training.tta) == (15, 128, 1, 1)
    names = ["epoch", "batch", "loss_sum", "correct", "seconds", "history"]
    assert [getattr(training, name) for name in names] == [1, 0, 0, 0, 0, []]
    next(iter(train.fit(training, tiny)))


def test_a_loss_of_ones_own(tiny):
    scores = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    twin = nn.Sequential(*copy.deepcopy(scores), nn.LogSoftmax())
    found = events(tiny, net=scores, loss=functional.cross_entropy)
    wanted = events(tiny, net=twin)
    for one, other in zip(losses(found), losses(wanted), strict=True):
        assert one == pytest.approx(other)


def test_an_augmentation_of_ones_own(tiny):
    def shade(images, generator):
        return images * torch.rand(len(images), 1, 1, 1, generator=generator)

    plain, shaded, again = (events(tiny, augmentation=a) for a in (None, shade, shade))
    assert losses(shaded) == losses(again) != losses(plain)


@pytest.mark.parametrize("frozen", [False, True])
def test_parameters_that_do_not_learn(tiny, frozen):
    net = plain_net()
    net.spare = torch.ones(3, requires_grad=not frozen)
    assert losses(events(tiny, net=net)) == losses(events(tiny))
    assert torch.equal(net.spare, torch.ones(3))


def mistakes():
    net, other = plain_net(), plain_net()
    adam = optim.Adam(net.parameters())
    yield "expected a Module, found Net", {"net": type("Net", (), {})(), "optimizer": adam}
    yield "optimizer: expected one made", {"net": other, "optimizer": adam}
    average = optim.ExponentialMovingAverage(other, 0.9)
    yield "ema: expected an average made", {"net": net, "optimizer": adam, "ema": average}


@pytest.mark.parametrize(("message", "options"), [*mistakes()])
def test_what_does_not_belong_together(message, options):
    with pytest.raises(UsageError, match=message):
        train.Training(**options)


@pytest.mark.parametrize("held", [[nn.ReLU()], {"a": nn.ReLU()}, torch.nn.Linear(3, 3)])
def test_weights_that_would_not_be_found(held):
    inner = nn.Sequential(nn.ReLU())
    inner.more = held
    net = nn.Sequential(nn.Linear(3, 3), inner)
    with pytest.raises(UsageError, match=r"1\.more: weights in a .* are not found"):
        train.Training(net, optim.SGD(net.parameters()))


def test_a_net_without_weights():
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax())
    with pytest.raises(UsageError, match="weights to learn"):
        train.Training(net, optim.SGD([torch.zeros(1, requires_grad=True)]))


class Louder(nn.Module):
    """Every probability half as much again."""

    def forward(self, input):
        return input + math.log(1.5)


HEADS = {
    "log-probabilities, .* add up to 1, found 1.5;": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(), Louder()
    ),
    "log-probabilities, .* found": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    r"\(N, 10\).*found \(1, 3\)": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 3), nn.LogSoftmax()
    ),
}


@pytest.mark.parametrize("message", HEADS)
def test_outputs_that_do_not_suit(tiny, message):
    net = HEADS[message]()
    training = train.Training(net, optim.SGD(net.parameters()), batch_size=30)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        next(iter(train.fit(training, tiny)))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


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
    assert all(torch.equal(a, b) and not torch.equal(a, c) for a, b, c in pairs)


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
        "line 9, in forward",
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


def final_weights(folder):
    state = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    return [*state["net"].values(), *state["ema"]["net"].values()]


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
    pairs = zip(final_weights(whole), final_weights(cut), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


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
