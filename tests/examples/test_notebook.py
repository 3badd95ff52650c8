"""The notebook: made of the example, and runs from its first cell to its last."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")
pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
EXAMPLES = Path(__file__).parents[2] / "examples"
FEW = """\
from tinytrain import streams
from tinytrain.store import synthetic
import torch
labels = torch.arange(300) % 10
images = synthetic.digits(labels, streams.generator(0, "notebook"))
dataset = data.from_arrays(images, labels, images[:100], labels[:100])"""


@pytest.fixture(scope="module")
def maker():
    """examples/make_notebook.py"""
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield importlib.import_module("make_notebook")
    finally:
        sys.path.remove(str(EXAMPLES))


def test_it_is_the_example(maker):
    kept = nbformat.read(EXAMPLES / "final_net.ipynb", 4)
    made = maker.notebook()
    assert [cell.source for cell in kept.cells] == [cell.source for cell in made.cells]
    example = (EXAMPLES / "final_net.py").read_text()
    functions = [cell.source for cell in made.cells if cell.source.startswith("def ")]
    assert len(functions) == 2 and all(function in example for function in functions)


def test_its_outputs_are_kept(maker):
    kept = nbformat.read(EXAMPLES / "final_net.ipynb", 4)
    said = str([cell.get("outputs") for cell in kept.cells])
    assert "Total params: 7,934" in said and "Verdict: the target is met" in said
    assert said.count("image/png") == 2 and "Traceback" not in said


def test_its_first_cell_finds_the_clone_without_an_installation(maker):
    """Without site packages nothing is installed; pip would fail there."""
    cell = next(cell for cell in maker.notebook().cells if cell.cell_type == "code")
    line = next(line for line in cell.source.splitlines() if "%pip" in line)
    program = cell.source.replace(line.strip(), "sys.exit('not found')")
    program += "\nimport tinytrain; print(tinytrain.__version__)"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], cwd=EXAMPLES, check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_it_runs(maker):
    made = maker.notebook()
    changed = {maker.LOAD: FEW, maker.CHOICE: "seed, epochs = 1, 1"}
    for cell in made.cells:
        cell.source = changed.pop(cell.source, cell.source)
    outputs = [str(cell.get("outputs")) for cell in maker.run(made).cells]
    assert not changed and "Epoch 1: train loss" in outputs[-2]
    assert [place for place, output in enumerate(outputs) if "image/png" in output] == [4, 13]
    shapes = next(output for output in outputs if "AdaptiveAvgPool2d" in output)
    sides = [int(side) for side in re.findall(r", (\d+), \1\)", shapes)]
    assert sides == [28, 26, 24, 24, 12, 10, 8, 8, 8, 1]
