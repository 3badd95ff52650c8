"""Images that stay in their file train as those in memory do, and notice when the file changes."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import data
from tinytrain.errors import DataError
from tinytrain.recipes import RECIPES, build
from tinytrain.store import idx, named_arrays, on_disk
from tinytrain.train import loop

COUNT = 20
IMAGES = "train-images-idx3-ubyte"
SPLITS = {"train": None, "test": None}


@pytest.fixture(autouse=True)
def small_memory(monkeypatch):
    """Held in memory are 2 kB of a file: two digits of MNIST's size."""
    monkeypatch.setenv("TINYTRAIN_LARGEST", "2000")


@pytest.fixture
def own(tmp_path, tiny):
    """A hundred digits and forty more for the test, in a folder."""
    (tmp_path / "own").mkdir()
    for name, split in ("train", tiny.train), ("test", tiny.test):
        idx.write_pair(tmp_path / "own", name, split.images[:, 0].numpy(), split.labels.byte())
    return tmp_path / "own"


def in_memory(folder, monkeypatch, **more):
    with monkeypatch.context() as patch:
        patch.delenv("TINYTRAIN_LARGEST")
        return data.load(folder, **more)


def change(path, place=-1):
    """Another byte at that place, and the file looks as old as before."""
    before, content = path.stat().st_mtime_ns, bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before, before))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Twenty small images, grey or in colour, in a file, and as an array."""
    folder = tmp_path_factory.mktemp("stored")
    made = {}
    for channels in 1, 3:
        shape = (COUNT, 5, 40) if channels == 1 else (COUNT, 3, 5, 40)
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        idx.write(folder / str(channels), array)
        made[channels] = folder / str(channels), torch.from_numpy(array).view(-1, channels, 5, 40)
    return made


ROWS = st.integers(-COUNT, COUNT - 1)
SLICES = st.slices(COUNT).filter(lambda rows: (rows.step or 1) > 0)
TENSORS = st.one_of(ROWS, st.lists(ROWS, min_size=1)).map(torch.tensor)


@settings(max_examples=40)
@given(st.sampled_from([1, 3]), st.one_of(ROWS, SLICES, TENSORS), st.permutations(range(COUNT)))
def test_rows_are_those_of_the_tensor(file, channels, rows, order):
    path, images = file[channels]
    found = on_disk.read(path)
    assert found.shape == tuple(images.shape) and len(found) == COUNT
    assert torch.equal(found[rows], images[rows])
    order = torch.tensor(order)
    part, expected = found.rows(order).rows(slice(3, 17)), images[order][3:17]
    assert torch.equal(part[:], expected)
    mapped = part.mapped(lambda batch: 255 - batch).mapped(lambda batch: batch // 2).to("cpu")
    assert torch.equal(mapped[:], (255 - expected) // 2)


def test_what_is_held_in_memory(file, tmp_path, monkeypatch):
    path, images = file[1]
    idx.write(tmp_path / "images.gz", images.numpy())
    idx.write(tmp_path / "labels", np.zeros(3000, np.uint8))
    idx.write(tmp_path / "floats", np.zeros((600, 2, 2), np.float32))
    for name, size in ("images.gz", 20 + images.numel()), ("labels", None), ("floats", None):
        assert isinstance(on_disk.read(tmp_path / name, size), np.ndarray)
    monkeypatch.setenv("TINYTRAIN_LARGEST", str(path.stat().st_size))
    assert isinstance(on_disk.read(path), np.ndarray)
    monkeypatch.delenv("TINYTRAIN_LARGEST")
    assert idx.largest() == 1 << 30


def test_a_file_larger_than_memory(tmp_path):
    """A terabyte of zeros that takes no room."""
    path = tmp_path / "huge"
    sides = np.array([1 << 10, 1 << 15, 1 << 15], ">u4")
    path.write_bytes(b"\0\0\x08\3" + sides.tobytes())
    found = path.stat().st_size
    os.truncate(path, found + (1 << 40))
    assert on_disk.read(path).shape == (1 << 10, 1, 1 << 15, 1 << 15)
    for length in found + (1 << 40) - 1, found + (1 << 40) + 1:
        os.truncate(path, length)
        with pytest.raises(
            DataError, match=f"huge: expected {found + (1 << 40)} bytes.* {length}"
        ):
            on_disk.read(path)


@pytest.mark.parametrize("more", [{}, {"holdout": 30}, {"fold": "2/3"}, {"deskew": True}])
def test_the_same_set_in_memory_and_stored(own, monkeypatch, more):
    one, other = data.load(own, **more), in_memory(own, monkeypatch, **more)
    assert isinstance(one.train.images, on_disk.StoredImages)
    for split, expected in (one.train, other.train), (one.test, other.test):
        for rows in slice(None), 3:
            assert torch.equal(split.images[rows], expected.images[rows])
        assert torch.equal(split.labels, expected.labels)
    assert vars(one) | SPLITS == vars(other) | SPLITS


@pytest.mark.parametrize("shape", [(8, 9, 3), (8, 9, 1), (3, 8, 9), (8, 9, 4), (8, 9, 2)])
def test_channels_are_where_they_are_of_a_file_in_memory(shape, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (30, *shape), np.uint8)
    for part in "train", "test":
        idx.write(tmp_path / f"{part}-images", pixels)
        idx.write(tmp_path / f"{part}-labels", np.arange(30, dtype=np.uint8) % 3)
    if shape[-1] in (2, 4):
        for load in data.load, partial(in_memory, monkeypatch=monkeypatch):
            with pytest.raises(DataError, match="train-images: expected .* found"):
                load(tmp_path)
        return
    one, other = data.load(tmp_path), in_memory(tmp_path, monkeypatch)
    assert isinstance(one.train.images, on_disk.StoredImages)
    assert torch.equal(one.train.images[:], other.train.images) and one.mean == other.mean
    found = named_arrays.read_images(tmp_path / "test-images", 784)
    assert torch.equal(found[torch.tensor([[4, 2]])][0], other.test.images[[4, 2]])


def test_a_run_is_the_same_bit_for_bit(own, monkeypatch):
    def history(dataset):
        training = build.start(RECIPES["net9"], seed=1)
        training.epochs, training.batch_size = 2, 16
        for _ in loop.fit(training, dataset):
            pass
        return [vars(epoch) | {"seconds": 0} for epoch in training.history]

    assert history(data.load(own)) == history(in_memory(own, monkeypatch))


CHANGES = {
    "cut": lambda path: os.truncate(path, 10_000),
    "emptied": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"!"),
    "touched": lambda path: os.utime(path, ns=(0, 0)),
    "gone": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_file_that_changes_in_mid_run_ends_it_in_one_line(own, how, monkeypatch, fails):
    steps, finish = [], on_disk.StoredImages.__getitem__

    def read(images, rows):
        steps.append(rows)
        if len(steps) == 12:
            CHANGES[how](own / IMAGES)
        return finish(images, rows)

    threads, run = torch.get_num_threads(), own.parent / "run"
    monkeypatch.setattr(on_disk.StoredImages, "__getitem__", read)
    words = ["--recipe=net1", "--epochs=3", "--batch-size=16", "--threads=1", "--device=cpu"]
    error = fails(3, "train", "--dataset", own, *words, f"--run-dir={run}")
    torch.set_num_threads(threads)
    assert f"{own / IMAGES}: " in error and len(steps) == 12
    assert error.endswith(f"; the last save in {run} is before step 1 of epoch 2")
    assert len((run / "history.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", [IMAGES, "train-labels-idx1-ubyte", "test-images-idx3-ubyte"])
def test_one_byte_is_noticed_at_the_next_start(own, name, tmp_path, monkeypatch, printed, fails):
    run, before = tmp_path / "run", data.load(own)
    printed("train", "--dataset", own, "--recipe=net1", "--epochs=1", "--run-dir", run)
    change(own / name)
    (own / "manifest.json").write_text("{")  # earlier versions believed it; it is not read
    after = data.load(own)
    assert before.digest != after.digest == in_memory(own, monkeypatch).digest
    assert after.digest in printed("data", "--dataset", own)
    assert "not the images" in fails(3, "train", "--resume", "--run-dir", run)
