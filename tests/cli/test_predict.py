"""The command `predict`: any picture gets an answer, or one line says why not."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinytrain import nn, streams
from tinytrain.cli import predict
from tinytrain.cli.main import main
from tinytrain.results import trained_run
from tinytrain.results.trained_run import TrainedRun
from tinytrain.results.variations import RECIPES
from tinytrain.runs.settings import Settings
from tinytrain.store import idx, synthetic
from tinytrain.store.mnist_form import mnist_form, resized
from tinytrain.train import evaluation

LABELS = torch.arange(20) % 10
DIGITS = synthetic.digits(LABELS, streams.generator(3, "digits"))[:, 0]


@pytest.fixture(autouse=True)
def no_data(tmp_path, monkeypatch):
    """Neither data nor files in the folder that the tests are run in."""
    monkeypatch.setenv("TINYTRAIN_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)


def picture(number=7, name="digit.png"):
    """A digit as a file: dark on light, 140 × 140."""
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    grey = 255 - DIGITS[number].repeat_interleave(5, 0).repeat_interleave(5, 1).numpy()
    image.fromarray(grey).save(name)
    return name


def images_file(name, array):
    idx.write(name, np.asarray(array))
    return name


def test_the_final_net_names_digits_without_data(capsys):
    right = 0
    for number in range(20):
        assert main(["predict", picture(number)]) == 0
        lines = capsys.readouterr().out.splitlines()
        right += lines[0].startswith(f"digit.png: {LABELS[number]} (")
        shares = [float(line.split("%")[-2].split()[-1]) for line in lines[1:11]]
        assert abs(sum(shares) - 100) < 0.1
    assert right >= 16


def test_the_text_shows_what_the_net_gets():
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 4:8, 10:20] = 255
    lines = predict.as_text(image)
    assert [len(line) for line in lines] == [28] * 14
    assert [line.strip() for line in lines if line.strip()] == ["@" * 10] * 2
    assert lines.index(" " * 10 + "@" * 10 + " " * 8) == 2


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 8, 8), (8, 16)),
        ((3, 40, 24), (20, 24)),
        ((1, 300, 200), (24, 32)),
        ((1, 1, 64), (1, 32)),
    ],
)
def test_any_size_is_shown_small(shape, size):
    lines = predict.as_text(torch.full(shape, 255, dtype=torch.uint8))
    assert (len(lines), {*map(len, lines)}) == (size[0], {size[1]})
    assert {*"".join(lines)} == {"@"}


def test_the_most_probable_classes_come_first():
    lines = predict.class_lines(torch.tensor([0.25, 0.0, 0.75]), ["0", "1", "2"])
    assert [line.split() for line in lines] == [
        ["2", "75.00", "%", "#" * 15],
        ["0", "25.00", "%", "#" * 5],
        ["1", "0.00", "%"],
    ]
    many = predict.class_lines(torch.ones(47) / 47, [*map(str, range(47))])
    assert len(many) == 11 and "37 classes" in many[-1]


def test_images_of_idx_files(capsys):
    name = images_file("some.gz", DIGITS)
    assert main(["predict", name, "--index", "3"]) == 0
    assert capsys.readouterr().out.startswith("some.gz[3]: 3 (")
    one = images_file("one", 255 - DIGITS[4])
    assert main(["predict", one, picture(), "--index", "0"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("one[0]: 4 (") and "\ndigit.png: 7 (" in text
    colour = images_file("colour", DIGITS[:, None].expand(-1, 3, -1, -1))
    assert main(["predict", colour, "--index", "19"]) == 0
    assert capsys.readouterr().out.startswith("colour[19]: 9 (")


def test_an_idx_file_needs_no_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["predict", images_file("some", DIGITS), "--index=1"]) == 0


def test_a_picture_of_it(capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert main(["predict", picture(), "--output", "new/it.png"]) == 0
    assert "new/it.png" in capsys.readouterr().out
    assert Path("new/it.png").read_bytes().startswith(b"\x89PNG")


def own_run(monkeypatch, shape, dataset="own", recipe=RECIPES["net7"]):
    """A run on images of that shape, whose net answers with the means of their quarters."""
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax())
    settings = Settings(recipe, dataset, "", 0.5, 0.5, 0, 1, "cpu", 1, image_shape=shape)
    monkeypatch.setattr(trained_run, "load_run", lambda run_dir: TrainedRun(settings, net))
    return Path("run")


def test_other_data_get_images_of_their_size(monkeypatch, capsys):
    run = own_run(monkeypatch, (3, 1, 2))
    array = np.zeros((2, 3, 2, 4), np.uint8)
    array[1, 2, :, 2:] = 255  # the last channel, on the right: the last of six values
    assert main(["predict", images_file("some", array), "--index=1", f"--run-dir={run}"]) == 0
    assert capsys.readouterr().out.startswith("some[1]: 5 (")
    Path("own").mkdir()
    Path("own", "classes.txt").write_text("ant\nbee\ncat\ndog\nelk\nfox\n")
    grey = images_file("grey", np.array([[[0, 255]]], np.uint8))
    assert main(["predict", grey, f"--run-dir={run}"]) == 0
    assert capsys.readouterr().out.startswith("grey[0]: 1 bee (")


@pytest.mark.parametrize(
    ("shape", "dataset", "formed"),
    [
        ((1, 28, 28), "own", True),
        ((1, 28, 28), "mnist", True),
        ((1, 28, 28), "fashion-mnist", False),
        ((1, 32, 32), "own", False),
        ((3, 28, 28), "own", False),
    ],
)
def test_only_digits_like_mnist_are_formed(monkeypatch, shape, dataset, formed):
    own_run(monkeypatch, shape, dataset)
    image = torch.zeros(shape[0], 60, 60).double()
    image[:, :10, :5] = 255
    expected = mnist_form(image[0])[None] if formed else resized(image, shape[1:])
    assert torch.equal(trained_run.load_run("run").prepared("a", image), expected)


def test_a_net_of_deskewed_digits_gets_them_deskewed(monkeypatch):
    own_run(monkeypatch, (1, 28, 28), recipe=RECIPES["upright"])
    run, inputs = trained_run.load_run("run"), []

    def predict(net, images, *_, **__):
        inputs.append(images)
        return torch.zeros(3, 10)

    monkeypatch.setattr(evaluation, "predict", predict)
    slanted = DIGITS[:3, None]
    for recipe in RECIPES["net7"], run.settings.recipe:
        TrainedRun(replace(run.settings, recipe=recipe), run.net).answers(slanted)
    assert torch.equal(inputs[0], slanted) and not torch.equal(inputs[1], slanted)


# The arguments, the exit status and what the error names.
REFUSED = {
    "no file": (["nothing.png"], 3, "nothing.png"),
    "a folder": (["."], 3, "."),
    "no picture": (["text"], 3, "text"),
    "no ink": (["blank.png"], 3, "blank.png: expected a digit, found 9×8 pixels"),
    "labels": (["labels"], 3, "labels"),
    "other numbers": (["int16"], 3, "int16 (2, 3, 3)"),
    "half a file": (["half"], 3, "half"),
    "no images": (["none"], 3, "none"),
    "two channels": (["two"], 3, "two[0]: expected 1 channels, as the net's data have, found 2"),
    "which of many": (["images"], 2, "images: holds 20 images; choose one with --index"),
    "an index too high": (["images", "--index=20"], 2, "--index 20: images has images 0 to 19"),
    "an index below": (["images", "--index=-1"], 2, "--index"),
    "an index for a picture": (["digit.png", "--index=0"], 2, "--index"),
    "the second is wrong": (["digit.png", "text"], 3, "text"),
    "no run": (["digit.png", "--run-dir=nowhere"], 3, "nowhere"),
    "nothing at all": ([], 2, "IMAGE"),
    "an unknown format": (["digit.png", "--output=a.nothing"], 2, "a.nothing"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_refused_in_one_line(how, fails):
    words, status, named = REFUSED[how]
    if "--output=a.nothing" in words:
        pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    picture()
    Path("text").write_text("a word")
    image.new("L", (8, 9), 200).save("blank.png")
    images_file("images", DIGITS)
    images_file("labels", LABELS.numpy().astype(np.uint8))
    images_file("int16", np.zeros((2, 3, 3), np.int16))
    images_file("none", np.zeros((0, 28, 28), np.uint8))
    images_file("two", np.zeros((1, 2, 28, 28), np.uint8))
    Path("half").write_bytes(Path("images").read_bytes()[:-1])
    assert named in fails(status, "predict", *words)


def test_one_that_cannot_be_read_leaves_the_others_their_answers(fails, capsys):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    image.new("L", (8, 9), 200).save("blank.png")
    Path("text").write_text("a word")
    words = ["predict", "blank.png", picture(7), "text", picture(4, "four.png")]
    assert main(words) == 3
    output = capsys.readouterr()
    assert output.out.count("digit.png: 7 (") == output.out.count("four.png: 4 (") == 1
    errors = output.err.splitlines()
    assert [error.split(": ")[:2] for error in errors] == [
        ["tinytrain", "blank.png"],
        ["tinytrain", "text"],
    ]
