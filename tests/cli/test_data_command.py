"""Images in any form become the same IDX files, or one line says which of them cannot, and why."""

from __future__ import annotations

import gzip
import re
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from tinytrain import data
from tinytrain.cli.main import main
from tinytrain.store import idx, synthetic

WORDS = ["data", "convert", "--output", "out"]
PARTS = ["x_train", "y_train", "x_test", "y_test"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drawn(*shape, classes=3, train=7, test=4):
    """Training images and labels, test images and labels, every class in training."""
    chance = np.random.default_rng(0)
    arrays = []
    for count in train, test:
        arrays.append(chance.integers(0, 256, (count, *shape), np.uint8))
        arrays.append((np.arange(count) % classes).astype(np.uint8))
    return arrays


def csv(path, images, labels, header=(), label_last=False):
    rows = np.column_stack((labels, images.reshape(len(images), -1)))
    rows = np.roll(rows, -1, axis=1) if label_last else rows
    lines = [",".join(map(str, row)) for row in [*([header] if header else []), *rows]]
    Path(path).write_text("\n".join(lines) + "\n")


def pixels(count):
    return [f"pixel{number}" for number in range(count)]


def converted(*words, output="out"):
    """The data set that the command makes."""
    assert main(["data", "convert", *map(str, words), "--output", output]) == 0
    return data.load(f"./{output}")


@pytest.fixture
def refused(fails):
    """`refused(status, *words)`: as `fails`, and no file or folder is left behind."""

    def refused(status, *words):
        before = sorted(Path().rglob("*"))
        error = fails(status, *words)
        assert sorted(Path().rglob("*")) == before
        return error

    return refused


def as_npz(arrays, names=PARTS):
    np.savez("it.npz", **dict(zip(names, arrays, strict=True)))
    return ["it.npz"]


def as_npy(arrays):
    for name, array in zip(PARTS, arrays, strict=True):
        np.save(name, array)
    return sorted(f"{name}.npy" for name in PARTS)


def as_idx(arrays):
    names = [
        f"emnist-letters-{split}-{kind}-idx{rank}-ubyte.gz"
        for split in ("train", "test")
        for kind, rank in (("images", 3), ("labels", 1))
    ]
    for name, array in zip(names, arrays, strict=True):
        idx.write(name, array)
    return sorted(names)


def as_images(arrays):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for split, images, labels in ("train", *arrays[:2]), ("test", *arrays[2:]):
        for number, (picture, label) in enumerate(zip(images, labels, strict=True)):
            folder = Path("images", split, f"class {label}")
            folder.mkdir(parents=True, exist_ok=True)
            picture = picture if picture.ndim == 2 else np.moveaxis(picture, 0, 2)
            image.fromarray(picture).save(folder / f"{number:03}.png")
    return ["images"]


def as_csv(arrays):
    csv("some_train.csv", *arrays[:2])
    csv("some_test.csv", *arrays[2:], header=["label", *pixels(arrays[0][0].size)])
    return ["some_test.csv", "some_train.csv"]


FORMS = {"npz": as_npz, "npy": as_npy, "idx": as_idx, "images": as_images, "csv": as_csv}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (3, 8, 5)])
def test_every_form_gives_the_same_set(form, shape, capsys):
    arrays = drawn(*shape)
    if form == "images":  # they are read class by class
        rows = [np.argsort(labels, kind="stable") for labels in arrays[1::2]]
        arrays = [array[rows[number // 2]] for number, array in enumerate(arrays)]
    if form == "csv" and len(shape) == 3:
        return
    size = ["--size", "4x9"] if form == "csv" and shape == (4, 9) else []
    dataset = converted(*FORMS[form](arrays), *size)
    assert dataset.digest == data.from_arrays(*arrays).digest
    assert f"{7} training and {4} test images of 3 classes" in capsys.readouterr().out
    names = {"images": ["class 0", "class 1", "class 2"]}.get(form)
    assert Path("out/classes.txt").exists() == (form == "images")
    assert names is None or Path("out/classes.txt").read_text().split("\n")[:-1] == names


@pytest.mark.parametrize(
    "names",
    [
        ["train_images", "train_labels", "test_images", "test_labels"],
        ["X_train", "Y_train", "X_test", "Y_test"],
        ["a-img-training", "a-target-training", "a-img-t10k", "a-target-t10k"],
    ],
)
def test_arrays_as_others_publish_them(names, capsys):
    """Channels last, labels (N, 1), a validation set, numbers of any type: MedMNIST, Keras."""
    arrays = drawn(8, 5, 3)
    expected = [np.moveaxis(array, 3, 1) if array.ndim == 4 else array for array in arrays]
    arrays = [array if array.ndim > 1 else array[:, None].astype(float) for array in arrays]
    more = {"val_images": arrays[0], "val_labels": arrays[1], "about": np.array(None, object)}
    np.savez("it.npz", **dict(zip(names, arrays, strict=True)), **more)
    assert converted("it.npz").digest == data.from_arrays(*expected).digest
    said = "Left out: it.npz: val_images, it.npz: val_labels, it.npz: about\n"
    assert said in capsys.readouterr().out


def test_narrow_colour_is_not_taken_for_channels():
    arrays = drawn(3, 8, 3)
    assert converted(*as_npz(arrays)).digest == data.from_arrays(*arrays).digest


def test_transposed_as_emnist():
    arrays = drawn(4, 6)
    dataset = converted(*as_idx(arrays), "--transpose")
    assert (dataset.train.images[:, 0].numpy() == arrays[0].transpose(0, 2, 1)).all()


def test_csv_of_other_programs():
    """The label last; quotes, empty lines and a mark of the byte order as others write them."""
    arrays = drawn(3, 3)
    csv("train.csv", *arrays[:2], [*pixels(9), "Class"], label_last=True)
    csv("test.csv", *arrays[2:])
    for path in Path("train.csv"), Path("test.csv"):
        lines = path.read_text().replace(",", '","').split()
        quoted = "".join(f'"{line}"\r\n\r\n' for line in lines)
        path.write_bytes(b"\xef\xbb\xbf" + quoted.encode())
    assert converted("train.csv", "test.csv").digest == data.from_arrays(*arrays).digest


def test_flags_say_what_names_and_numbers_do_not(picture):
    arrays = drawn(3, 3)
    for name, images, labels in ("train", *arrays[:2]), ("test", *arrays[2:]):
        numbered = np.column_stack((np.arange(len(images)), images.reshape(-1, 9)))
        csv(f"{name}.csv", numbered, labels, [*range(11)], label_last=True)
    words = ["--header", "yes", "--label-column", "-1", "--drop-columns", "0"]
    dataset = converted("train.csv", "test.csv", *words)
    assert dataset.digest == data.from_arrays(*arrays).digest
    for part in "train", "test":
        for name in "a", "b":
            picture(f"in/{part}/{name}/0.png", transparency=7)
    flat = converted("in", "--flatten", "white", output="flat").train.images[0].flatten().tolist()
    assert flat == [255 if value == 7 else value for value in range(24)]


def test_one_split_and_a_share():
    images, labels, *_ = drawn(5, 5, classes=2, train=10)
    np.savez("it.npz", images=images, labels=labels)
    dataset = converted("it.npz", "--test-share", "0.2")
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    assert sorted(dataset.test.labels.tolist()) == [0, 1]
    np.savez("flat.npz", x=images.reshape(10, 25), y=labels)
    assert converted("flat.npz", "--test-share", "0.2", output="flat").digest == dataset.digest


@pytest.fixture
def picture():
    """A function that saves an image file, grey of 6 × 4 unless it is told otherwise."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def save(path, mode="L", size=(6, 4), form=None, **more):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        ramp = image.fromarray(np.arange(width * height, dtype=np.uint8).reshape(height, width))
        ramp.convert(mode).save(path, form, **more)
        return path

    return save


def test_classes_are_in_order_and_hidden_files_are_not_images(picture, capsys):
    for name in "10", "9", "2":
        for number in range(int(name)):
            picture(f"in/{name}/{number}.PNG")
        Path(f"in/{name}/.DS_Store").write_bytes(b"of a Mac")
    Path("in/.git").mkdir()
    Path("in/README.txt").write_text("of these")
    dataset = converted("in", "--test-share", "0.5")
    assert Path("out/classes.txt").read_text() == "2\n9\n10\n"
    labels = torch.cat((dataset.train.labels, dataset.test.labels))
    assert torch.bincount(labels).tolist() == [2, 9, 10]
    for folder in "train", "test", "extra":
        shutil.copytree("in", f"split/{folder}")
    capsys.readouterr()
    assert len(converted("split", output="other").test) == 21
    said = (
        f"Left out: {Path('split/extra')}, 12 hidden files or leftovers of an operating system\n"
    )
    assert said in capsys.readouterr().out


def test_what_windows_and_macos_leave_behind_is_left_out(picture, capsys):
    for name in "cat", "dog":
        for number in range(4):
            picture(f"in/{name}/{number}.webp", lossless=True)
        Path(f"in/{name}/Thumbs.db").write_bytes(b"of Windows")
        Path(f"in/{name}/Desktop.ini").write_bytes(b"of Windows")
    picture("in/__MACOSX/cat/0.png")
    dataset = converted("in", "--test-share", "0.5")
    assert (dataset.classes, len(dataset.train), len(dataset.test)) == (2, 4, 4)
    assert "Left out: 5 hidden files" in capsys.readouterr().out


def test_pictures_are_made_alike_where_flags_say_so(picture, refused):
    for name in "a", "b":
        picture(f"in/{name}/0.png")
        picture(f"in/{name}/1.png", size=(9, 7))
        picture(f"in/{name}/2.png", "RGB")
    words = (*WORDS, "in", "--test-share", "0.5")
    assert "--size HEIGHTxWIDTH" in refused(3, *words)
    assert "--grey" in refused(3, *words, "--size", "4x6")
    dataset = converted("in", "--test-share", "0.5", "--size", "4x6", "--grey")
    assert tuple(dataset.train.images.shape[1:]) == (1, 4, 6)
    ramp = torch.arange(24, dtype=torch.uint8).view(1, 4, 6)
    assert sum(torch.equal(image, ramp) for image in dataset.train.images) >= 1


SPOILED = {
    "another size": (lambda path, save: save(path, size=(4, 6)), "6 wide and 4 high, as"),
    "colour among grey": (lambda path, save: save(path, "RGB"), "found colour, 6 wide"),
    "a palette": (lambda path, save: save(path, "P"), "a palette"),
    "a folder": (lambda path, save: path.mkdir(), "directory"),
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("split", ["train", "test"])
def test_an_image_that_cannot_be_kept_is_named(how, split, picture, refused):
    for part in "train", "test":
        for name in "a", "b":
            picture(f"in/{part}/{name}/0.png")
    spoil, named = SPOILED[how]
    path = Path(f"in/{split}/b/1.png")
    spoil(path, picture)
    error = refused(3, *WORDS, "in")
    assert error.startswith(f"{path}: expected ") and named in error


def empty_class(split):
    return lambda save: Path(f"in/{split}/c").mkdir(), f"in/{split}/c: .* none"


FOLDERS = {
    "an empty class": empty_class("train"),
    "a class of the test alone": (lambda save: save("in/test/c/0.png"), "in/test/c: .*training"),
    "a text among images": (
        lambda save: Path("in/train/a/notes.txt").write_text(""),
        "in/train/a/notes.txt",
    ),
    "an image of no class": (lambda save: save("in/train/0.png"), "in/train/0.png: .*its class"),
    "no class of the test": (
        lambda save: [shutil.rmtree(f"in/test/{name}") for name in "ab"],
        "in/test: .* found none",
    ),
    "no training": (lambda save: shutil.rmtree("in/train"), "--test-share: needed"),
    "no class": (
        lambda save: [shutil.rmtree(f"in/train/{name}") for name in "ab"],
        "in/train: .* found 0",
    ),
    "too many classes": (
        lambda save: [Path(f"in/train/{number}").mkdir() for number in range(255)],
        "in/train: .* found 257",
    ),
    "a name on two lines": (
        lambda save: save("in/train/two\nlines/0.png"),
        r"in/train: .*printable names, found 'two\\nlines'",
    ),
}


@pytest.mark.parametrize("how", FOLDERS)
def test_a_folder_that_is_no_set(how, picture, refused):
    for part in "train", "test":
        for name in "a", "b":
            picture(f"in/{part}/{name}/0.png")
    spoil, said = FOLDERS[how]
    spoil(picture)
    status = 2 if "--" in said else 3
    errors = refused(status, *WORDS, "in")
    assert re.search(said, errors), errors


def test_folders_that_nobody_may_look_into(capsys, monkeypatch, refused):
    Path("in/a").mkdir(parents=True)
    iterdir = Path.iterdir

    def denied(path):
        if path.name == "in":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", denied)
        status = main([*WORDS, "in"]), main(["data", "--dataset", "in"])
    errors = capsys.readouterr().err.splitlines()
    assert status == (3, 3)
    assert [error.endswith("in: cannot be read (Permission denied)") for error in errors] == [1, 1]


def test_images_without_pillow(monkeypatch, refused):
    Path("in/a").mkdir(parents=True)
    Path("in/a/0.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pip install '.[images]'" in refused(2, *WORDS, "in")


A, B, C, D = drawn(4, 4)


def npz(**changed):
    """What writes it.npz with some arrays changed; without those that are None."""
    arrays = dict(zip(PARTS, (A, B, C, D), strict=True)) | changed
    return lambda: np.savez("it.npz", **{k: v for k, v in arrays.items() if v is not None})


def text(*lines):
    return lambda: Path("it.csv").write_text("\n".join(lines))


WRONG = {
    "one label fewer": (npz(y_train=B[1:]), "it.npz: y_train: .* each of 7 images, .* (6,)"),
    "fractions": (
        npz(x_train=A / 255),
        "it.npz: x_train: .*whole numbers from 0 to 255, found 0.",
    ),
    "16 bits": (npz(x_test=C.astype(np.uint16) + 300), "it.npz: x_test: .* 255, found "),
    "below 0": (npz(y_train=B - 1.0), "it.npz: y_train: .* found -1.0"),
    "one half": (npz(x_train=A + (A.max() == A) / 2), f"it.npz: x_train: .* found {A.max()}.5"),
    "no number": (npz(x_train=A * np.nan), "it.npz: x_train: .* found nan"),
    "without end": (npz(x_train=A + np.inf), "it.npz: x_train: .* found inf"),
    "words for labels": (npz(y_test=np.array([*"abcd"])), "it.npz: y_test: .* found <U1"),
    "a single number": (npz(y_test=np.array(3)), "it.npz: y_test: .*array of numbers"),
    "objects": (npz(y_test=np.array([None])), "it.npz: y_test: .*Object arrays cannot be loaded"),
    "another size": (npz(x_test=C[:, 1:]), "it.npz: test_images: .*(1, 4, 4), found (1, 3, 4)"),
    "no test labels": (
        npz(y_test=None),
        "it.npz: expected x_train, .* found x_train, y_train, x_test",
    ),
    "no such names": (
        npz(x_train=None, y_train=None, x_test=None, y_test=None, z=A),
        "it.npz: .* found z",
    ),
    "two of a name": (npz(train_images=A), "it.npz: train_images: .*x_train, too"),
    "train and neither": (npz(x=A, y=B), "it.npz: expected x_train"),
    "a long row": (
        npz(x_train=A.reshape(7, 16)[:, 1:]),
        "it.npz: x_train: .*3 × 3 pixels .* found 15",
    ),
    "no zip": (lambda: Path("it.npz").write_bytes(b"PK\3\4!"), "it.npz: expected a whole .npz"),
    "empty": (lambda: Path("it.npz").write_bytes(b""), "it.npz: expected a whole .npz"),
    "another's": (lambda: one_array("it.npz"), "it.npz: expected a whole .npz file"),
    "a cut array": (lambda: damaged("it.npz"), "it.npz: .*expected a whole"),
    "half a CSV line": (text("9,2,3,4,5", "1,2,3"), "it.csv, line 2: expected 5 .* found 3"),
    "a header alone": (
        text("label,pixel0"),
        "it.csv: expected lines of a label and pixels, found none",
    ),
    "a header without": (text("a,b,c", "1,2,3"), "it.csv, first line: .*, found a, b, c"),
    "two labels": (text("label,class,c", "1,2,3"), "it.csv, first line: .*, found label, class"),
    "a header too long": (text("label,a,b", "1,2"), "it.csv, line 2: expected 3 numbers, found 2"),
    "a word": (text("9,2,3,4,5", "", "1,2,three,4,5"), "it.csv, line 3, column 2: .*'three'"),
    "a large number": (text("1,2,3,4,256"), "it.csv, line 1, column 4: .*'256'"),
    "a number below 0": (text("1,2,3,4,-1"), "it.csv, line 1, column 4: .*'-1'"),
    "a fraction": (text("1,2,3,4,5.5"), "it.csv, line 1, column 4: .*'5.5'"),
    "a gap": (text("9,2,3,4,5", "1,2,,4,5"), "it.csv, line 2, column 2: .*''"),
    "spaces": (text("1 2 3 4 5"), "it.csv: expected a label and pixels in a line"),
    "no square": (text("0,9,2,3", "1,9,2,3"), "it.csv: expected 1 × 1 pixels .* found 3"),
    "labels alone": (text("1", "2"), "it.csv: expected a label and pixels in a line"),
    "no text": (lambda: Path("it.csv").write_bytes(b"1,9\xff"), "it.csv: .*utf-8"),
    "zeros": (lambda: Path("it.csv").write_bytes(b"1,9\n" + bytes(9)), "it.csv, line 2: .*found "),
    "no file": (lambda: None, "it.npz: expected a file or a folder, found nothing there"),
}


def damaged(path):
    npz()()
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 255
    Path(path).write_bytes(content)


def one_array(path):
    with open(path, "wb") as file:
        np.save(file, A)


@pytest.mark.parametrize("how", WRONG)
def test_arrays_that_cannot_be_kept_are_named(how, refused):
    write, said = WRONG[how]
    write()
    share = ["--test-share", "0.5"] if Path("it.csv").exists() else []
    path = "it.csv" if share else "it.npz"
    errors = refused(3, *WORDS, path, *share)
    pattern = ".*".join(map(re.escape, said.split(".*")))
    assert re.search(f"^{pattern}", errors), errors


MISTAKES = {
    "which is the test": (["one.npz"], "--test-share: needed"),
    "both": (["it.npz", "--test-share", "0.2"], "--test-share: not needed"),
    "a share of all": (["one.npz", "--test-share", "1"], "from 0.001 to 0.999"),
    "a size too much": (["it.npz", "--size", "4x4"], "--size: not needed"),
    "a header of arrays": (["it.npz", "--header", "yes"], "--header, --label-column, --drop-col"),
    "a ground of arrays": (["it.npz", "--flatten", "white"], "--grey: for pictures only"),
    "no colour": (["a", "--flatten", "whitish"], "--flatten: expected a colour such as white"),
    "no such column": (["one.csv", "--drop-columns", "99"], "--drop-columns 99: one.csv has col"),
    "half a size": (["it.npz", "--size", "4"], "HEIGHTxWIDTH"),
    "a size of none": (["it.npz", "--size", "0x4"], "HEIGHTxWIDTH"),
    "several": (["it.npz", "one.npz"], "expected one folder of images, one .npz, or"),
    "folders": (["a", "b"], "expected one folder of images, one .npz, or"),
    "CSV of no name": (["one.csv", "two.csv"], "one.csv two.csv: .*train and test"),
    "a file of no name": (["x_train.npy", "y_train.npy", "z.npy"], "z.npy: expected a name"),
    "nothing": ([], "SOURCE"),
    "what is there": (["it.npz", "--output", "a"], "--output a: is there already"),
    "a file that is there": (["it.npz", "--output", "z.npy"], "--output z.npy: is there already"),
    "below a file": (["it.npz", "--output", "z.npy/out"], "z.npy.*cannot be written"),
}


@pytest.mark.parametrize("how", MISTAKES)
def test_words_that_do_not_go_together(how, refused):
    npz()()
    np.savez("one.npz", images=A, labels=B)
    for name, array in ("x_train", A), ("y_train", B), ("z", A):
        np.save(name, array)
    for name in "one", "two":
        csv(f"{name}.csv", A, B)
    for name in "ab":
        Path(name).mkdir()
    Path("a/file").write_text("")
    words, said = MISTAKES[how]
    errors = refused(2, *WORDS, *words)
    assert re.search(re.escape(said).replace(re.escape(".*"), ".*"), errors), errors


def test_a_damaged_idx_file_is_named(refused):
    sources = as_idx([A, B, C, D])
    Path(sources[0]).write_bytes(gzip.compress(b"\0\0\x08"))
    assert f"{sources[0]}: expected an IDX file" in refused(3, *WORDS, *sources)


def test_bytes_after_an_array(refused):
    sources = as_npy([A, B, C, D])
    with open("x_train.npy", "ab") as file:
        file.write(b"!")
    assert "x_train.npy: expected the end" in refused(3, *WORDS, *sources)


def test_the_folder_is_whole_or_not_there(monkeypatch, refused):
    npz()()
    for error in OSError(28, "No space left on device"), KeyboardInterrupt():
        with monkeypatch.context() as patch:
            patch.setattr(idx, "write_file", Mock(side_effect=[None, None, None, error]))
            status = 2 if isinstance(error, OSError) else 130
            refused(status, *WORDS, "it.npz")
    Path("out").mkdir()
    assert len(converted("it.npz").test) == 4  # an empty folder is as good as none
    assert sorted(path.name for path in Path().iterdir()) == ["it.npz", "out"]
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    refused(2, *WORDS, "it.npz")
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_info_shows_what_is_in_a_set(capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    npz()()
    dataset = converted("it.npz")
    Path("out/classes.txt").write_text("cats\ndogs\nhens\n")
    capsys.readouterr()
    assert main(["data", "--dataset", "out", "info"]) == 0
    shown = capsys.readouterr().out
    for line in "0 cats 3 2", "1 dogs 2 1", "2 hens 2 1", "all 7 4":
        assert re.search(f"\n{line}\n".replace(" ", " +"), shown)
    assert "1 × 4 × 4" in shown and f"mean {dataset.mean:.4f}" in shown
    assert f"{dataset.digest}, of" in shown and shown.count("ubyte\n") == 4
    assert Path("runs/out-samples.png").read_bytes().startswith(b"\x89PNG")
    assert main(["data", "info", "--dataset", "out", "--output", "new/it.svg"]) == 0
    assert "2 hens" in Path("new/it.svg").read_text()


def test_info_without_matplotlib(capsys, monkeypatch, refused):
    npz()()
    converted("it.npz")
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["data", "info", "--dataset", "out"]) == 0
    assert "No picture: drawing needs matplotlib" in capsys.readouterr().out
    assert "matplotlib" in refused(2, "data", "info", "--dataset", "out", "--output", "a.png")


def test_names_that_are_not_as_many_as_classes(refused):
    npz()()
    converted("it.npz")
    Path("out/classes.txt").write_text("cats\ndogs\n")
    error = refused(3, "data", "info", "--dataset", "out")
    assert "out/classes.txt: expected a line for each of 3 classes, found 2" in error


def test_what_stands_before_info_holds(here, capsys):
    Path("data/synthetic").mkdir(parents=True)
    synthetic.write_files(Path("data/synthetic"), train=100, test=10)
    words = ["data", "--data-dir", "data", "--dataset", "synthetic"]
    assert main([*words, "info", "--output", "it.png"]) == 0
    assert f"folder    {Path('data/synthetic')}\n" in capsys.readouterr().out
    assert main(words) == 0
    assert "verified" in capsys.readouterr().out
    assert main(["data", "--dataset", "data/synthetic"]) == 0
    assert f"in {here}/data/synthetic, whole (no published digest)" in capsys.readouterr().out


def test_digits_that_nobody_here_made(capsys):
    """Scanned in 1998 for another project: 1,797 of 8 × 8 pixels, 0 to 16, as floats."""
    reason = "scikit-learn is not installed"
    digits = pytest.importorskip("sklearn.datasets", reason=reason).load_digits()
    np.savez("digits.npz", images=digits.images, labels=digits.target)
    dataset = converted("digits.npz", "--test-share", "0.2")
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (1438, 359, 10)
    assert dataset.train.images.shape[1:] == (1, 8, 8)
    both = torch.cat((dataset.train.images, dataset.test.images))[:, 0].double().numpy()
    assert sorted(map(bytes, both)) == sorted(map(bytes, digits.images))
    pixels = dataset.train.images.numpy() / 255
    assert (dataset.mean, dataset.std) == pytest.approx((pixels.mean(), pixels.std()))
