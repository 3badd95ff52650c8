"""Images in any form become the same IDX files, or one line says which of them cannot, and why."""

import gzip
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from tinytrain import data
from tinytrain.cli.main import main
from tinytrain.store import idx, sources, synthetic

WORDS = ["data", "convert", "--output", "out"]
PARTS = ["x_train", "y_train", "x_test", "y_test"]
pytestmark = pytest.mark.usefixtures("here")


def drawn(*shape, classes=3, train=7, test=4):
    """Training images and labels, test images and labels, every class in training."""
    chance = np.random.default_rng(0)
    arrays = []
    for count in train, test:
        arrays.append(chance.integers(0, 256, (count, *shape), np.uint8))
        arrays.append((np.arange(count) % classes).astype(np.uint8))
    return arrays


A, B, C, D = drawn(4, 4)


def csv(path, images, labels, header=()):
    rows = np.column_stack((labels, images.reshape(len(images), -1)))
    lines = [",".join(map(str, row)) for row in [*([header] if header else []), *rows]]
    Path(path).write_text("\n".join(lines) + "\n")


def converted(*words, output="out"):
    """The data set that the command makes."""
    assert main(["data", "convert", *map(str, words), "--output", output]) == 0
    return data.load(f"./{output}")


def holds(dataset, arrays):
    """Whether the images and labels of a set are these arrays, (N, H, W) or (N, C, H, W), (N,)."""
    found = dataset.train.images, dataset.train.labels, dataset.test.images, dataset.test.labels
    return all(
        one.numpy().tobytes() == other.astype(one.numpy().dtype).tobytes()
        for one, other in zip(found, arrays, strict=True)
    )


@pytest.fixture
def refused(fails):
    """`refused(status, said, *words)`: as `fails`, saying that, and no file is left behind."""

    def refused(status, said, *words):
        before = sorted(Path().rglob("*"))
        error = fails(status, *words)
        assert re.search(said, error) and ".part" not in error, error
        assert sorted(Path().rglob("*")) == before
        return error

    return refused


