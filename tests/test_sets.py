"""A set is loaded whole and verified, or an error says which file is wrong and what to do."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.data import idx, sets, sources
from tinytrain.data.deskew import deskew
from tinytrain.errors import DataError, UsageError

TRAIN, TEST = 30, 7
NAMES = list(sources.SIZES)


def digits(count, seed):
    chance = np.random.default_rng(seed)
    images = chance.integers(0, 256, (count, 28, 28), np.uint8)
    images[:, 0, 0] = range(count)  # an image tells which one it is
    return images, chance.integers(0, 10, count, np.uint8)


ARRAYS = dict(zip(NAMES, [*digits(TRAIN, 0), *digits(TEST, 1)], strict=True))


def write(folder, suffix=".gz", changed=()):
    """The four files of a tiny set, some of them, by number, with other arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, array) in enumerate(ARRAYS.items()):
        idx.write(folder / f"{name}{suffix}", dict(changed).get(number, array))


def plain(name):
    array = ARRAYS[name]
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


FILES = tuple(sources.File(name, len(plain(name)), sha256(plain(name))) for name in NAMES)
TINY = sources.Source("tiny", FILES)
UNCHECKED = sources.Source("tiny", tuple(sources.File(name) for name in NAMES))


@pytest.fixture
def root(tmp_path):
    """A folder with a whole tiny set in it."""
    write(tmp_path / "tiny")
    return tmp_path


def packed(root, names=NAMES):
    """Where the tiny set's .gz files are."""
    return [root / "tiny" / f"{name}.gz" for name in names]


def digest(names):
    return sha256("".join(sha256(plain(name)) for name in names).encode())


def snapshot(root):
    return {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}


def refused(match, root, source=TINY, holdout=0, error=DataError):
    with pytest.raises(error, match=match) as raised:
        sets.load_source(source, root, holdout)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_tiny_set_is_loaded_and_a_complete_root_left_alone(tmp_path, suffix):
    write(tmp_path / "tiny", suffix)
    for path in packed(tmp_path) if suffix == "" else ():
        path.write_bytes(b"the plain file goes first: never looked at")
    before = snapshot(tmp_path)
    (tmp_path / "tiny").chmod(0o555)
    data = sets.load_source(TINY, tmp_path)
    assert snapshot(tmp_path) == before
    for split, (images, labels) in (data.train, NAMES[:2]), (data.test, NAMES[2:]):
        assert split.images.dtype == torch.uint8 and split.labels.dtype == torch.int64
        assert split.images.shape == (len(split), 1, 28, 28)
        assert (split.images[:, 0].numpy() == ARRAYS[images]).all()
        assert (split.labels.numpy() == ARRAYS[labels]).all()
    assert data.digest == digest(NAMES)
    assert (data.name, data.holdout, len(data.train), len(data.test)) == ("tiny", 0, TRAIN, TEST)


@pytest.mark.parametrize("holdout", [0, 5])
def test_upright_where_they_are_loaded(tmp_path, holdout):
    write(tmp_path / "synthetic")
    before = sets.load("synthetic", tmp_path, holdout)
    after = sets.load("synthetic", tmp_path, holdout, deskew=True)
    assert (before.name, len(before.train)) == ("synthetic", TRAIN - holdout)
    for slanted, upright in (before.train, after.train), (before.test, after.test):
        assert torch.equal(upright.images, deskew(slanted.images))
        assert not torch.equal(upright.images, slanted.images)
        assert torch.equal(upright.labels, slanted.labels)
    assert vars(after) | {"train": 0, "test": 0} == vars(before) | {"train": 0, "test": 0}


