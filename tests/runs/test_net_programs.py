"""Drawn net files: each trains as a plain loop of torch does, or is refused in one line."""

import contextlib
import io
import json
import warnings
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import data, streams
from tinytrain.cli.main import main
from tinytrain.data import batches
from tinytrain.runs import user_file
from tinytrain.runs.torch_state import SETTINGS, value_of

PROGRAM = """\
import os, random, sys, warnings, numpy, torch
from tinytrain import nn
{top}
W = torch.ones(784, requires_grad=True)
SHARED = nn.Linear(784, 784)
class Odd(Exception):
    def __str__(self): raise ValueError("no text")
class Own(nn.Module):
    def __init__(self): {init}
    def forward(self, input):
        {forward}
        {value}
class Last(nn.Module):
    def forward(self, input): {output}
def frozen(net):
    [weight.requires_grad_(False) for weight in net.parameters()]
    return net
def build({arguments}):
    {builder}
    net = nn.Sequential(nn.Flatten(), {layers}, nn.Linear(784, 10), nn.LogSoftmax(), Last())
    return {returned}
{bottom}
"""
# By place; the first of them is there where nothing is drawn.
GOOD = {
    "top": "pass|print('x')|warnings.warn('x')|torch.rand(3)|import math",
    "init": "pass|self.same = SHARED|self.some = [torch.ones(2)]|self.training = True|"
    "self.other = torch.zeros(2, dtype=torch.float64, requires_grad=True)",
    "forward": "pass|print('x')|warnings.warn('x')|torch.rand(3)|torch.manual_seed(3)|"
    "self.seen = 1",
    "value": "return input|return input + torch.randn_like(input)|return input.clone().mul_(2)|"
    "return input.double().float()|return input.half().float()|"
    "return input / (0.1 + input.std(1, keepdim=True))|return input.mul_(2)|"
    "return input - (input.mean(0) if self.training else 0)",
    "output": "return input|return input.double()|return input.view(-1, 10)",
    "arguments": "|generator|dropout|*, generator, dropout=0|width=3|*a|**k|*a, generator, **k",
    "builder": "pass|print('x')|torch.rand(3)|torch.set_num_threads(2)|os.chdir('/')|"
    "torch.set_grad_enabled(False)|torch.use_deterministic_algorithms(True)|numpy.random.rand()|"
    "torch.backends.mkldnn.enabled = False|torch.set_float32_matmul_precision('medium')|"
    "torch.autocast('cpu').__enter__()|torch.backends.mkldnn.matmul.fp32_precision = 'bf16'|"
    "torch.set_flush_denormal(True)|torch.autograd.set_detect_anomaly(True)",
    "layers": "Own()|Own(), Own()|SHARED, nn.ReLU(), SHARED|nn.Dropout(0.2), Own()|nn.Identity()",
    "returned": "net|nn.Sequential(net)|net.eval()|torch.nn.Sequential(torch.nn.Flatten(), "
    "torch.nn.Linear(784, 10), torch.nn.LogSoftmax(1))",
    "bottom": "|import functools; build = functools.partial(build)|def other(): raise ValueError",
}
RAISE = (
    "raise ValueError(1)|raise StopIteration|raise SystemExit(0)|raise Odd|raise GeneratorExit|"
    "raise BrokenPipeError(32, 'x')|raise OSError(28, 'x')|raise MemoryError|sys.exit(0)|"
)
BAD = {
    "top": RAISE.replace("raise Odd|", "") + "def x(:|\0|return|import nowhere|"
    "\tx = 3|torch.set_default_dtype(torch.float64)|1 / 0",
    "init": "self.me = self|self.some = [nn.Linear(2, 2)]|self.file = open('/dev/null')|"
    "self.inner = torch.nn.Linear(2, 2)|self.lock = __import__('threading').Lock()|"
    "self.empty = torch.ones(2, device='meta')|self.module = sys",
    "forward": RAISE + "torch.set_num_threads(2)|torch.set_default_dtype(torch.bfloat16)|"
    "os.chdir('/')|torch.backends.mkldnn.enabled = False|if self.training: raise ValueError|"
    "if not self.training: raise ValueError|torch.set_grad_enabled(False)|self(input)",
    "value": "return None|return (input,)|return input.bfloat16()|return input * W|"
    "return input * float('nan')|return input - input.mean(0)|return input[:1]|"
    "return input.numpy()|return input.mean(0, keepdim=True)|return input.flip(0)|"
    "return input[:, :783]|yield input|"
    "return input * W.detach().clone().requires_grad_()|return input * numpy.random.rand()|"
    "return input + random.random()|return input if self.training else input.double()|"
    "return input if len(input) == 1 else input[1:]|return input.to('meta')|return input.long()|"
    "self.seen = input; return input",
    "output": "return input.detach()|return input.bfloat16()|return input.half()|"
    "return input.exp()|return input.T|return input.flatten()|return input[:, :9]|"
    "return input.argmax(1)|return {}|"
    "return input.detach().requires_grad_()|return input, input|return input[None]|"
    "return input if len(input) == 1 else input.detach()|"
    "return torch.full((len(input), 10), -2.3)|return input * float('nan')|"
    "return input if len(input) < 15 else input.detach()|"
    "return input.tolist()|return input[:1]|return input.data",
    "arguments": "width|generator, /|dropout=0, x=[], *, width",
    "builder": RAISE + "torch.seed()|torch.set_default_device('meta')|yield 3",
    "layers": "nn.Linear(784, 783)|Own(), nn.Linear(784, 784).to(torch.float64)|3|Own|"
    "nn.Linear(784, 784).to('meta')",
    "returned": "None|nn.Sequential|[net]|(net, 3)|nn.Sequential()|net.to(torch.bfloat16)|net[:2]|"
    "net.to(torch.float64)|net.forward|frozen(net)|net.to('meta')",
    "bottom": "build = 3|build = int|build = print|del build|build = build()|"
    "async def build(): return 3|build = type('X', (), {'__signature__': 3, '__call__': print})()",
}
GOOD, BAD = ({place: text.split("|") for place, text in parts.items()} for parts in (GOOD, BAD))
USUAL = {place: texts[0] for place, texts in GOOD.items()}