@pytest.fixture
def picture():
    """A function that saves an image file, grey of 6 × 4 unless it is told otherwise."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def save(path, mode="L", size=(6, 4), pixels=None, **more):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        ramp = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[::-1])
        image.fromarray(ramp if pixels is None else pixels).convert(mode).save(path, **more)

    return save


@pytest.fixture
def pictures(picture):
    """As `picture`, where a folder `in` has a picture for each split and class already."""
    for place in "train/a", "train/b", "test/a", "test/b":
        picture(f"in/{place}/0.png")
    return picture


def as_npz(arrays, names=PARTS):
    np.savez("it.npz", **dict(zip(names, arrays, strict=True)))
    return ["it.npz"]


def as_npy(arrays):
    for name, array in zip(PARTS, arrays, strict=True):
        np.save(name, array)
    return sorted(f"{name}.npy" for name in PARTS)


def as_idx(arrays):
    kinds = "train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"
    names = [f"emnist-letters-{kind}-ubyte.gz" for kind in kinds]
    for name, array in zip(names, arrays, strict=True):
        idx.write(name, array)
    return sorted(names)


def as_csv(arrays):
    csv("some_train.csv", *arrays[:2])
    csv("some_test.csv", *arrays[2:], ["label", *(f"pixel{i}" for i in range(arrays[0][0].size))])
    return ["some_test.csv", "some_train.csv"]


FORMS = as_npz, as_npy, as_idx, as_csv


def said_of(dataset, capsys):
    said = capsys.readouterr().out
    assert "7 training and 4 test images of 3 classes" in said
    assert f"sha256 {dataset.digest})" in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (3, 8, 3)])
def test_every_form_gives_the_same_set(form, shape, capsys):
    arrays = drawn(*shape)
    if form == as_csv and len(shape) == 3:
        return
    size = ["--size", "4x9"] if form == as_csv and shape == (4, 9) else []
    dataset = converted(*form(arrays), *size)
    assert holds(dataset, arrays) and not Path("out/classes.txt").exists()
    said_of(dataset, capsys)


@pytest.mark.parametrize("shape", [(4, 9), (8, 3, 3)])
def test_a_folder_of_pictures_gives_the_set_class_by_class(shape, picture, capsys):
    arrays = drawn(*shape)
    for split, images, labels in ("train", *arrays[:2]), ("test", *arrays[2:]):
        for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
            mode = "L" if pixels.ndim == 2 else "RGB"
            picture(f"in/{split}/class {label}/{number}.png", mode, pixels=pixels)
    rows = [np.argsort(labels, kind="stable") for labels in arrays[1::2]]
    arrays = [array[rows[number // 2]] for number, array in enumerate(arrays)]
    expected = [np.moveaxis(array, 3, 1) if array.ndim == 4 else array for array in arrays]
    dataset = converted("in")
    assert holds(dataset, expected)
    assert Path("out/classes.txt").read_text() == "class 0\nclass 1\nclass 2\n"
    said_of(dataset, capsys)


NAMES = [
    "train_images train_labels test_images test_labels",
    "X_train Y_train X_test Y_test",
    "a-img-training a-target-training a-img-t10k a-target-t10k",
]


@pytest.mark.parametrize("names", NAMES)
def test_arrays_as_others_publish_them(names, capsys):
    """Channels last, labels (N, 1), a validation set, numbers of any type: MedMNIST, Keras."""
    arrays = drawn(8, 5, 3)
    expected = [np.moveaxis(array, 3, 1) if array.ndim == 4 else array for array in arrays]
    arrays = [array if array.ndim > 1 else array[:, None].astype(float) for array in arrays]
    more = {"val_images": arrays[0], "val_labels": arrays[1], "about": np.array(None, object)}
    np.savez("it.npz", **dict(zip(names.split(), arrays, strict=True)), **more)
    assert holds(converted("it.npz"), expected)
    said = "Left out: it.npz: val_images, it.npz: val_labels, it.npz: about\n"
    assert said in capsys.readouterr().out


def test_flags_say_what_names_and_numbers_do_not(pictures):
    dataset = converted(*as_idx(drawn(4, 6)), "--transpose", output="transposed")
    assert (dataset.train.images[:, 0].numpy() == drawn(4, 6)[0].transpose(0, 2, 1)).all()
    arrays = drawn(3, 3)
    for name, images, labels in ("train", *arrays[:2]), ("test", *arrays[2:]):
        pixels_and_label = np.column_stack((images.reshape(-1, 9), labels))
        csv(f"{name}.csv", pixels_and_label, np.arange(len(images)), [*range(11)])
    words = ["--header", "yes", "--label-column", "-1", "--drop-columns", "0"]
    assert holds(converted("train.csv", "test.csv", *words), arrays)
    for path in Path("in").rglob("*.png"):
        pictures(path, transparency=7)
    flat = converted("in", "--flatten", "white", output="flat").train.images[0].flatten().tolist()
    assert flat == [255 if value == 7 else value for value in range(24)]


def test_one_split_and_a_share():
    images, labels, *_ = drawn(5, 5, classes=2, train=10)
    np.savez("it.npz", images=images.astype(float), labels=labels)
    dataset = converted("it.npz", "--test-share", "0.2")
    assert sorted(dataset.test.labels.tolist()) == [0, 1]
    both = torch.cat((dataset.train.images, dataset.test.images)).numpy()
    assert sorted(map(bytes, both)) == sorted(map(bytes, images))
    np.savez("flat.npz", x=images.reshape(10, 25), y=labels)
    assert converted("flat.npz", "--test-share", "0.2", output="flat").digest == dataset.digest


def test_classes_are_in_order_and_what_systems_leave_behind_is_left_out(picture, capsys):
    for name in "10", "9", "2":
        for number in range(int(name)):
            picture(f"in/{name}/{number}.PNG")
        for left in ".DS_Store", "Thumbs.db", "Desktop.ini":
            Path(f"in/{name}/{left}").write_bytes(b"of a system")
    picture("in/__MACOSX/2/0.png")
    picture("in/2/0.bmp")
    Path("in/.git").mkdir()
    Path("in/README.txt").write_text("of these")
    dataset = converted("in", "--test-share", "0.5")
    assert Path("out/classes.txt").read_text() == "2\n9\n10\n"
    labels = torch.cat((dataset.train.labels, dataset.test.labels))
    assert torch.bincount(labels).tolist() == [3, 9, 10]
    assert "Left out: 11 hidden files" in capsys.readouterr().out
    for folder in "train", "test", "extra":
        shutil.copytree("in", f"split/{folder}")
    assert len(converted("split", output="other").test) == 22
    assert f"Left out: {Path('split/extra')}, 33 hidden" in capsys.readouterr().out


@pytest.mark.parametrize("folders", ["Training Testing Validation", "train_set test-set dev"])
def test_splits_of_pictures_under_their_usual_names(folders, picture, capsys):
    for count, folder in zip((3, 2, 1), folders.split(), strict=True):
        for number in range(count):
            picture(f"in/{folder}/train/{number}.png")  # a class may be called so
    dataset = converted("in")
    assert (len(dataset.train), len(dataset.test)) == (3, 2)
    assert f"Left out: {Path('in', folders.split()[2])}\n" in capsys.readouterr().out


def test_the_validation_is_the_test_where_there_is_no_other(picture):
    as_npz([A, B, C, D], ["x_train", "y_train", "x_val", "y_val"])
    assert holds(converted("it.npz"), (A, B, C, D))
    csv("train.csv", A, B)
    csv("valid.csv", C, D)
    assert holds(converted("train.csv", "valid.csv", output="other"), (A, B, C, D))
    for place in "TRAIN/a", "val/a":
        picture(f"in/{place}/0.png")
    assert len(converted("in", output="pictures").test) == 1


def test_folders_of_torchvision():
    raw = Path("root/MNIST/raw")
    raw.mkdir(parents=True)
    synthetic.write_files(raw, train=100, test=10)
    assert len(data.load(raw).test) == 10
    source = replace(sources.SOURCES["synthetic"], name="mnist")
    assert sources.folder_of(source, Path("root")) == raw
    Path("root/mnist").mkdir()
    assert sources.folder_of(source, Path("root")) == raw
    synthetic.write_files(Path("root/mnist"), train=100, test=10)
    assert sources.folder_of(source, Path("root")) == Path("root/mnist")


def test_pictures_are_made_alike_where_flags_say_so(picture, refused):
    for name in "a", "b":
        picture(f"in/{name}/0.png")
        picture(f"in/{name}/1.png", size=(9, 7))
        picture(f"in/{name}/2.png", "RGB")
    words = (*WORDS, "in", "--test-share", "0.5")
    refused(3, "--size HEIGHTxWIDTH", *words)
    refused(3, "--grey", *words, "--size", "4x6")
    dataset = converted("in", "--test-share", "0.5", "--size", "4x6", "--grey")
    assert tuple(dataset.train.images.shape[1:]) == (1, 4, 6)
    ramp = torch.arange(24, dtype=torch.uint8).view(1, 4, 6)
    assert sum(torch.equal(image, ramp) for image in dataset.train.images) >= 1


def gone(*folders):
    return [shutil.rmtree(f"in/{folder}") for folder in folders]


# What is done to a folder of pictures, and what the refusal names.
FOLDERS = [
    (lambda save: save("in/train/b/1.png", size=(4, 6)), "b/1.png: expected .*6 wide and 4 high"),
    (lambda save: save("in/test/b/1.png", "RGB"), "b/1.png: expected .* found colour, 6 wide"),
    (lambda save: save("in/train/b/1.png", "P"), "b/1.png: expected .*a palette"),
    (lambda save: Path("in/test/b/1.png").mkdir(), "b/1.png: expected .*directory"),
    (lambda save: Path("in/train/a/notes.txt").touch(), "in/train/a/notes.txt"),
    (lambda save: save("in/train/0.png"), "in/train/0.png: .*its class"),
    (lambda save: save("in/test/0.png"), "in/test/0.png: .*its class"),
    (lambda save: Path("in/train/c").mkdir(), "in/train/c: .* none"),
    (lambda save: save("in/test/c/0.png"), "in/test/c: .*training"),
    (lambda save: gone("test/a", "test/b"), "in/test: .* found none"),
    (lambda save: gone("train/a", "train/b"), "in/train: .* found 0"),
    (lambda save: gone("train"), "--test-share: needed"),
    (lambda save: [Path(f"in/train/{n}").mkdir() for n in range(255)], "in/train: .* found 257"),
    (lambda save: save("in/train/two\nlines/0.png"), r"in/train: .*printable.*'two\\nlines'"),
]


@pytest.mark.parametrize(("spoil", "said"), FOLDERS)
def test_a_folder_that_is_no_set(spoil, said, pictures, refused):
    spoil(pictures)
    refused(2 if "--" in said else 3, said, *WORDS, "in")


def test_folders_that_nobody_may_look_into_and_images_without_pillow(
    pictures, monkeypatch, refused
):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", Mock(side_effect=PermissionError(13, "Permission denied")))
        assert [main(words) for words in ([*WORDS, "in"], ["data", "--dataset", "in"])] == [3, 3]
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(2, "'.\\[images\\]'", *WORDS, "in")


# The arrays of an .npz that are others, or None, and what the refusal names.
NPZ = [
    ({"y_train": B[1:]}, r"x_train: .* each of 7 images, .* \(6,\)"),
    ({"x_train": A / 255}, "x_train: .*whole numbers from 0 to 255, found 0."),
    ({"x_test": C.astype(np.uint16) + 300}, "x_test: .* 255, found "),
    ({"y_train": B - 1.0}, "y_train: .* found -1.0"),
    ({"x_train": A + (A.max() == A) / 2}, f"x_train: .* found {A.max()}.5"),
    ({"x_train": A * np.nan}, "x_train: .* found nan"),
    ({"x_train": A + np.inf}, "x_train: .* found inf"),
    ({"x_train": A.reshape(7, 16)[:, 1:]}, "x_train: .*3 × 3 pixels .* found 15"),
    ({"x_train": A.reshape(7, 1, 1, 4, 4)}, "x_train: .*uint8"),
    ({"y_test": np.array([*"abcd"])}, "y_test: .* found <U1"),
    ({"y_test": np.array(3)}, "y_test: .*array of numbers"),
    ({"y_test": np.array([None])}, "y_test: .*Object arrays"),
    ({"y_test": D + 5}, ".*no label that training doesn't have"),
    ({"x_train": A * 0}, ".*aren't all alike"),
    ({"x_test": C[:, 1:]}, r".*\(1, 4, 4\), found \(1, 3, 4\)"),
    ({"y_test": None}, "expected x_train, .* found x_train, y_train, x_test"),
    (dict.fromkeys(PARTS) | {"z": A}, ".* found z"),
    ({"train_images": A}, "train_images: .*x_train, too"),
    ({"x": A, "y": B}, "expected x_train"),
]


@pytest.mark.parametrize(("changed", "said"), NPZ)
def test_arrays_that_cannot_be_kept_are_named(changed, said, refused):
    arrays = dict(zip(PARTS, (A, B, C, D), strict=True)) | changed
    np.savez("it.npz", **{name: array for name, array in arrays.items() if array is not None})
    refused(3, f"^(it.npz|/.*out.*): {said}", *WORDS, "it.npz")


def spoiled(path):
    """Another byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_files_that_are_damaged_are_named(refused):
    path, [images, *others], arrays = Path("it.npz"), as_idx([A, B, C, D]), as_npy([A, B, C, D])
    refused(3, "it.npz: expected a file or a folder, found nothing there", *WORDS, path)
    as_npz([A, B, C, D])
    for damage in spoiled, Path.touch, lambda path: path.write_bytes(b"PK\3\4!"):
        damage(path)
        refused(3, "^it.npz: .*expected a whole", *WORDS, path)
        path.unlink()
    path.write_bytes(Path("x_train.npy").read_bytes())
    refused(3, "^it.npz: expected a whole .npz file", *WORDS, path)
    Path(images).write_bytes(gzip.compress(b"\0\0\x08"))
    refused(3, f"{images}: expected an IDX file", *WORDS, images, *others)
    with open("x_train.npy", "ab") as file:
        file.write(b"!")
    refused(3, "x_train.npy: expected the end", *WORDS, *arrays)


