"""What leaves tinytrain says what the run's net says: as numbers, as a program, as ONNX."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from collections import OrderedDict
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from run_files import state_of

from tinytrain import nets, nn
from tinytrain.cli.export import FILES, as_npz, as_program, source
from tinytrain.data import batches
from tinytrain.errors import UsageError
from tinytrain.recipes import Recipe
from tinytrain.results.trained_run import load_run
from tinytrain.runs.run_folder import Settings
from tinytrain.streams import generator
from tinytrain.train.evaluation import predict

NAMES = {"state-dict": ["weights.pt"], "npz": ["weights.npz"], "torch": ["net.py", "net.pt"]}


@pytest.fixture
def export(run, printed):
    """`export(*words)`: export the run; what is printed."""
    return partial(printed, "export", f"--run-dir={run}")


@pytest.fixture
def program(export, tmp_path):
    """The path of the program of the run's net."""
    export("--format=torch", "--output", tmp_path / "net.py")
    return tmp_path / "net.py"


def pixels(count, *shape):
    return torch.randint(256, (count, *shape), generator=generator(0, "pixels")).to(torch.uint8)


def test_by_default_the_weights_that_count_lie_in_the_folder_of_the_run(run, export):
    before = {path.name for path in run.iterdir()}
    for format in FILES:
        assert str(run / NAMES[format][0]) in export("--format", format)
    assert {path.name for path in run.iterdir()} - before == {*chain(*NAMES.values())}
    state = state_of(run)
    with np.load(run / "weights.npz", allow_pickle=False) as arrays:
        numbers = {name: torch.from_numpy(arrays[name]) for name in arrays}
    for found in torch.load(run / "weights.pt", weights_only=True), numbers:
        assert list(found) == list(state["net"])
        torch.testing.assert_close(dict(found), dict(state["ema"]["net"]), rtol=0, atol=0)


def test_the_ending_of_the_output_decides_the_form(export, tmp_path):
    for name in "w.npz", "net.py":
        export("--output", tmp_path / name)
    with np.load(tmp_path / "w.npz", allow_pickle=False) as arrays:
        assert arrays.files
    assert "def load" in (tmp_path / "net.py").read_text()


@pytest.mark.parametrize("words", [["w.onnx"], ["w.xyz"], ["w.pt", "--format=npz"]])
def test_an_ending_of_another_form_is_refused(words, run, tmp_path, fails):
    name, *more = words
    output = tmp_path / name
    assert str(output) in fails(2, "export", f"--run-dir={run}", f"--output={output}", *more)
    assert not output.exists()


def test_a_name_that_numpy_has_taken():
    net = nn.Module()
    net.file = torch.ones(2)
    with pytest.raises(UsageError, match="file"):
        as_npz(net)


def test_the_program_says_what_the_net_says(program, run, tiny):
    own, trained = runpy.run_path(str(program)), load_run(run)
    of_run, net, images = trained.settings, trained.net, tiny.test.images
    theirs = own["load"]()
    assert not theirs.training
    with torch.no_grad():
        found = theirs(own["normalise"](images))
        expected = predict(net, images, of_run.mean, of_run.std)
        torch.testing.assert_close(found.exp(), expected.exp(), rtol=0, atol=1e-6)
        exact = batches.normalise(images.double(), of_run.mean, of_run.std)
        found, expected = (each.to(torch.float64)(exact) for each in (theirs, net))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_program_needs_torch_alone_and_prints_its_shapes(program, capsys):
    imports = re.findall(r"^(?:import|from) (\w+)", program.read_text(), re.MULTILINE)
    assert {*imports} == {"torch", "collections", "pathlib"}
    capsys.readouterr()
    runpy.run_path(str(program), run_name="__main__")
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["input", "(1, 1, 28, 28)"]
    assert ["conv2", "(1, 31, 8, 8)"] in lines
    assert lines[-1] == ["log_softmax", "(1, 10)"]