@pytest.fixture(scope="module")
def world(drawn_data, tmp_path_factory):
    """A folder to train in, and a set of 60 + 20 digits."""
    root, threads = drawn_data(60, 20), torch.get_num_threads()
    torch.set_num_threads(1)
    yield SimpleNamespace(folder=tmp_path_factory.mktemp("nets"), root=root)
    torch.set_num_threads(threads)


def torch_settings():
    return {name: value_of(get) for name, (get, _) in SETTINGS.items()}


def trained(world, parts):
    """The number of what `train` says on stderr, and its training loss, of a program of parts."""
    path, run = world.folder / "own.py", world.folder / f"run{len(list(world.folder.iterdir()))}"
    path.write_text(PROGRAM.format(**USUAL | parts))
    before, draws = torch_settings(), torch.get_rng_state()
    words = ["train", "--recipe=net1", "--epochs=1", "--batch-size=20", "--threads=1"]
    words += ["--dataset=synthetic", f"--data-dir={world.root}", f"--net={path}:build"]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        status = main([*words, "--device=cpu", f"--run-dir={run}"])
    assert torch_settings() == before and torch.equal(draws, torch.get_rng_state()), parts
    if status:
        [line] = said.getvalue().splitlines()
        assert status == 2 and line.startswith("tinytrain: ") and len(line) < 1200
        assert not run.exists()
        return None
    assert not said.getvalue()
    return json.loads((run / "history.jsonl").read_text())["train_loss"]


def of_torch(world):
    """The training loss of the program in the folder, by a plain loop with torch's optimizer."""
    digits = data.load("synthetic", world.root)
    net = user_file.build(
        f"{world.folder}/own.py:build", generator=streams.generator(1, "weights")
    )
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    optimizer, total = torch.optim.SGD(weights, 0.03, momentum=0.9), 0.0
    order = batches.shuffled(60, 20, streams.generator(1, "shuffle", 1))
    for step, rows in enumerate(order):
        images = (digits.train.images[rows] / 255 - digits.mean) / digits.std
        net.train().set_generator(streams.generator(1, "dropout", 1, step))
        with torch.random.fork_rng():
            torch.manual_seed(streams.generator(1, "torch", 1, step).initial_seed())
            loss = torch.nn.functional.nll_loss(net(images), digits.train.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss) / len(order)
    return total


def require_right(world, parts, bad):
    """Train by the program of these parts: as torch does, or, where one is `bad`, refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = trained(world, parts)
        assert (loss is None) == bad, parts
        if not bad:
            assert loss == pytest.approx(of_torch(world), rel=1e-4), parts


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("place", GOOD)
def test_each_part_alone(place, bad, world):
    for text in (BAD if bad else GOOD)[place]:
        require_right(world, {place: text}, bad)


@st.composite
def programs(draw):
    """Parts of a program, and whether one of them, which then counts, is bad."""
    optional = {place: st.sampled_from(GOOD[place]) for place in GOOD}
    parts = draw(st.fixed_dictionaries({}, optional=optional))
    if "manual_seed" in parts.get("forward", ""):
        parts.pop("value", None)  # with noise an image's answer would follow from its place
    place = draw(st.none() | st.sampled_from([*GOOD]))
    if place in ("init", "forward", "value"):
        parts["layers"] = "Own()"
    if place in ("init", "forward", "value", "layers", "output"):
        parts["returned"] = "net"
    return parts | ({place: draw(st.sampled_from(BAD[place]))} if place else {}), bool(place)


@given(programs())
@settings(max_examples=15)
def test_parts_together(world, program):
    require_right(world, *program)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of open files
@given(programs())
@settings(max_examples=5000, derandomize=False)
def test_thousands_of_programs(world, program):
    require_right(world, *program)
