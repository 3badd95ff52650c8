"""What a user can hand in that is no input at all is refused: in one line, at once, whole."""

import errno
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from unittest.mock import Mock

import pytest

from tinytrain.cli import summary
from tinytrain.cli.main import main
from tinytrain.errors import DataError
from tinytrain.store import idx

# Where a file is read: its name below a folder that has `run` and `set`, the status, the command.
READ = {
    "run/run.json": (3, ["export", "--run-dir", "run"]),
    "run/history.jsonl": (3, ["plot", "curves", "run"]),
    "run/checkpoint.pt": (3, ["export", "--run-dir", "run"]),
    "set/train-images-idx3-ubyte": (3, ["data", "--dataset", "set"]),
    "set/t10k-labels-idx1-ubyte": (3, ["data", "--dataset", "set"]),
    "set/classes.txt": (3, ["data", "info", "--dataset", "set"]),
    "net.py": (2, ["summary", "--net", "net.py:build"]),
    "image.png": (3, ["predict", "image.png"]),
    "x.csv": (3, ["data", "convert", "x.csv", "--output", "new"]),
    "x.npz": (3, ["data", "convert", "x.npz", "--output", "new"]),
    "x.npy": (3, ["data", "convert", "x.npy", "--output", "new"]),
    "images/a/1.png": (3, ["data", "convert", "images", "--output", "new"]),
    "recipe.json": (2, ["train", "--recipe", "recipe.json"]),
}


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", READ)
def test_a_pipe_a_device_and_a_folder_are_no_files(
    run, data_dir, tmp_path, monkeypatch, fails, name
):
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(f"{data_dir}/synthetic", tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    path, (status, command) = tmp_path / name, READ[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    for made in os.mkfifo, device, os.mkdir:
        if (name, made) == ("recipe.json", os.mkfifo):
            continue  # a recipe may come out of a pipe
        path.unlink(missing_ok=True)
        made(path)
        assert path.name in fails(status, *command)
        assert not (tmp_path / "new").exists()


def started(words, redirected="", **environment):
    """What a shell says of `python -m tinytrain` with these words, its status first."""
    command = f"exec {sys.executable} -m tinytrain {shlex.join(map(str, words))} {redirected}"
    environment = {name: value for name, value in (os.environ | environment).items() if value}
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, errors="replace"
    )
    return done.returncode, done.stdout, done.stderr


def test_a_closed_output_is_as_a_closed_pipe_and_leaves_errors_and_files_alone(data_dir, tmp_path):
    for redirected in ">&-", "<&- >&-", "2>&- >&-":
        assert started(["train", "--help"], redirected) == (0, "", "")
    assert started(["trian"], ">&-")[0::2] == (2, started(["trian"])[2])
    assert started(["trian"], "2>&-") == (2, "", "")
    words = ["train", "--dataset=synthetic", "--epochs=1", "--recipe=net1"]
    words += [f"--data-dir={data_dir}", f"--run-dir={tmp_path / 'run'}"]
    assert started(words, "<&- >&-") == (0, "", "")
    assert (tmp_path / "run" / "run.json").exists()


def test_a_reader_that_goes_away():
    command = [sys.executable, "-m", "tinytrain", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nb", r"a\nb"), ("a\r\x1b[2J\u2028b", r"a\r\x1b[2J\u2028b")]
)
def test_a_name_that_cannot_be_printed_is_escaped(fails, tmp_path, name, shown):
    for status, words in (
        (3, ["train", "--run-dir", tmp_path / name, "--resume"]),
        (2, ["summary", "--net", f"{name}.py:build"]),
        (2, ["data", "--dataset", name]),
        (3, ["plot", "curves", name]),
        (2, ["train", name]),
    ):
        assert shown in fails(status, *words)
    with pytest.raises(DataError) as error:
        idx.read(tmp_path / name)
    assert str(error.value).isprintable()


def test_libraries_say_nothing_before_the_line(run, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    words = ["plot", "curves", run, "--output", tmp_path / "curves.nothing"]
    status, _, errors = started(words, HOME="/proc", MPLCONFIGDIR="")
    assert status == 2 and errors.startswith("tinytrain: --output") and errors.count("\n") == 1


def test_without_a_home(fails, monkeypatch, tmp_path):
    def nobody(*_):
        raise KeyError("no such user")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "TINYTRAIN_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for words in (["data"], ["train"], ["seeds"], ["evaluate"], ["data", "info"]):
        assert "--data-dir" in fails(2, *words)
    assert main(["summary"]) == 0 and main(["recipe"]) == 0


SCARCITIES = [
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError(
        "[enforce] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes.\nError"
    ),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has"),
    RuntimeError("can't start new thread"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
]


def test_memory_that_is_not_there_is_one_line_and_other_errors_are_no_such(fails, monkeypatch):
    for error in SCARCITIES:
        monkeypatch.setattr(summary, "run", Mock(side_effect=error))
        said = fails(2, "summary")
        assert said.startswith("not enough memory") and "smaller images or batches" in said
    for error in (RuntimeError("a bug"), OSError(errno.EIO, "a disk")):
        monkeypatch.setattr(summary, "run", Mock(side_effect=error))
        with pytest.raises(type(error)):
            main(["summary"])


def test_a_limit_of_memory_is_one_line():
    command = f"ulimit -v 200000 && exec {sys.executable} -m tinytrain evaluate"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("tinytrain: not enough memory")
    assert done.stderr.count("\n") == 1


LONG = """\
{} | train {} | train --{} | train --recipe {} | train --recipe {}.json | train --dataset {}
train --device {} | train --lr {} | seeds --seeds {} | summary --net {} | summary --net {}.py:build
data convert {} --output new | exercise start {} | ladder {} | runs {} | predict {}
plot curves {} | train --recipe long.json | data convert long.csv --output new"""


@pytest.mark.parametrize("words", re.split(r" \| |\n", LONG))
def test_a_long_word_is_cut_where_it_is_repeated(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.json").write_text('{"%s": 1}' % ("x" * 5000))
    (tmp_path / "long.csv").write_text(",".join(["x" * 5000] * 9))
    status = main(words.format("x" * 5000).split())
    error = capsys.readouterr().err
    assert status in (2, 3) and error.startswith("tinytrain: ") and error.count("\n") == 1
    assert "x" * 20 in error and "x" * 81 not in error
