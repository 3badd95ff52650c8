"""The example is the recipe of `train`, written out: it must lead to the same numbers."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tinytrain.recipes import RECIPES
from tinytrain.train import build, loop

EXAMPLE = Path(__file__).parent.parent / "examples" / "final_net.py"


def load():
    spec = importlib.util.spec_from_file_location("final_net", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example


def test_it_is_the_recipe_of_train(tiny):
    recipe = replace(RECIPES["final"], epochs=3, batch_size=20)
    training = build.start(recipe, seed=5)
    for _ in loop.fit(training, tiny):
        pass
    epochs = load().train_and_test(tiny, seed=5, epochs=3, batch_size=20)
    for ours, (loss, score) in zip(training.history, epochs, strict=True):
        assert loss == pytest.approx(ours.train_loss, rel=1e-4)
        assert score.loss == pytest.approx(ours.test_loss, rel=1e-4)


def test_its_default_is_the_whole_run():
    train = load().train_and_test
    names = train.__code__.co_varnames[1 : train.__code__.co_argcount]
    defaults = dict(zip(names, train.__defaults__, strict=True))
    recipe = RECIPES["final"]
    assert defaults == {
        "seed": 1,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
    }


def test_help():
    output = subprocess.run([sys.executable, EXAMPLE, "--help"], capture_output=True, text=True)
    assert output.returncode == 0 and "--seed" in output.stdout and "--epochs" in output.stdout


def test_a_mistake_is_one_line_and_no_data_is_exit_3(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"damaged")
    output = subprocess.run(
        [sys.executable, EXAMPLE],
        env=os.environ | {"TINYTRAIN_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert output.returncode == 3
    assert output.stderr.startswith("tinytrain: ") and output.stderr.count("\n") == 1