@given(st.integers(1, TRAIN - 1))
def test_holdout_is_fixed_disjoint_and_complete(tmp_path_factory, holdout):
    root = tmp_path_factory.mktemp("root")
    write(root / "tiny")
    for path in packed(root, NAMES[2:]):
        path.write_bytes(b"the test files: never opened")
    torch.manual_seed(holdout)  # the split doesn't depend on torch's own generator
    data = sets.load_source(TINY, root, holdout)
    assert (len(data.test), len(data.train), data.holdout) == (holdout, TRAIN - holdout, holdout)
    rows = torch.cat([data.test.images, data.train.images])[:, 0, 0, 0].tolist()
    assert sorted(rows) == list(range(TRAIN))
    labels = torch.cat([data.test.labels, data.train.labels])
    assert labels.tolist() == ARRAYS[NAMES[1]][rows].tolist()
    most = sets.load_source(TINY, root, TRAIN - 1)
    assert rows[:holdout] == most.test.images[:holdout, 0, 0, 0].tolist()


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_folds_are_fixed_disjoint_and_complete(root, parts):
    whole = sets.load_source(TINY, root).train.images
    seen = []
    for part in range(1, parts + 1):
        fold = sets.load_source(TINY, root, fold=f"{part}/{parts}")
        again = sets.load_source(TINY, root, fold.holdout, fold=f"{part}/{parts}")
        assert torch.equal(fold.test.images, again.test.images)
        assert (fold.holdout, len(fold.train)) == (len(fold.test), TRAIN - len(fold.test))
        both = torch.cat((fold.test.images, fold.train.images)).flatten(1)
        assert sorted(both.tolist()) == sorted(whole.flatten(1).tolist())
        seen += fold.test.images.flatten(1).tolist()
    assert sorted(seen) == sorted(whole.flatten(1).tolist())
    with pytest.raises(UsageError, match=f"fold 1/{parts}: holds back"):
        sets.load_source(TINY, root, holdout=1, fold=f"1/{parts}")


def test_holdout_needs_no_test_files_and_is_inside_the_set(root):
    for holdout in (-1, TRAIN, TRAIN + 1):
        found = f"expected 0 to {TRAIN - 1} .* found {holdout}"
        refused(found, root, holdout=holdout, error=UsageError)
    for path in packed(root, NAMES[2:]):
        path.unlink()
    assert sets.load_source(TINY, root, 5).digest == digest(NAMES[:2])
    refused(NAMES[2], root)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: b"<!DOCTYPE html>",
        gzip.decompress,  # its name says .gz
        lambda content: gzip.compress(gzip.decompress(content)[:-1] + b"\xff"),
    ],
)
def test_damaged_file_is_named(root, name, damage):
    [path] = packed(root, [name])
    path.write_bytes(damage(path.read_bytes()))
    refused(f"^{path}: expected .* found.*; delete the file", root)


def test_size_is_checked_before_unpacking(root):
    size = FILES[0].size - 1
    files = (replace(FILES[0], size=size), *FILES[1:])
    found = f"expected {size} bytes, found a header for {size + 1}"
    refused(found, root, replace(TINY, files=files))


@pytest.mark.parametrize(
    "changed",
    [
        {1: np.zeros(TRAIN - 1, np.uint8)},
        {1: np.full(TRAIN, 10, np.uint8)},
        {1: np.zeros((TRAIN, 1), np.uint8)},
        {1: np.zeros(TRAIN, np.int32)},
        {0: ARRAYS[NAMES[0]][:, :, 1:], 2: ARRAYS[NAMES[2]][:, :, 1:]},
        {0: np.zeros((TRAIN, 784), np.uint8)},
        {0: np.zeros((TRAIN, 28, 28), np.float32)},
        {0: np.zeros((TRAIN, 28, 28), np.uint8)},  # all alike
        {2: np.zeros((TEST, 20, 20), np.uint8)},
        {2: np.zeros((0, 28, 28), np.uint8), 3: np.zeros(0, np.uint8)},
    ],
)
def test_files_that_do_not_belong_together(tmp_path, changed):
    write(tmp_path / "tiny", changed=changed)
    refused(f"{tmp_path}.*expected .* found ", tmp_path, UNCHECKED)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_mean_and_std_are_exact(count, side, seed):
    images = np.random.default_rng(seed).integers(0, 256, (count, 1, side, side), np.uint8)
    pixels = images / 255
    found = sets.mean_and_std(torch.from_numpy(images))
    assert found == pytest.approx((pixels.mean(), pixels.std()), rel=1e-13, abs=1e-13)


def test_mean_and_std_belong_to_the_set(root):
    computed = sets.load_source(TINY, root)
    held = sets.load_source(TINY, root, holdout=10)
    named = sets.load_source(replace(TINY, mean_and_std=(0.1, 0.2)), root)
    pixels = ARRAYS[NAMES[0]] / 255
    assert (computed.mean, computed.std) == pytest.approx((pixels.mean(), pixels.std()))
    assert (held.mean, held.std) == (computed.mean, computed.std)
    assert (named.mean, named.std) == (0.1, 0.2)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A mirror on this machine: its folder and its URL."""
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "published"
    write(folder)
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def by_md5(folder):
    """The tiny set's files, verified as Fashion-MNIST's and KMNIST's are."""
    contents = ((name, (folder / f"{name}.gz").read_bytes()) for name in NAMES)
    return tuple(sources.File(name, md5=hashlib.md5(data).hexdigest()) for name, data in contents)


