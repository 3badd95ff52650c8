"""What a user can hand in that is no input at all is refused: in one line, at once, whole."""

import os
import shutil

import pytest

from tinytrain.cli.parser import main


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_dir):
    """A finished run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    small = ["--dataset=synthetic", "--recipe=net1", "--epochs=1", "--threads=1"]
    assert main(["train", *small, f"--data-dir={data_dir}", f"--run-dir={folder}"]) == 0
    return folder


def fails(capsys, status, arguments, *named):
    """Whether `arguments` end in that exit status, with one line that has all of `named`."""
    capsys.readouterr()
    found = main([*map(str, arguments)])
    errors = capsys.readouterr().err
    one_line = errors.startswith("tinytrain: ") and errors.count("\n") == 1
    return found == status and one_line and all(str(name) in errors for name in named)


# Where a file is read: its name below a folder that has `run` and `set`, the status, the command.
READ = {
    "run/run.json": (3, ["export", "--run-dir", "run"]),
    "run/history.jsonl": (3, ["plot", "run"]),
    "run/checkpoint.pt": (3, ["export", "--run-dir", "run"]),
    "set/train-images-idx3-ubyte": (3, ["data", "--dataset", "set"]),
    "set/t10k-labels-idx1-ubyte": (3, ["data", "--dataset", "set"]),
    "set/classes.txt": (3, ["data", "info", "--dataset", "set"]),
    "net.py": (2, ["summary", "--net", "net.py:build"]),
    "image.png": (3, ["predict", "image.png"]),
    "x.csv": (3, ["data", "convert", "x.csv", "--output", "new"]),
    "x.npz": (3, ["data", "convert", "x.npz", "--output", "new"]),
    "images/a/1.png": (3, ["data", "convert", "images", "--output", "new"]),
    "recipe.json": (2, ["train", "--recipe", "recipe.json"]),
}


def device(path):
    path.symlink_to("/dev/zero")


KINDS = [(name, made) for name in READ for made in (os.mkfifo, device, os.mkdir)]
KINDS.remove(("recipe.json", os.mkfifo))  # a recipe may come out of a pipe


@pytest.mark.parametrize(("name", "made"), KINDS)
def test_a_pipe_a_device_and_a_folder_are_no_files(
    run, data_dir, tmp_path, monkeypatch, capsys, name, made
):
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(f"{data_dir}/synthetic", tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    made(path)
    status, command = READ[name]
    assert fails(capsys, status, command, path.name)
    assert not (tmp_path / "new").exists()


def test_sources_that_are_no_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [f"{part}.npy" for part in ("x_train", "y_train", "x_test", "y_test")]
    for name in names:
        os.mkfifo(name)
    assert fails(capsys, 3, ["data", "convert", *names, "--output", "new"], "x_train.npy")
