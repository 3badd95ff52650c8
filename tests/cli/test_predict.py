"""The command `predict`: any picture, array or table gets answers, or one line says why not."""

import csv
import json
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from run_files import history

import tinytrain
from tinytrain import data, nn, streams
from tinytrain.cli import answers as answers_file
from tinytrain.cli import predict, resolve
from tinytrain.cli.main import main
from tinytrain.errors import DataError
from tinytrain.recipes import RECIPES
from tinytrain.results.trained_run import TrainedRun
from tinytrain.runs.settings import Settings
from tinytrain.store import idx, synthetic
from tinytrain.store.mnist_form import mnist_form, resized
from tinytrain.train import evaluation

LABELS = (torch.arange(20) % 10).tolist()
DIGITS = synthetic.digits(torch.tensor(LABELS), streams.generator(3, "digits"))[:, 0].numpy()
ROWS = DIGITS.reshape(20, 784)


@pytest.fixture(autouse=True)
def no_data(here, monkeypatch):
    monkeypatch.setenv("TINYTRAIN_DATA", str(here / "nowhere"))


def picture(name="digit.png", number=7, pixels=None):
    """A digit as a file: dark on light, 140 × 140."""
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pixels = 255 - DIGITS[number].repeat(5, 0).repeat(5, 1) if pixels is None else pixels
    image.fromarray(pixels).save(name)
    return name


def blank(name="blank.png"):
    return picture(name, pixels=np.full((8, 9), 200, np.uint8))


def images_file(name, array):
    idx.write(name, np.asarray(array))
    return name


def test_the_final_net_names_digits_without_data(printed):
    right = 0
    for number in range(20):
        lines = printed("predict", picture(number=number)).splitlines()
        right += lines[0].startswith(f"digit.png: {LABELS[number]} (")
        shares = [float(line.split("%")[-2].split()[-1]) for line in lines[1:11]]
        assert abs(sum(shares) - 100) < 0.1
    assert right >= 16


def test_the_text_shows_what_the_net_gets_and_the_most_probable_classes_first():
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 4:8, 10:20] = 255
    lines = predict.as_text(image)
    assert [len(line) for line in lines] == [28] * 14
    assert lines[2:4] == [" " * 10 + "@" * 10 + " " * 8] * 2 and not "".join(lines[4:]).strip()
    for shape, size in ((1, 8, 8), (8, 16)), ((3, 40, 24), (20, 24)), ((1, 1, 64), (1, 32)):
        lines = predict.as_text(torch.full(shape, 255, dtype=torch.uint8))
        assert lines == ["@" * size[1]] * size[0]
    lines = predict.class_lines(torch.tensor([0.25, 0.0, 0.75]), ["0", "1", "2"])
    rows = ["2", "75.00", "%", "#" * 15], ["0", "25.00", "%", "#" * 5], ["1", "0.00", "%"]
    assert [line.split() for line in lines] == [*rows]
    many = predict.class_lines(torch.ones(47) / 47, [*map(str, range(47))])
    assert len(many) == 11 and "37 classes" in many[-1]


def test_images_of_idx_files_which_need_no_pillow(printed, monkeypatch):
    digit = picture()
    one = images_file("one", 255 - DIGITS[4].repeat(3, 0).repeat(3, 1))  # dark on light
    text = printed("predict", one, digit, "--index", "0")
    assert text.startswith("one[0]: 4 (") and "\ndigit.png: 7 (" in text
    monkeypatch.setitem(sys.modules, "PIL", None)
    for name, array, row in ("some.gz", DIGITS, 3), ("rgb", DIGITS[:, None].repeat(3, 1), 19):
        text = printed("predict", images_file(name, array), "--index", row)
        assert text.startswith(f"{name}[{row}]: {LABELS[row]} (")


def test_a_picture_of_it(printed):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert "new/it.png" in printed("predict", picture(), "--output", "new/it.png")
    assert Path("new/it.png").read_bytes().startswith(b"\x89PNG")


def own_run(monkeypatch, shape, dataset="own", recipe=RECIPES["net7"]):
    """A run on images of that shape, whose net answers with the means of their quarters."""
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax())
    settings = Settings(recipe, dataset, "", 0.5, 0.5, 0, 1, "cpu", 1, image_shape=shape)
    monkeypatch.setattr(resolve, "read_run", lambda run_dir: TrainedRun(settings, net))
    return TrainedRun(settings, net)


def test_other_data_get_images_of_their_size(monkeypatch, printed):
    own_run(monkeypatch, (3, 1, 2))
    array = np.zeros((2, 3, 2, 4), np.uint8)
    array[1, 2, :, 2:] = 255  # the last channel, on the right: the last of six values
    some = images_file("some", array)
    assert printed("predict", some, "--index=1", "--run-dir=run").startswith("some[1]: 5 (")
    Path("own").mkdir()
    Path("own", "classes.txt").write_text("ant\nbee\ncat\ndog\nelk\nfox\n")
    grey = images_file("grey", np.array([[[0, 255]]], np.uint8))
    assert printed("predict", grey, "--run-dir=run").startswith("grey[0]: 1 bee (")