@pytest.mark.parametrize("by", ["sha256", "md5"])
def test_missing_files_are_downloaded(tmp_path, published, by):
    folder, url = published
    source = sources.Source("tiny", by_md5(folder) if by == "md5" else FILES, (url,))
    sets.load_source(source, tmp_path, holdout=3)
    assert {*(tmp_path / "tiny").iterdir()} == {*packed(tmp_path, NAMES[:2])}
    sets.load_source(source, tmp_path)
    for path in packed(tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    sets.load_source(replace(source, mirrors=()), tmp_path)


def test_zipped_anew_is_the_same_by_sha256_and_another_by_md5(tmp_path, published):
    folder, url = published
    files = by_md5(folder)
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(plain(name), 1))
    sets.load_source(replace(TINY, mirrors=(url,)), tmp_path)
    for source in (sources.Source("tiny", files), sources.Source("other", files, (url,))):
        refused("expected a file of md5 .* found ", tmp_path, source)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("wrong", [gzip.decompress, lambda content: gzip.compress(b"\0\0\x08\0!")])
def test_a_wrong_download_is_refused(tmp_path, published, wrong):
    folder, url = published
    path = folder / f"{NAMES[0]}.gz"
    path.write_bytes(wrong(path.read_bytes()))
    found = f"{NAMES[0]}.gz: .*{url}: 200, but expected .* found"
    refused(found, tmp_path, replace(TINY, mirrors=(url,)))
    assert not list((tmp_path / "tiny").iterdir())


def test_a_set_that_is_written_instead_of_downloaded(tmp_path):
    source = replace(UNCHECKED, write_files=write)
    assert len(sets.load_source(source, tmp_path / "root").test) == TEST
    before = snapshot(tmp_path)
    sets.load_source(source, tmp_path / "root")
    assert snapshot(tmp_path) == before
    packed(tmp_path / "root")[2].unlink()
    refused(f"root/tiny: {NAMES[2]} missing; delete the rest", tmp_path / "root", source)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    advice = "cannot be written.* with --data-dir or TINYTRAIN_DATA"
    source = replace(UNCHECKED, write_files=write)
    refused(f"file/tiny: {advice}", tmp_path / "file", source, error=UsageError)
    source = replace(UNCHECKED, write_files=lambda at: idx.write(at / "no" / "file", np.int32()))
    refused(f"tiny/no: {advice}", tmp_path, source, error=UsageError)


def test_unknown_name(tmp_path):
    with pytest.raises(UsageError, match="mnist, fashion-mnist, kmnist, synthetic.*'cifar'"):
        sets.load("cifar", tmp_path)


def test_data_root(monkeypatch):
    for variable in ("XDG_CACHE_HOME", "TINYTRAIN_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/me")
    assert sets.data_root() == Path("/me/.cache/tinytrain")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert sets.data_root() == Path("/cache/tinytrain")
    monkeypatch.setenv("TINYTRAIN_DATA", "/data")
    assert sets.data_root() == Path("/data")
    assert sets.data_root("~/mine") == Path("/me/mine")


def test_registry_is_whole():
    assert list(sources.SOURCES) == ["mnist", "fashion-mnist", "kmnist", "synthetic"]
    for source in sources.SOURCES.values():
        assert [file.name for file in source.files] == NAMES
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        assert bool(source.mirrors) != bool(source.write_files)
        for file in source.files:
            assert bool(file.sha256 or file.md5) == bool(source.mirrors)
            assert len(file.sha256 or file.md5 or "") in (0, 32, 64)


def test_requests_is_imported_only_for_a_download():
    code = "import sys; from tinytrain import data; data.load; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_real_mnist(mnist):
    assert mnist.train.images.shape == (60000, 1, 28, 28)
    assert mnist.test.images.shape == (10000, 1, 28, 28)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert (mnist.mean, mnist.std) == (0.1307, 0.3081)
    assert sets.mean_and_std(mnist.train.images) == pytest.approx(
        (mnist.mean, mnist.std), abs=5e-5
    )
