"""A file that is being written is not there yet."""

import os

import pytest

from tinytrain.store.files import temporary_name, whole_file


def test_whole_file_or_the_old_one(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), whole_file(path) as file:
            file.write(b"new, but not who")
            raise error
        assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", tmp_path, "/dev/null":
        with pytest.raises(OSError, match="not a file"), whole_file(path):
            pass
    assert os.path.exists("/dev/null") and [*tmp_path.iterdir()] == [tmp_path / "pipe"]


def test_what_a_killed_writer_left_goes_with_the_next_once_nobody_writes(tmp_path):
    for name in ".theirs.part", ".other.gz.0123abcd.part":
        (tmp_path / name).touch()
    with temporary_name(tmp_path / "a"):
        (tmp_path / ".more.gz.0123abcd.part").touch()
        with temporary_name(tmp_path / "b"):
            assert len([*tmp_path.iterdir()]) == 2  # somebody writes: it may be theirs
    with temporary_name(tmp_path / "c"):
        assert [*tmp_path.iterdir()] == [tmp_path / ".theirs.part"]
