"""The example is the recipe of `train`, written out; the others are short, and run."""

import importlib.util
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain import data, nets, streams, train
from tinytrain.cli.main import main
from tinytrain.errors import UsageError
from tinytrain.recipes import RECIPES, build
from tinytrain.results.trained_run import load_run
from tinytrain.runs.run_folder import read_history
from tinytrain.store import synthetic
from tinytrain.train import loop

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "final_net.py"


def load(name="final_net"):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example


def status(monkeypatch, *words):
    """The exit status of the example as a program."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return end.value.code


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


def test_a_net_without_its_last_layer_is_refused(tiny, monkeypatch):
    example = load()
    whole = example.build_net
    monkeypatch.setattr(example, "build_net", lambda seed: whole(seed)[:-1])
    with pytest.raises(UsageError, match="LogSoftmax"):
        next(example.train_and_test(tiny))


def test_help(capsys, monkeypatch):
    assert status(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--seed", "--epochs", "--batch-size", "--lr"))


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--batch-size", "many"], ["--rate", "1"]])
def test_a_wrong_flag_ends_with_2_and_is_named(words, capsys, monkeypatch):
    assert status(monkeypatch, *words) == 2
    assert words[0] in capsys.readouterr().err


def test_a_mistake_is_one_line_and_no_data_is_exit_3(tmp_path, capsys, monkeypatch):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"damaged")
    monkeypatch.setenv("TINYTRAIN_DATA", str(tmp_path))
    assert status(monkeypatch) == 3
    errors = capsys.readouterr().err
    assert errors.startswith("tinytrain: ") and errors.count("\n") == 1


@pytest.mark.parametrize("name", ["own_layer", "own_augmentation", "own_optimizer", "own_loop"])
def test_an_example_on_images_of_digits(name, tiny, capsys):
    load(name).main(tiny, epochs=1)
    assert "/40 (" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "enough"), [("own_data", 90), ("colour_images", 80)])
def test_an_example_that_draws_its_images(name, enough, capsys):
    load(name).main(count=1000, epochs=10)
    assert float(re.findall(r"([\d.]+) %", capsys.readouterr().out)[-1]) > enough


def test_pictures_in_a_folder_get_answers(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    digits = synthetic.digits(torch.tensor([3, 7]), streams.generator(3, "digits"))[:, 0]
    for name, digit in zip("ab", digits.numpy(), strict=True):
        image.fromarray(255 - digit.repeat(5, 0).repeat(5, 1)).save(tmp_path / f"{name}.png")
    load("own_pictures").main(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["a.png", "3"], ["b.png", "7"]]


def test_a_changed_recipe_is_compared_with_the_plain_one(
    tmp_path, data_dir, in_one_process, capsys
):
    words = ["--dataset=synthetic", f"--data-dir={data_dir}", "--net=net1", "--epochs=1"]
    recipe = load("own_recipe")
    assert recipe.main(tmp_path / "not", *words, "--seeds=1,1,many") == 2  # and goes no further
    assert not (tmp_path / "not").exists()
    assert recipe.main(tmp_path, *words, "--seeds=1,2", "--batch-size=50") == 0
    printed = capsys.readouterr().out
    assert "label-smoothing=0.1" in printed and "cosine" in printed and "2 seeds" in printed
    assert len(list(tmp_path.glob("*/seed-*/run.json"))) == 4


def test_things_of_torchs_own_are_trained_resumed_and_kept(tmp_path, data_dir, monkeypatch):
    words = ["--dataset=synthetic", f"--data-dir={data_dir}", "--device=cpu", "--threads=1"]
    monkeypatch.setattr(sys, "argv", ["torch_net.py", *words])

    def run(place):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        runpy.run_path(str(EXAMPLES / "torch_net.py"), run_name="__main__")
        return [replace(epoch, seconds=0) for epoch in read_history(Path("runs/torch-net"))]

    def stop_in_the_third_epoch(training, dataset, compute):
        for event in fit(training, dataset, compute):
            if (event.epoch, getattr(event, "batch", 0)) == (3, 2):
                raise KeyboardInterrupt
            yield event

    fit = loop.fit
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(loop, "fit", stop_in_the_third_epoch)
        run("again")
    assert ended.value.code == 130
    assert run("again") == run("whole") == run("whole")


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        short = path.stem.startswith("own_") or path.stem in ("colour_images", "torch_net")
        assert len(path.read_text().splitlines()) <= (35 if short else 400), path.name


def test_lion_takes_the_steps_of_its_paper():
    param = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    optimizer = load("own_optimizer").Lion([param], lr=0.1, betas=(0.9, 0.99))
    expected, momentum = param.clone(), torch.zeros(3, dtype=torch.float64)
    for step in range(1, 9):
        param.grad = torch.sin(step * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
        expected -= 0.1 * torch.sign(0.9 * momentum + 0.1 * param.grad)
        momentum = 0.99 * momentum + 0.01 * param.grad
        optimizer.step()
        assert torch.allclose(param, expected, rtol=0, atol=1e-12)


def test_erasing_leaves_the_rest_as_it_is():
    example = load("own_augmentation")
    example.MOVES = lambda images, generator: images
    images = torch.ones(20, 1, 28, 28)
    erased = example.moved_and_erased(images, streams.generator(1, "test")) == 0
    assert torch.equal(erased.sum((1, 2, 3)), torch.full((20,), 36))
    assert len(erased.flatten(1).int().argmax(1).unique()) > 10


@given(st.floats(0, 1), st.floats(0.5, 10), st.integers(0, 9))
def test_soft_targets_have_the_gradient_of_torchs_losses(weight, temperature, seed):
    generator = streams.generator(seed, "test")
    scores = torch.randn(3, 5, 4, dtype=torch.float64, generator=generator)
    labels, oracle = torch.tensor([0, 1, 2, 3, 0]), torch.nn.functional
    teachers = [lambda images: images[0], lambda images: images[1]]
    taught = load("soft_targets").Taught(teachers, weight, temperature)
    plain = SimpleNamespace(loss=oracle.nll_loss)
    output = scores[2].log_softmax(1).requires_grad_()
    soft = (scores[:2] / temperature).softmax(2).mean(0)
    student = (output / temperature).log_softmax(1)
    kl = temperature**2 * oracle.kl_div(student, soft, reduction="batchmean")
    expected = (1 - weight) * oracle.nll_loss(output, labels) + weight * kl
    torch.testing.assert_close(
        torch.autograd.grad(taught.loss(plain, scores, output, labels), output),
        torch.autograd.grad(expected, output),
    )


def test_a_net_is_taught_by_runs_on_the_same_images(tmp_path, data_dir, monkeypatch, capsys):
    monkeypatch.setenv("TINYTRAIN_DATA", data_dir)
    words = ["--dataset=synthetic", "--net=net1", "--epochs=1", "--device=cpu"]
    for name, more in {"a": [], "b": ["--seed=2"], "other": ["--fold=1/5"]}.items():
        assert main(["train", f"--run-dir={tmp_path / name}", *words, *more]) in (0, 1)
    program = load("soft_targets")
    brief = replace(RECIPES["dense"], epochs=1, batch_size=20)
    monkeypatch.setitem(RECIPES, "brief", brief)

    def taught(weight, *words):
        monkeypatch.setattr(sys, "argv", ["soft_targets.py", f"--weight={weight}", *words])
        program.main()
        return torch.load(Path(words[-1]) / "weights.pt", weights_only=True)

    teachers = str(tmp_path / "a"), str(tmp_path / "b")
    assert not any(module.training for module in load_run(teachers[0]).net.modules())
    words = *teachers, "--recipe=brief", "--output"
    out, other = str(tmp_path / "out"), str(tmp_path / "other-out")
    labels_alone, soft = taught(0, *words, out), taught(1, *words, other)
    with pytest.raises(UsageError, match="--output .*out: "):
        taught(0, *words, out)
    assert len((tmp_path / "out" / "history.jsonl").read_text().splitlines()) == 1
    plain = build.start(brief, 1)
    list(loop.fit(plain, data.load("synthetic")))
    torch.testing.assert_close(labels_alone, plain.ema.net.state_dict(), rtol=0, atol=0)
    assert not torch.equal(labels_alone["conv1.0.weight"], soft["conv1.0.weight"])
    with pytest.raises(UsageError, match="other: expected the same images"):
        taught(1, teachers[0], str(tmp_path / "other"))
    with pytest.raises(UsageError, match="a: expected images as of below-1000, found not"):
        taught(1, teachers[0], "--recipe=below-1000")


def test_lion_is_saved_and_resumed(tiny):
    def training():
        net = nets.net9_3(generator=streams.generator(1, "weights"))
        return train.Training(net, load("own_optimizer").Lion(net.parameters(), 0.002), 2, 20)

    whole, half, resumed = training(), training(), training()
    list(loop.fit(whole, tiny))
    next(event for event in loop.fit(half, tiny) if half.batch == 1)
    resumed.load_state_dict(half.state_dict())
    list(loop.fit(resumed, tiny))
    assert all(map(torch.equal, whole.net.parameters(), resumed.net.parameters()))