FORMED = [(1, 28, 28, "own"), (1, 28, 28, "mnist")]
RESIZED = [(1, 28, 28, "fashion-mnist"), (1, 32, 32, "own"), (3, 28, 28, "own")]


@pytest.mark.parametrize("case", FORMED + RESIZED)
def test_only_digits_like_mnist_are_formed(monkeypatch, case):
    *shape, dataset = case
    image = torch.zeros(shape[0], 60, 60).double()
    image[:, :10, :5] = 255
    expected = mnist_form(image[0])[None] if case in FORMED else resized(image, shape[1:])
    run = own_run(monkeypatch, tuple(shape), dataset)
    assert torch.equal(run.prepared("a", image), expected)


def test_a_row_of_the_nets_size_is_taken_as_it_is_and_a_picture_formed(monkeypatch):
    run, dark = own_run(monkeypatch, (1, 28, 28)), 255 - DIGITS[7]
    np.save("dark.npy", dark[None])
    formed = mnist_form(torch.tensor(dark).double())
    for name, expected in ("dark.npy", dark), (picture("dark.png", pixels=dark), formed):
        [source] = answers_file.sources_in(Path(name), run)
        found = answers_file.prepared(run, source)
        assert torch.equal(found[0], torch.as_tensor(expected))


def test_a_net_of_deskewed_digits_gets_them_deskewed(monkeypatch):
    run, inputs = own_run(monkeypatch, (1, 28, 28), recipe=RECIPES["upright"]), []

    def predict(net, images, *_, **__):
        inputs.append(images)
        return torch.zeros(3, 10)

    monkeypatch.setattr(evaluation, "predict", predict)
    slanted = torch.from_numpy(DIGITS[:3, None])
    for recipe in RECIPES["net7"], run.settings.recipe:
        TrainedRun(replace(run.settings, recipe=recipe), run.net).answers(slanted)
    assert torch.equal(inputs[0], slanted) and not torch.equal(inputs[1], slanted)


