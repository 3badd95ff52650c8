"""The command `predict --csv`: answers for many images; `evaluate --json`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import tinytrain
from tinytrain import data, streams
from tinytrain.cli.main import main
from tinytrain.errors import DataError
from tinytrain.store import idx, synthetic

LABELS = (torch.arange(12) % 10).tolist()
DIGITS = synthetic.digits(torch.tensor(LABELS), streams.generator(3, "digits"))[:, 0].numpy()
KAGGLE = [{"ImageId": str(i), "Label": str(label)} for i, label in enumerate(LABELS, 1)]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def answers(*words, status=0):
    """The lines of the CSV file that `predict` writes."""
    assert main(["predict", *words, "--csv", "new/answers.csv"]) == status
    with open("new/answers.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_pictures_to_a_csv_of_answers(capsys):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    for folder in ("photos/more", "photos/__MACOSX", "photos/.hidden"):
        Path(folder).mkdir(parents=True)
    for number, digit in enumerate(DIGITS[:6]):
        grey = image.fromarray(255 - digit.repeat(5, 0).repeat(5, 1))
        grey.save(f"photos/{'more/' * (number % 2)}{number}.PNG")
        grey.save(f"photos/__MACOSX/{number}.png")
    Path("photos/Thumbs.db").write_text("no picture")
    image.new("L", (8, 9), 200).save("photos/blank.jpg")
    lines = answers("photos")
    assert list(lines[0]) == ["file", "class", "probability"]
    names = [f"photos/{n}.PNG" for n in (0, 2, 4)] + [f"photos/more/{n}.PNG" for n in (1, 3, 5)]
    found = {line["file"]: line["class"] for line in lines}
    assert found.pop("photos/blank.jpg") == ""
    assert found == dict(zip(names, "024135", strict=True))
    assert "#" not in capsys.readouterr().out

    Path("photos/bad.png").write_text("no picture")
    assert len(answers("photos", "gone.png", status=3)) == 7
    errors = capsys.readouterr().err.splitlines()
    assert [error.split(": ")[1] for error in errors[:2]] == ["photos/bad.png", "gone.png"]
    assert main(["predict", "photos"]) == 3 and "@" not in capsys.readouterr().out


def test_only_what_is_hidden_or_of_a_system_is_passed_over():
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    Path("photos/_mine").mkdir(parents=True)
    image.fromarray(255 - DIGITS[0].repeat(5, 0).repeat(5, 1)).save("photos/_mine/_0.png")
    assert [line["file"] for line in answers("photos")] == ["photos/_mine/_0.png"]


def as_csv(header, *before):
    rows = np.column_stack([*before, DIGITS.reshape(12, 784)])
    lines = [",".join(map(str, row)) for row in rows]
    Path("test.csv").write_text("\n".join([header] * bool(header) + lines))
    return "test.csv"


PIXELS = ",".join(f"pixel{i}" for i in range(784))
TABLES = {
    "a header": (PIXELS,),
    "no header": ("",),
    "labels": (f"label,{PIXELS}", LABELS),
    "an index": (f"id,{PIXELS}", range(12)),
    "an index and labels": (f"ImageId,label,{PIXELS}", range(1, 13), LABELS),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_line_of_a_table_gets_an_answer(table):
    assert answers(as_csv(*TABLES[table]), "--columns", "ImageId,Label") == KAGGLE


def test_arrays_of_any_file():
    np.savez("x.npz", x_train=DIGITS[:2], x_test=DIGITS, y_test=LABELS)
    np.save("x.npy", DIGITS)
    idx.write("images.gz", DIGITS)
    for name in ("x.npz", "x.npy", "images.gz"):
        lines = answers(name)
        assert list(lines[0]) == ["row", "class", "probability"]
        assert [int(line["class"]) for line in lines] == LABELS
        assert [int(line["row"]) for line in lines] == [*range(12)]
    assert list(answers("x.npz", "x.npy")[23]) == ["file", "row", "class", "probability"]


def test_from_python_the_same():
    run = tinytrain.load_run()
    classes, probabilities = run.predict(DIGITS)
    assert classes.tolist() == LABELS and probabilities.shape == (12, 10)
    assert torch.allclose(probabilities.sum(1), torch.ones(12))
    larger = 255 - DIGITS.repeat(3, 1).repeat(3, 2)  # dark on light
    assert run.predict(torch.tensor(larger)).classes.tolist() == LABELS
    with pytest.raises(DataError, match="0.5"):
        run.predict(DIGITS / 2 + 0.5)


REFUSED = {
    "other pixels": (["few.csv"], 3, "few.csv"),
    "two arrays": (["two.npz"], 3, "two.npz"),
    "other numbers": (["int16"], 3, "int16"),
    "no pictures": (["empty"], 3, "empty"),
    "a column": (["x.npy", "--columns=Id"], 2, "--columns Id"),
    "with an index": (["x.npy", "--index=1"], 2, "--index"),
    "no run": (["x.npy", "--run-dir=nowhere"], 3, "nowhere"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_refused_with_nothing_written(how, fails):
    words, status, named = REFUSED[how]
    Path("few.csv").write_text("a,b\n1,2\n")
    np.savez("two.npz", a=DIGITS, b=DIGITS)
    np.save("x.npy", DIGITS)
    idx.write("int16", np.zeros((2, 3, 3), np.int16))
    Path("empty").mkdir()
    assert named in fails(status, "predict", *words, "--csv", "answers.csv")
    assert not Path("answers.csv").exists()


def test_columns_need_a_file(fails):
    assert "--columns" in fails(2, "predict", "x.npy", "--columns", "row")


def test_evaluation_as_json(run, data_dir, capsys):
    assert main(["evaluate", f"--run-dir={run}", "--data-dir", data_dir, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    history = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    assert result["loss"] == pytest.approx(history["test_loss"], rel=1e-5)
    assert (result["right"], result["total"]) == (history["test_correct"], 50)
    table = np.array(result["confusion"])
    assert [one["right"] for one in result["classes"]] == table.diagonal().tolist()
    true = data.load("synthetic", data_dir).test.labels.bincount().tolist()
    assert [one["total"] for one in result["classes"]] == table.sum(1).tolist() == true
