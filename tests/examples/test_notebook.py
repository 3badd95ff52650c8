"""The notebook: made of the example, and runs from its first cell to its last."""

import importlib
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")
pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
EXAMPLES = Path(__file__).parents[2] / "examples"
FEW = """\
seed, epochs = 1, 1
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
    assert all(cell.source in example for cell in made.cells[2:4])


def test_its_outputs_are_kept(maker):
    kept = nbformat.read(EXAMPLES / "final_net.ipynb", 4)
    said = str([cell.get("outputs") for cell in kept.cells])
    assert "Total params: 7,934" in said and "Verdict: " in said and "image/png" in said
    assert "Traceback" not in said


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_it_runs(maker):
    made = maker.notebook()
    choice = next(cell for cell in made.cells if cell.source == maker.CHOICE)
    choice.source = FEW
    ran = maker.run(made)
    assert "Epoch 1: train loss" in str(ran.cells[-2].outputs)
    assert "image/png" in str(ran.cells[-1].outputs)
