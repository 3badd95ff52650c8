"""A net from a file with layers of one's own: seeded, resumed, exported; and what may go wrong."""

import itertools
import json
import re

import pytest
import torch
from run_files import state_of

from tinytrain import data, streams, train
from tinytrain.cli import main as cli
from tinytrain.results.trained_run import load_run
from tinytrain.runs import user_file as user_files
from tinytrain.runs.run_folder import read_history

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

drawn = torch.randn(784, 10)  # while the file is run

def drawn_at_import():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax())
    net[1].weight, net[1].bias = drawn.T.requires_grad_(), torch.ones(10, requires_grad=True)
    return net

def seeded_by_torch():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax())
'''


OWN = """
import torch
from tinytrain import optim

class Lion(optim.Optimizer):
    state_names = ("momenta",)

    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.momenta = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def step(self):
        for param, momentum in zip(self.params, self.momenta, strict=True):
            param.sub_(momentum.lerp_(param.grad, 0.1).sign(), alpha=self.lr)

class Halved:
    factor = 1.0
    def __init__(self, epochs): self.epochs = epochs
    def __call__(self, progress): return self.factor
    def see(self, history): self.factor = 0.5 ** sum(epoch.test_total == 50 for epoch in history)

def focal(outputs, labels):
    right = outputs.gather(1, labels[:, None])
    return -((1 - right.exp()).square() * right).mean()

def moved(images, generator):
    chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(chosen, images.roll(1, 3), images)

def smaller(images, generator): return images[..., 1:]
def none(*arguments): return None
def fails(*arguments): raise ValueError(arguments)
def one(argument): return argument
number = 3
"""
FUNCTIONS = {"optimizer": "Lion", "schedule": "Halved", "loss": "focal", "augmentation": "moved"}


def train_words(folder, data_dir, net, *more):
    words = ["train", "--dataset=synthetic", "--batch-size=50", "--threads=1", "--device=cpu"]
    return [*words, f"--net={net}", f"--data-dir={data_dir}", f"--run-dir={folder}", *more]


@pytest.fixture
def own(tmp_path):
    """Two files, one with a net and one with functions, and the flags for them."""
    net, mine = tmp_path / "own.py", tmp_path / "mine.py"
    net.write_text(NET)
    mine.write_text(OWN)
    words = [f"--{field}={mine}:{name}" for field, name in FUNCTIONS.items()]
    return net, mine, [f"{net}:build", *words, "--lr=0.002", "--clip=1", "--epochs=3"]


@pytest.mark.parametrize("function", ["build", "seeded_by_torch", "drawn_at_import"])
def test_the_seed_decides_the_weights(own, function, global_generator_untouched):
    with global_generator_untouched():
        one, same, other = (
            user_files.build(f"{own[0]}:{function}", generator=streams.generator(seed, "weights"))
            for seed in (1, 1, 2)
        )
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs if (a != 1).any())  # a scale begins as 1


def chain(layers, begin=""):
    return f"{USUAL}{begin}def build(): return nn.Sequential({layers}, nn.LogSoftmax())\n"


def layer(forward, made="pass"):
    """A file whose net has a layer of its own, which does this in `forward`, on line 8."""
    own = f"class Own(nn.Module):\n    def __init__(self):\n        {made}\n"
    own += f"    def forward(self, input):\n        {forward}\n        return input\n"
    return chain("nn.Flatten(), Own(), nn.Linear(784, 10)", own)


USUAL = "import sys, torch\nfrom tinytrain import nn\n"
LINEAR = "nn.Flatten(), nn.Linear(784, 10)"
WRONG = {
    "no file": ("", "nowhere.py cannot be read", "nowhere.py:build"),
    "no function named": ("", "FILE.py:FUNCTION", "own.py"),
    "no such function": ("", "no function build"),
    "no program": ("def build(:", "own.py, line 1: not a Python program"),
    "no Module": ("def build(): return 3", "found builtins.int"),
    "torch's own": (f"{USUAL}def build(): return torch.nn.Linear(3, 3)", "does not suit the net"),
    "layers of torch's": (
        layer("pass", "self.inner = torch.nn.Linear(3, 3)"),
        "1.inner: weights in a Linear are not found",
    ),
    "a net": (f"{USUAL}build = torch.nn.Linear(3, 3)", "expected a function that returns a net"),
    "needs more": ("def build(width): ...", "give it a default"),
    "a wrong width": (chain("nn.Flatten(), nn.Linear(784, 7)"), "outputs (N, 10)"),
    "float64": (chain(f"{LINEAR}.to(torch.float64)"), "1 (Linear)"),
    "a module in itself": (layer("pass", "self.me = self"), "holds itself"),
    "no import": ("import nothing_of_that_name", "nothing_of_that_name"),
    "an import fails": ("raise ValueError(1)", "own.py: ValueError: 1 (line 1, in <module>)"),
    "a builder fails": ("def build(): 1 / 0", "own.py: ZeroDivisionError: "),
    "a forward fails": (layer("raise ValueError(1)"), "(line 7, in forward)"),
    "a forward without end": (layer("self(input)"), "(line 7, in forward; "),
    "an import exits": (f"{USUAL}sys.exit(0)", "own.py: SystemExit: 0 (line 3, in <module>)"),
    "a builder exits": ("def build(): exit(0)", "own.py: SystemExit: 0 (line 1, in build)"),
    "a forward exits": (layer("sys.exit(0)"), "own.py: SystemExit: 0 (line 7, in forward)"),
    "a batch in parts": (
        layer("input = input - input.mean(0) if self.training else input"),
        "1 (Own): its output or buffers depend on the images together",
        "own.py:build",
        "--shards=2",
    ),
    "no Exception": ("class E(BaseException): ...\ndef build(): raise E", "(line 2, in build)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_net_file_that_is_wrong(wrong, tmp_path, monkeypatch, fails, data_dir):
    source, message, *words = WRONG[wrong]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(source)
    assert message in fails(2, *train_words("run", data_dir, *(words or ["own.py:build"])))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        *(
            (layer(f"if self.training: {does}"), 2, "(line 7, in forward)")
            for does in ("raise ValueError(1)", "sys.exit(0)")
        ),
        ("def build(): raise KeyboardInterrupt", 130, "interrupted"),
    ],
)
def test_a_net_that_fails_in_training_or_is_interrupted(
    source, status, said, tmp_path, fails, data_dir
):
    (tmp_path / "own.py").write_text(source)
    words = train_words(tmp_path / "run", data_dir, f"{tmp_path}/own.py:build")
    assert said in fails(status, *words)


def test_the_summary_of_a_net_for_other_images(tmp_path, printed, fails):
    source = "from tinytrain import nn\ndef build(): return nn.Sequential(nn.Conv2d(3, 4, 3))\n"
    (tmp_path / "own.py").write_text(source)
    words = ["summary", "--net", f"{tmp_path}/own.py:build"]
    assert "--shape" in fails(2, *words) and "3x40x24" in fails(2, *words, "--shape=24x40")
    assert "Receptive fields, in pixels" in printed(*words, "--shape=3x24x40")


ALONE = """
from tinytrain import nn

def build():
    whole = nn.Conv2d(1, 10, 28), nn.BatchNorm2d(10)
    return nn.Sequential(*whole, nn.Flatten(), nn.LogSoftmax())
"""


def test_a_last_batch_of_one_is_refused_before_a_folder_is_made(tmp_path, data_dir, fails):
    (tmp_path / "alone.py").write_text(ALONE)
    net = f"{tmp_path}/alone.py:build"
    line = fails(2, *train_words(tmp_path / "run", data_dir, net, "--batch-size=57"))
    assert "--batch-size 57" in line and "1 (BatchNorm2d)" in line
    assert not (tmp_path / "run").exists()
    for size in 56, 58:
        words = train_words(tmp_path / f"run{size}", data_dir, net, f"--batch-size={size}")
        assert cli.main([*words, "--epochs=1"]) == 0


def test_a_run_with_files_of_ones_own_goes_on_as_it_began(
    own, tmp_path, data_dir, monkeypatch, fails
):
    def interrupted(*arguments):
        yield from itertools.islice(fit(*arguments), 12)  # in the second epoch
        raise KeyboardInterrupt

    *files, words = own
    fit, cut, run = train.loop.fit, tmp_path / "cut", tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(train.loop, "fit", interrupted)
        said = fails(130, *train_words(cut, data_dir, *words))
        assert f"--resume --run-dir {cut}" in said
    again = ["train", "--resume", f"--run-dir={cut}", f"--data-dir={data_dir}"]
    for path, flag in zip(files, ("--net", "--optimizer"), strict=True):
        text = path.read_text()
        path.write_text(text + "# changed\n")
        assert flag in fails(2, *again)
        path.write_text(text)
    assert cli.main(train_words(run, data_dir, *words)) == 0
    for path in files:
        path.unlink()
    assert cli.main(again) == 0
    found, expected = state_of(cut), state_of(run)
    for part in "net", "ema", "optimizer":
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    assert [epoch["lr"] for epoch in found["history"]] == [0.002, 0.001, 0.0005]
    learned = found["net"]
    assert learned["2.seen"] == 24 and learned["2.mean"].all() and (learned["2.scale"] != 1).all()

    evaluate = ["evaluate", f"--run-dir={cut}", f"--data-dir={data_dir}"]
    assert cli.main(evaluate) == 0
    for name in "net_file.py", "loss_file.py":
        text = (cut / name).read_text()
        (cut / name).write_text(text + "# changed\n")
        assert f"{name}: not the" in fails(3, *evaluate)
        (cut / name).unlink()
        assert f"{name}: the run's copy" in fails(3, *evaluate)
        (cut / name).write_text(text)


def test_own_layers_are_exported_as_weights_and_not_as_torchs(own, tmp_path, data_dir, fails):
    net = own[2][0]
    run = tmp_path / "run"
    assert cli.main(train_words(run, data_dir, net, "--epochs=1")) == 0
    assert cli.main(["export", f"--run-dir={run}"]) == 0
    exported = torch.load(run / "weights.pt", weights_only=True)
    user_files.build(net).load_state_dict(exported)
    line = fails(2, "export", "--format=torch", f"--run-dir={run}")
    assert "2 (Centred)" in line or "1 (Residual)" in line
    assert not (run / "net.py").exists() and not (run / "net.pt").exists()


@pytest.mark.parametrize(
    ("field", "name", "said"),
    [
        *((field, "nowhere", "no function nowhere") for field in FUNCTIONS),
        *((field, "number", "no function number") for field in FUNCTIONS),
        *((field, "fails", "ValueError") for field in FUNCTIONS),
        *((field, "none", "found None") for field in ("schedule", "loss", "augmentation")),
        *((field, "one", "expected one(") for field in ("optimizer", "loss", "augmentation")),
        ("optimizer", "none", "NoneType"),
        ("schedule", "one", "found 15"),
        ("augmentation", "smaller", "1, 28, 27)"),
    ],
)
def test_a_function_that_is_wrong(field, name, said, own, tmp_path, data_dir, fails):
    words = train_words(tmp_path / "run", data_dir, "net1", f"--{field}={own[1]}:{name}")
    assert said in fails(2, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "word",
    ["--loss=mse", "--loss=label-smoothing=x", "--loss=label-smoothing=1", "--schedule=cosinus"]
    + ["--optimizer=mine.py", "--augmentation=nowhere.py:f", "--clip=-1"],
)
def test_a_name_that_is_wrong(word, tmp_path, data_dir, fails):
    assert word[2:6] in fails(2, *train_words(tmp_path / "run", data_dir, "net1", word))
    assert not (tmp_path / "run").exists()


def test_an_own_optimizer_gets_no_momentum_that_it_would_not_see(own, tmp_path, data_dir, fails):
    words = train_words(tmp_path / "run", data_dir, *own[2], "--momentum=0.9")
    assert "--momentum 0" in fails(2, *words)


TAUGHT = """
import torch
from torch import nn, optim
from tinytrain import nn as own, optim as others
from torch.nn.functional import cross_entropy
def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))
def scores(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
def shares(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1))
class Counting(own.Module):
    buffer_names = ("seen",)
    def __init__(self):
        self.linear, self.seen, self.number = own.Linear(784, 10), torch.zeros(()), 1
    def count(self): pass
    def forward(self, input):
        self.count()
        return (self.linear(input.flatten(1)) * self.number).log_softmax(1)
class InPython(Counting):
    def count(self): self.number += self.training
class Replaced(Counting):
    def count(self): self.seen = self.seen + 1
nll, added = nn.NLLLoss(), nn.NLLLoss(reduction="sum")
nine = nn.NLLLoss(torch.ones(9))
count = []
def counted(outputs, labels):
    count.append(1)
    return cross_entropy(outputs, labels) * len(count)
def emptied(outputs, labels): return cross_entropy(outputs, labels.zero_())
def moved(outputs, labels): return cross_entropy(outputs.sub_(1), labels)
def half(outputs, labels): return cross_entropy(outputs, labels).half()
def squares(outputs, labels): return (outputs - nn.functional.one_hot(labels, 10)).square().mean()
class Made(nn.Module): pass
class Step(others.Optimizer):
    number = 0
    def step(self):
        self.number += 1
        for param in self.params:
            param.data -= self.change(param.grad)
class Slower(Step):
    def change(self, gradient): return self.lr / self.number * gradient
class Noisy(Step):
    def change(self, gradient): return self.lr * torch.randn_like(gradient)
class Odd(optim.SGD):
    def step(self, closure=None):
        super().step()
        for param in self.param_groups[0]["params"]: self.state[param]["odd"] = object()
def noise(images, generator): return images + torch.rand(images.shape)
def unit(images, generator): return images / 255
def double(images, generator): return images.double()
def array(images, generator): return images.numpy()
class Plateau:
    factor = 1.0
    def __init__(self, epochs): pass
    def __call__(self, epochs): return self.factor
    def see(self, history):
        if len(history) > 1 and history[-1].train_loss >= history[-2].train_loss: self.factor /= 2
def rising(epochs): return lambda epochs: -1.0
def lost(epochs): return lambda epochs: float("nan")
"""


@pytest.mark.parametrize(
    ("said", "net", "words"),
    [
        ("end it with log_softmax", "scores", "--loss=nll"),
        ("expected their mean", "net", "--loss=added"),
        ("all 10 classes", "net", "--loss=nine"),
        ("__init__()", "net", "--loss=Made"),
        ("other steps", "net", "--loss=counted"),
        ("labels that it is given", "net", "--loss=emptied"),
        ("outputs or the", "net", "--loss=moved"),
        ("float16", "net", "--loss=half"),
        ("gives probabilities", "shares", "--loss=squares"),
        ("--tta 5", "scores", "--loss=squares --tta=5"),
        ("other steps", "InPython", ""),
        ("take --ema 0", "Replaced", "--ema=0.9"),
        ("other steps", "net", "--optimizer=Slower"),
        ("other steps", "net", "--optimizer=Noisy"),
        ("cannot hold its state", "net", "--optimizer=Odd"),
        ("other steps", "net", "--augmentation=noise"),
        ("found 0 to 1", "net", "--augmentation=unit"),
        ("found torch.float64", "net", "--augmentation=double"),
        ("found ndarray", "net", "--augmentation=array"),
        ("one by one", "net", "--schedule=Plateau"),
        ("found -1.0", "net", "--schedule=rising"),
        ("found nan", "net", "--schedule=lost"),
    ],
)
def test_what_would_go_wrong_without_a_word(said, net, words, tmp_path, data_dir, fails):
    file = tmp_path / "own.py"
    file.write_text(TAUGHT)
    own = [re.sub(r"=(\D)", rf"={file}:\1", word) for word in words.split()]
    line = fails(2, *train_words(tmp_path / "run", data_dir, f"{file}:{net}", *own))
    assert said in line and not (tmp_path / "run").exists()


def test_a_file_that_needs_another_beside_it_is_refused(tmp_path, data_dir, fails, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "below").mkdir()
    for place in "beside_own", "below/own":
        (tmp_path / f"{place}.py").write_text(TAUGHT)
    for line in "from beside_own import net", "import below.own as own; net = own.net":
        (tmp_path / "own.py").write_text(line)
        words = train_words(tmp_path / "run", data_dir, f"{tmp_path}/own.py:net")
        assert "own.py, of which a run keeps no copy" in fails(2, *words)
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("net", "words"), [("scores", "--loss=squares"), ("Replaced", ""), ("net", "--optimizer=Lion")]
)
def test_what_goes_well(net, words, tmp_path, data_dir):
    file = tmp_path / "own.py"
    file.write_text(TAUGHT + TORCHS)
    own = [re.sub(r"=(\D)", rf"={file}:\1", word) for word in words.split()]
    net = f"{file}:{net}"
    assert (
        cli.main(train_words(tmp_path / "run", data_dir, net, *own, "--epochs=1", "--ema=0")) == 0
    )


TORCHS = """
class Lion(optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.beta = 0.9
    def step(self, closure=None):
        for param in self.param_groups[0]["params"]:
            param.data -= self.beta * self.param_groups[0]["lr"] * param.grad.sign()
"""


GROUPS = """
from torch import nn, optim
def net():
    linear = nn.Linear(784, 10)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Flatten(), linear, nn.LogSoftmax(1))
def optimizer(params, lr):
    matrices = {"params": [param for param in params if param.ndim > 1], "weight_decay": 0.1}
    return optim.SGD([matrices, {"params": [param for param in params if param.ndim == 1]}], lr)
def schedule(epochs, optimizer): return optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 1)
"""


def test_an_optimizer_may_read_the_parameters_twice_and_a_scheduler_begin_below(
    tmp_path, data_dir
):
    file, run = tmp_path / "own.py", tmp_path / "run"
    file.write_text(GROUPS)
    own = [f"--{name}={file}:{name}" for name in ("optimizer", "schedule")]
    words = train_words(run, data_dir, f"{file}:net", *own, "--lr=1e-3", "--epochs=2")
    assert cli.main(words) == 0
    assert [epoch.lr for epoch in read_history(run)] == pytest.approx([1e-4, 1e-3])
    assert not torch.equal(state_of(run)["net"]["1.bias"], torch.zeros(10))


SCORES = """
from torch import nn
def build(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
loss = nn.CrossEntropyLoss()
"""


def test_a_net_of_torchs_may_end_in_scores(tmp_path, data_dir, capsys):
    file, run = tmp_path / "own.py", tmp_path / "run"
    file.write_text(SCORES)
    words = train_words(run, data_dir, f"{file}:build", f"--loss={file}:loss", "--epochs=1")
    assert cli.main(words) == 0
    [epoch], trained = read_history(run), load_run(run)
    capsys.readouterr()
    assert cli.main(["evaluate", f"--run-dir={run}", f"--data-dir={data_dir}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(epoch.test_loss)
    images = data.load("synthetic", data_dir).test.images
    classes, probabilities = trained.predict(images)
    assert torch.allclose(probabilities.sum(1), torch.tensor(1.0))
    assert torch.equal(probabilities.argmax(1), classes)