# The arguments, the exit status and what the error names.
REFUSED = [
    ("nothing.png", 3, "nothing.png"),
    ("text", 3, "text"),
    ("blank.png", 3, "blank.png: expected a digit, found 8×9 pixels"),
    ("labels", 3, "labels"),
    ("half", 3, "half"),
    ("none", 3, "none"),
    ("two", 3, "two[0]: expected 1 channels, as the net's data have, found 2"),
    ("images --index=20", 2, "--index 20"),
    ("images --index=-1", 2, "--index"),
    ("digit.png --index=0", 2, "--index"),
    ("digit.png text", 3, "text"),
    ("digit.png int16", 3, "int16"),
    ("digit.png --run-dir=nowhere", 3, "nowhere"),
    ("", 2, "IMAGE"),
    ("digit.png --output=a.nothing", 2, "a.nothing"),
    ("int16", 3, "int16 (2, 3, 3)"),
    ("int16 --csv=new", 3, "int16"),
    ("few.csv", 3, "few.csv, first line of 2 columns: expected 784 pixels"),
    ("two.npz --csv=new", 3, "two.npz"),
    ("twice.npz", 3, "a name for each array"),
    (".", 3, "."),
    (". --csv=new --run-dir=nowhere", 3, "nowhere"),
    ("empty --csv=new", 3, "empty"),
    ("rows.npy", 3, "rows of 784 pixels: (20, 784)"),
    ("comma.csv --csv=new", 3, "comma.csv, line 1, column 784"),
    ("./images --csv=images", 2, "--csv images: is among the images"),
    ("images --csv=new --columns=Id", 2, "--columns: expected"),
    ("images --csv=new --index=1", 2, "--index"),
    ("images --columns row", 2, "--columns"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("words", "status", "named"), REFUSED)
def test_refused_in_one_line_with_nothing_written(words, status, named, fails):
    if "--output" in words:
        pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    if ".png" in words:
        picture()
        blank()
    Path("empty").mkdir()
    Path("text").write_text("a word")
    images_file("images", DIGITS)
    images_file("labels", np.array(LABELS, np.uint8))
    images_file("int16", np.zeros((2, 3, 3), np.int16))
    images_file("none", np.zeros((0, 28, 28), np.uint8))
    images_file("two", np.zeros((1, 2, 28, 28), np.uint8))
    Path("half").write_bytes(Path("images").read_bytes()[:-1])
    Path("few.csv").write_text("a,b\n1,2\n")
    np.savez("two.npz", a=DIGITS, b=DIGITS)
    with zipfile.ZipFile("twice.npz", "w") as archive:
        for _ in range(2):
            archive.writestr("x.npy", b"")
    np.save("rows.npy", ROWS)
    Path("comma.csv").write_text("".join(",".join(map(str, row)) + ",\n" for row in ROWS))
    assert named in fails(status, "predict", *words.split())
    assert not Path("new").exists()


def answers(*words, status=0):
    """The lines of the CSV file that `predict` writes."""
    assert main(["predict", *words, "--csv", "new/answers.csv"]) == status
    with open("new/answers.csv", newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_pictures_and_those_that_cannot_be_read_beside_the_others(capsys):
    for number in range(6):
        picture(f"photos/{'_more/' * (number % 2)}_{number}.PNG", number)
        picture(f"photos/__MACOSX/{number}.png", number)
        picture(f"photos/.hidden/{number}.png", number)
    for name in "Thumbs.db", "notes.txt":
        Path("photos", name).write_text("no picture")
    blank("photos/blank.jpg")
    lines = answers("photos")
    assert list(lines[0]) == ["file", "class", "probability"]
    found = {line["file"]: line["class"] for line in lines}
    assert found.pop("photos/blank.jpg") == ""
    printed = capsys.readouterr().out
    assert "#" not in printed and "left out that are no pictures: 1" in printed
    names = [f"photos/_{n}.PNG" for n in (0, 2, 4)] + [f"photos/_more/_{n}.PNG" for n in (1, 3, 5)]
    assert found == dict(zip(names, "024135", strict=True))

    Path("photos/blank.jpg").rename(name := os.fsdecode(b"photos/\xff.png"))
    assert name in [line["file"] for line in answers("photos")]
    Path(name).rename("photos/blank.jpg")
    Path("photos/notes.txt").rename("photos/bad.png")

    def named():
        return [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]

    named()
    assert len(answers("photos", "gone.png", status=3)) == 7
    assert named() == ["photos/bad.png", "gone.png"]
    assert main(["predict", "photos"]) == 3
    assert named() == ["photos/bad.png", "photos/blank.jpg"]


PIXELS = ",".join(f"pixel{i}" for i in range(784))
TABLES = {
    "a header": (PIXELS,),
    "no header": ("",),
    "labels": (f"label,{PIXELS}", LABELS),
    "an index": (f"id,{PIXELS}", range(20)),
    "an index and labels": (f"ImageId,label,{PIXELS}", range(1, 21), LABELS),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_line_of_a_table_gets_an_answer(table, printed):
    header, *before = TABLES[table]
    lines = [header] * bool(header)
    lines += [",".join(map(str, row)) for row in np.column_stack([*before, ROWS])]
    Path("test.csv").write_text("\n".join(lines))
    kaggle = [{"ImageId": str(i), "Label": str(label)} for i, label in enumerate(LABELS, 1)]
    assert answers("test.csv", "--columns", "ImageId,Label") == kaggle
    shown = [line.split(" (")[0] for line in printed("predict", "test.csv").splitlines()]
    named = [f"test.csv[{row}]: {label}" for row, label in enumerate(LABELS)]
    assert shown == named  # so many are not drawn
    sources = answers_file.sources_in(Path("test.csv"), tinytrain.load_run())
    pixels = np.stack([source.read()[0].numpy() for source in sources])
    assert (pixels == DIGITS).all()


def test_arrays_of_any_file_and_from_python_the_same():
    np.savez("x.npz", x_train=DIGITS[:2], x_test=DIGITS, y_test=LABELS)
    np.save("x.npy", DIGITS)
    for name in "x.npz", "x.npy", images_file("images.gz", DIGITS):
        lines = answers(name)
        assert list(lines[0]) == ["row", "class", "probability"]
        assert [int(line["class"]) for line in lines] == LABELS
        assert [int(line["row"]) for line in lines] == [*range(20)]
    assert list(answers("x.npz", "x.npy")[39]) == ["file", "row", "class", "probability"]
    run = tinytrain.load_run()
    classes, probabilities = run.predict(DIGITS)
    assert classes.tolist() == LABELS and probabilities.shape == (20, 10)
    assert torch.allclose(probabilities.sum(1), torch.ones(20))
    larger = 255 - DIGITS.repeat(3, 1).repeat(3, 2)  # dark on light
    assert run.predict(torch.tensor(larger)).classes.tolist() == LABELS
    with pytest.raises(DataError, match="0.5"):
        run.predict(DIGITS / 2 + 0.5)


def test_evaluation_as_json(run, data_dir, printed):
    words = [f"--run-dir={run}", f"--data-dir={data_dir}", "--json"]
    result = json.loads(printed("evaluate", *words))
    last = history(run)[-1]
    assert result["loss"] == pytest.approx(last["test_loss"], rel=1e-5)
    assert (result["right"], result["total"]) == (last["test_correct"], 50)
    table = np.array(result["confusion"])
    assert [one["right"] for one in result["classes"]] == table.diagonal().tolist()
    true = data.load("synthetic", data_dir).test.labels.bincount().tolist()
    assert [one["total"] for one in result["classes"]] == table.sum(1).tolist() == true