MISTAKES = [
    ("one.npz", "--test-share: needed"),
    ("it.npz --test-share 0.2", "--test-share: not needed"),
    ("one.npz --test-share 1", "from 0.001 to 0.999"),
    ("it.npz --size 4x4", "--size: not needed"),
    ("it.npz --header yes", "--header, --label-column, --drop-col"),
    ("it.npz --flatten white", "--grey: for pictures only"),
    ("a --flatten whitish", "--flatten: .*whitish"),
    ("one.csv --drop-columns 99", "--drop-columns 99: one.csv has col"),
    ("it.npz --size 4", "HEIGHTxWIDTH"),
    ("it.npz --size 0x4", "HEIGHTxWIDTH"),
    ("emnist.mat", "emnist-letters-.*ubyte.gz"),
    ("b", "train --dataset b/raw"),
    ("it.npz one.npz", "expected one folder of images, one .npz, or"),
    ("a b", "expected one folder of images, one .npz, or"),
    ("one.csv two.csv", "one.csv two.csv: .*train and test"),
    ("x_train.npy y_train.npy z.npy", "z.npy: expected a name"),
    ("", "SOURCE"),
    ("it.npz --output a", "--output a: is there already"),
    ("it.npz --output z.npy", "--output z.npy: is there already"),
    ("it.npz --output z.npy/out", "z.npy.*cannot be written"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_words_that_do_not_go_together(words, said, refused):
    as_npz([A, B, C, D])
    np.savez("one.npz", images=A, labels=B)
    for name, array in ("x_train", A), ("y_train", B), ("z", A):
        np.save(name, array)
    for name in "one", "two":
        csv(f"{name}.csv", A, B)
    for name in "ab":
        Path(name).mkdir()
    Path("b/raw").mkdir()
    for path in "a/file", "b/raw/train-images-idx3-ubyte.gz", "emnist.mat":
        Path(path).touch()
    refused(2, said, *WORDS, *words.split())


def test_a_label_that_is_always_the_same_is_doubted(refused):
    csv("same.csv", A, B * 0, ["label", *range(A[0].size)])
    refused(3, "same.csv: labels: .*--label-column", *WORDS, "same.csv", "--test-share", "0.5")


def test_the_folder_is_whole_or_not_there(monkeypatch, refused):
    as_npz([A, B, C, D])
    for error, status in (OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 130):
        with monkeypatch.context() as patch:
            patch.setattr(idx, "write_file", Mock(side_effect=[None, None, None, error]))
            refused(status, "", *WORDS, "it.npz")
    Path("out").mkdir()
    assert len(converted("it.npz").test) == 4  # an empty folder is as good as none
    assert sorted(path.name for path in Path().iterdir()) == ["it.npz", "out"]
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    refused(2, "", *WORDS, "it.npz")
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_info_shows_what_is_in_a_set(printed, refused, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    out, info = converted(*as_npz([A, B, C, D])), ["data", "info", "--dataset", "out"]
    Path("out/classes.txt").write_text("cats\ndogs\nhens\n")
    shown = printed("data", "--dataset", "out", "info")
    for line in "0 cats 3 2", "1 dogs 2 1", "2 hens 2 1", "all 7 4":
        assert re.search(f"\n{line}\n".replace(" ", " +"), shown)
    assert "1 × 4 × 4" in shown and f"mean {out.mean:.4f}" in shown
    assert f"{out.digest}, of" in shown and shown.count("ubyte\n") == 4
    assert Path("runs/out-samples.png").read_bytes().startswith(b"\x89PNG")
    assert main([*info, "--output", "new/it.svg"]) == 0
    assert "2 hens" in Path("new/it.svg").read_text()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        assert "No picture: drawing needs matplotlib" in printed(*info)
        refused(2, "matplotlib", *info, "--output", "a.png")
    Path("out/classes.txt").write_text("cats\ndogs\n")
    refused(3, "out/classes.txt: expected a line for each of 3 classes, found 2", *info)


def test_what_stands_before_info_holds(here, printed):
    Path("data/synthetic").mkdir(parents=True)
    synthetic.write_files(Path("data/synthetic"), train=100, test=10)
    words = ["data", "--data-dir", "data", "--dataset", "synthetic"]
    assert f"folder    {Path('data/synthetic')}\n" in printed(*words, "info", "--output", "it.png")
    assert "verified" in printed(*words)
    said = f"in {here}/data/synthetic, whole (no published digest)"
    assert said in printed("data", "--dataset", "data/synthetic")