@pytest.mark.parametrize(
    "upright, tta, said",
    [(True, 1, "were deskewed"), (False, 1, "not deskewed"), (False, 5, "over 5 views")],
)
def test_the_program_says_what_it_expects(upright, tta, said):
    odd, recipe = 'a\\b """c\n', Recipe(deskew=upright, tta=tta)
    of_run = Settings(recipe, odd, "digest", 0.125, 0.25, 0, 1, "cpu", 1)
    docstring = ast.get_docstring(ast.parse(as_program(nets.net1(), of_run, "own", Path(odd))))
    assert f'the run "{odd}"' in docstring and f'of "{odd}"' in docstring
    for expected in "(N, 1, 28, 28)", "0.1250", "0.2500", "(N, 10)", "own.pt", said:
        assert expected in docstring
    assert ("views" in docstring) == (tta > 1)


def agree(ours, images):
    """torch's net of the same source has the same keys, and gives the same numbers."""
    theirs = eval(source(ours), {"nn": torch.nn, "OrderedDict": OrderedDict})
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    found, expected = (net.eval().to(torch.float64)(images.double()) for net in (theirs, ours))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", nets.NETS)
def test_every_net_has_a_twin(name):
    agree(nets.build(name, generator=generator(0, "weights")), pixels(3, 1, 28, 28) / 255)


STAGES = st.recursive(
    st.sampled_from(["nn.ReLU()", "nn.Conv2d(2, 2, 3, padding=1)", "nn.GroupNorm(1, 2)"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab 1'\"\\é\n😀", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


def stage(described):
    if isinstance(described, str):
        return eval(described)
    if isinstance(described, list):
        return nn.Sequential(*map(stage, described))
    return nn.Sequential({name: stage(inner) for name, inner in described.items()})


@settings(max_examples=30)
@given(STAGES)
def test_stages_in_stages_under_any_names(described):
    agree(stage(described), torch.ones(2, 2, 3, 3))


def test_the_source_is_pleasant_to_read():
    conv = nn.Conv2d(1, 8, 3, padding=(1, 0), bias=False, generator=generator(0, "weights"))
    net = nn.Sequential({"conv1": nn.Sequential(conv, nn.MaxPool2d(2)), "drop": nn.Dropout(0.1)})
    assert (
        source(net)
        == """\
nn.Sequential(OrderedDict({
    "conv1": nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=(1, 0), bias=False),
        nn.MaxPool2d(2, stride=2),
    ),
    "drop": nn.Dropout(p=0.1),
}))"""
    )


def test_a_layer_of_ones_own_has_no_program():
    for name in "Own", "ReLU":
        own = type(name, (nn.ReLU,), {})()
        deep = {"flatten": nn.Flatten(), "deep": nn.Sequential(nn.ReLU(), own)}
        for net, place in (nn.Sequential(deep), r"deep\.1 \("), (own, ""):
            with pytest.raises(UsageError, match=f"^{place}{name}.*--format state-dict"):
                source(net)


@pytest.mark.parametrize("name", ["net.pt", "net", "my-net.py", "torch.py", "pathlib.py"])
def test_a_program_has_a_name_that_python_can_import(tmp_path, run, fails, name):
    error = fails(2, "export", f"--run-dir={run}", "--format=torch", "--output", tmp_path / name)
    assert name in error and "net.py" in error and not list(tmp_path.iterdir())


def test_onnx_says_what_the_net_says(tmp_path, program):
    for package in "onnx", "onnxscript", "onnxruntime":
        pytest.importorskip(package, reason="the extra `onnx` is not installed")
    docstring = ast.get_docstring(ast.parse(program.read_text()))
    call = docstring[docstring.index("torch.onnx.export") :]
    environment = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, "-c", f"from net import *; {call}"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    import onnxruntime

    own = runpy.run_path(str(program))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for count in 1, 5:
        images = own["normalise"](pixels(count, 1, 28, 28))
        (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        expected = own["load"]()(images).detach()
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-5)
