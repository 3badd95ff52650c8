"""A set is loaded whole and verified, or an error says which file is wrong and what to do."""

import gzip
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytrain
from tinytrain.data import datasets, from_arrays
from tinytrain.data.deskew import deskew
from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx, sources
from tinytrain.streams import generator

TRAIN, TEST = 30, 5
NAMES = list(sources.NAMES)


def own(channels, height, width, classes, seed=0):
    """Arrays of one's own, every class in training and the last one not in the test."""
    chance = np.random.default_rng(seed)
    shape = (channels, height, width) if channels > 1 else (height, width)
    arrays = []
    for count, seen in (3 * classes, classes), (5, max(1, classes - 1)):
        images = chance.integers(0, 256, (count, *shape), np.uint8)
        images[0].flat[0], images[-1].flat[0] = 0, 255  # not all alike
        arrays += [images, (np.arange(count) % seen).astype(np.uint8)]
    return arrays


ARRAYS = dict(zip(NAMES, own(1, 28, 28, 10), strict=True))


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
        datasets.load_source(source, root, holdout)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_tiny_set_is_loaded_and_a_complete_root_left_alone(tmp_path, suffix):
    write(tmp_path / "tiny", suffix)
    for path in packed(tmp_path) if suffix == "" else ():
        path.write_bytes(b"the plain file goes first: never looked at")
    before = snapshot(tmp_path)
    (tmp_path / "tiny").chmod(0o555)
    data = datasets.load_source(TINY, tmp_path)
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
    before = datasets.load("synthetic", tmp_path, holdout)
    after = datasets.load("synthetic", tmp_path, holdout, deskew=True)
    assert (before.name, len(before.train)) == ("synthetic", TRAIN - holdout)
    for slanted, upright in (before.train, after.train), (before.test, after.test):
        assert torch.equal(upright.images, deskew(slanted.images))
        assert not torch.equal(upright.images, slanted.images)
        assert torch.equal(upright.labels, slanted.labels)
    assert vars(after) | {"train": 0, "test": 0} == vars(before) | {"train": 0, "test": 0}


FOLDS = [f"{part}/{parts}" for parts in (2, 3, 7) for part in range(1, parts + 1)]


@settings(max_examples=40)
@given(st.integers(1, TRAIN - 1), st.sampled_from(FOLDS))
def test_what_is_held_out_is_the_same_for_ever(tmp_path_factory, holdout, fold):
    """Whatever torch's own generator does, and without a look at the test files."""
    root = tmp_path_factory.mktemp("root")
    write(root / "tiny")
    whole = datasets.load_source(TINY, root).train
    for path in packed(root, NAMES[2:]):
        path.write_bytes(b"the test files: never opened")
    part, parts = map(int, fold.split("/"))
    start, end = TRAIN * (part - 1) // parts, TRAIN * part // parts
    torch.manual_seed(holdout)
    for count, name, first, chosen in (
        (holdout, "holdout", 0, {"holdout": holdout}),
        (end - start, "fold", start, {"fold": fold}),
        (end - start, "fold", start, {"fold": fold, "holdout": end - start}),
    ):
        order = torch.randperm(TRAIN, generator=generator(0, name)).roll(-first)
        data = datasets.load_source(TINY, root, **chosen)
        assert data.holdout == count
        for split, rows in (data.test, order[:count]), (data.train, order[count:]):
            assert torch.equal(split.images, whole.images[rows])
            assert torch.equal(split.labels, whole.labels[rows])
    with pytest.raises(UsageError, match=f"fold {fold}"):
        datasets.load_source(TINY, root, holdout=end - start + 1, fold=fold)


def test_holdout_needs_no_test_files_and_is_inside_the_set(root):
    for holdout in (-1, TRAIN, TRAIN + 1):
        refused(f"holdout: .*{holdout}", root, holdout=holdout, error=UsageError)
    for path in packed(root, NAMES[2:]):
        path.unlink()
    assert datasets.load_source(TINY, root, 5).digest == digest(NAMES[:2])
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
    refused(f"^{path}: ", root)
    mirrored = replace(TINY, mirrors=("http://0.0.0.0:1/",))
    refused(f"^{path}: .*; move the file away", root, mirrored)


def test_size_is_checked_before_unpacking(root):
    size = FILES[0].size - 1
    files = (replace(FILES[0], size=size), *FILES[1:])
    refused(f"{size}.* header .*{size + 1}", root, replace(TINY, files=files))


@pytest.mark.parametrize(
    "changed",  # what else is refused, is by `from_arrays`, too: see WRONG
    [
        {1: np.zeros(TRAIN - 1, np.uint8)},
        {1: np.full(TRAIN, 10, np.uint8)},  # so the test has labels that training lacks
        {0: np.zeros((TRAIN, 28, 28), np.uint8)},  # all alike
        {2: np.zeros((TEST, 20, 20), np.uint8)},
    ],
)
def test_files_that_do_not_belong_together(tmp_path, changed):
    write(tmp_path / "tiny", changed=changed)
    refused(str(tmp_path), tmp_path, UNCHECKED)


def test_mean_and_std_belong_to_the_set(root):
    computed, held = (datasets.load_source(TINY, root, holdout) for holdout in (0, 10))
    named = datasets.load_source(replace(TINY, mean_and_std=(0.1, 0.2)), root)
    assert (held.mean, held.std, named.mean, named.std) == (computed.mean, computed.std, 0.1, 0.2)


@pytest.fixture
def published(tmp_path, monkeypatch, serve):
    """A mirror on this machine: its folder and its URL."""
    monkeypatch.setenv("NO_PROXY", "*")
    write(tmp_path / "published")
    with serve(tmp_path / "published") as url:
        yield tmp_path / "published", url


def by_md5(folder):
    """The tiny set's files, verified as Fashion-MNIST's and KMNIST's are."""
    contents = ((name, (folder / f"{name}.gz").read_bytes()) for name in NAMES)
    return tuple(sources.File(name, md5=hashlib.md5(data).hexdigest()) for name, data in contents)


@pytest.mark.parametrize("by", ["sha256", "md5"])
def test_missing_files_are_downloaded(tmp_path, published, by):
    folder, url = published
    source = sources.Source("tiny", by_md5(folder) if by == "md5" else FILES, (url,))
    datasets.load_source(source, tmp_path, holdout=3)
    assert {*(tmp_path / "tiny").iterdir()} == {*packed(tmp_path, NAMES[:2])}
    datasets.load_source(source, tmp_path)
    for path in packed(tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    datasets.load_source(replace(source, mirrors=()), tmp_path)


def test_zipped_anew_is_the_same_by_sha256_and_another_by_md5(tmp_path, published):
    folder, url = published
    files = by_md5(folder)
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(plain(name), 1))
    datasets.load_source(replace(TINY, mirrors=(url,)), tmp_path)
    for source in (sources.Source("tiny", files), sources.Source("other", files, (url,))):
        refused("md5", tmp_path, source)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("wrong", [gzip.decompress, lambda content: gzip.compress(b"\0\0\x08\0!")])
def test_a_wrong_download_is_refused(tmp_path, published, wrong):
    folder, url = published
    path = folder / f"{NAMES[0]}.gz"
    path.write_bytes(wrong(path.read_bytes()))
    refused(f"{NAMES[0]}.gz: .*{url}", tmp_path, replace(TINY, mirrors=(url,)))
    assert not (tmp_path / "tiny").exists()


def test_a_set_that_is_written_instead_of_downloaded(tmp_path):
    source = replace(UNCHECKED, write_files=write)
    assert len(datasets.load_source(source, tmp_path / "root").test) == TEST
    before = snapshot(tmp_path)
    datasets.load_source(source, tmp_path / "root")
    assert snapshot(tmp_path) == before
    packed(tmp_path / "root")[2].unlink()
    refused(f"root/tiny: {NAMES[2]} missing", tmp_path / "root", source)


def test_a_folder_that_cannot_be_written_and_unknown_names(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    lost = replace(UNCHECKED, write_files=lambda at: idx.write(at / "no" / "file", np.int32()))
    for named, root, source in (
        ("/file: .*--data-dir", tmp_path / "file", replace(UNCHECKED, write_files=write)),
        ("tiny/no: .*--data-dir", tmp_path, lost),
    ):
        refused(named, root, source, error=UsageError)
    for name in "cifar", tmp_path / "mnist", "./mnist":
        with pytest.raises(UsageError, match=f"^--dataset {name}: "):
            datasets.load(name, tmp_path)


USUAL = ["train-images", "train-labels", "test-images", "test-labels"]


def folder_of(folder, arrays, names=USUAL):
    folder.mkdir(exist_ok=True)
    for name, array in zip(names, arrays, strict=True):
        idx.write(folder / name, array)
    return folder


def same(one, other):
    """Whether two data sets are alike but for their names and the digests of files."""
    splits = (one.train, other.train), (one.test, other.test)
    assert all(torch.equal(a.images, b.images) for a, b in splits)
    assert all(torch.equal(a.labels, b.labels) for a, b in splits)
    unlike = {"name": "", "train": "", "test": "", "digests": ()}
    return vars(one) | unlike == vars(other) | unlike


NAMINGS = NAMES, USUAL, [f"{name}.gz" for name in USUAL], ["train-images.idx", *USUAL[1:]]


@settings(max_examples=40)
@given(
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(2, 9),
    st.sampled_from([1, 2, 5, 256]),
    st.sampled_from(NAMINGS),
)
def test_a_folder_of_ones_own_and_the_same_arrays(
    tmp_path_factory, channels, height, width, classes, names
):
    arrays = own(channels, height, width, classes)
    folder = folder_of(tmp_path_factory.mktemp("own"), arrays, names)
    data = datasets.load(folder)
    assert data.name == str(folder) and data.classes == classes
    assert data.train.images.shape == (3 * classes, channels, height, width)
    assert (data.test.images.numpy().reshape(arrays[2].shape) == arrays[2]).all()
    assert (data.test.labels.numpy() == arrays[3]).all()
    pixels = arrays[0] / 255
    assert (data.mean, data.std) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-13)
    listed = [data.train.images, [*arrays[1]], *map(np.asfortranarray, arrays[2:])]
    for equal in arrays, map(torch.from_numpy, arrays), listed:
        assert same(data, from_arrays(*equal))


def test_arrays_are_copied():
    arrays = own(1, 4, 3, 2)
    data = from_arrays(*arrays, name="mine")
    before = data.train.images.clone()
    arrays[0][:] = 7
    assert torch.equal(data.train.images, before) and (data.name, data.digest) == ("mine", "")


def test_by_its_path_or_by_its_name_where_one_is(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "flowers", own(1, 4, 3, 2))
    folder_of(tmp_path / "mnist", own(1, 4, 3, 2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in "flowers", "./flowers", folder, "~/flowers":
        assert datasets.load(name).name == str(folder)
    assert datasets.load("./mnist").name == str(tmp_path / "mnist")  # nobody takes it for MNIST
    assert str(tmp_path / "mnist") not in sources.SOURCES


def test_holdout_and_fold_of_ones_own_and_colour_is_not_deskewed(tmp_path):
    folder = folder_of(tmp_path / "own", own(1, 9, 6, 5))
    for name in USUAL[2:]:
        (folder / name).unlink()
    held, fold = datasets.load(folder, holdout=4), datasets.load(folder, fold="2/3")
    assert (len(held.test), len(held.train), len(fold.test)) == (4, 11, 5)
    assert held.classes == fold.classes == 5
    with pytest.raises(DataError, match="own: .* no test-images, test-l"):
        datasets.load(folder)
    colour = folder_of(tmp_path / "colour", own(3, 9, 6, 5))
    with pytest.raises(UsageError, match=f"--dataset {colour}: .*--deskew"):
        datasets.load(colour, deskew=True)


def test_a_class_in_between_may_be_empty():
    images, labels, *test = own(1, 4, 3, 5)
    data = from_arrays(images, np.where(labels == 0, 1, labels), test[0], test[1] * 0 + 4)
    assert data.classes == 5


def test_two_files_for_one(tmp_path):
    folder = folder_of(tmp_path / "own", own(1, 4, 3, 2))
    for name in "test-images-idx3-ubyte", "t10k-images":
        (folder / name).write_bytes(b"")
        with pytest.raises(DataError, match=f"own: expected one file test-images.*{name}"):
            datasets.load(folder)
        (folder / name).unlink()
    (folder / "test-images.gz").write_bytes(b"the plain file goes first")
    (folder / ".train-images.1234.part").write_bytes(b"of somebody who writes")
    datasets.load(folder)


A, B, C, D = own(2, 4, 3, 3)
IMAGES, LABELS = "train_images", "train_labels"
TEST_IMAGES, TEST_LABELS = "test_images", "test_labels"
WRONG = {  # the arrays, the one that is named, and how it is found
    "fewer labels": ([A, B[1:], C, D], LABELS, "(8,)"),
    "floats": ([A / 255, B, C, D], IMAGES, "float64 (9, 2, 4, 3)"),
    "no axis of images": ([A[0, 0], B, C, D], IMAGES, "uint8 (4, 3)"),
    "no images": ([A, B, C[:0], D[:0]], TEST_IMAGES, "uint8 (0, 2, 4, 3)"),
    "no pixels": ([A[:, :, :0], B, C, D], IMAGES, "uint8 (9, 2, 0, 3)"),
    "floats for labels": ([A, B, C, D * 1.0], TEST_LABELS, "float64 (5,)"),
    "one-hot labels": ([A, np.eye(9, dtype=int), C, D], LABELS, "int64 (9, 9)"),
    "truth for labels": ([A, B > 0, C, D], LABELS, "bool (9,)"),
    "a label below 0": ([A, B - np.int8(1), C, D], LABELS, "-1 to 1"),
    "a label above 255": ([A, B, C, D + np.int64(255)], TEST_LABELS, "255 to 256"),
    "another size": ([A, B, C[:, :, 1:], D], TEST_IMAGES, "(2, 3, 3)"),
    "grey and colour": ([A, B, C[:, 0], D], TEST_IMAGES, "(1, 4, 3)"),
    "an unseen class": ([A, B, C, D + 2], TEST_LABELS, "3"),
    "an empty class": ([A, B * 2, C, D], TEST_LABELS, "1"),
    "one grey": ([A * 0 + 9, B, C, D], IMAGES, "pixels of 9"),
    "transparency": ([np.zeros((9, 8, 4, 4), np.uint8), B, C, D], IMAGES, ""),
    "two channels, last": ([np.zeros((9, 8, 4, 2), np.uint8), B, C, D], IMAGES, "(9, 8, 4, 2)"),
    "five axes": ([A[:, None], B, C, D], IMAGES, "uint8 (9, 1, 2, 4, 3)"),
    "ragged": ([[[1], [1, 2]], B, C, D], IMAGES, ""),
    "bfloat16": ([torch.zeros(9, 4, 3).bfloat16(), B, C, D], IMAGES, "BFloat16"),
    "nothing": ([None, B, C, D], IMAGES, "object ()"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_arrays_that_cannot_be_a_set(wrong):
    arrays, named, found = WRONG[wrong]
    with pytest.raises(DataError, match=f"^{named}: .*{re.escape(found)}[^\n]*$"):
        from_arrays(*arrays)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_become_channels_first(channels):
    first, labels, *test = own(channels, 6, 5, 3)
    last, test_last = (
        np.moveaxis(images.reshape(-1, channels, 6, 5), 1, -1) for images in (first, test[0])
    )
    assert same(from_arrays(last, labels, test_last, test[1]), from_arrays(first, labels, *test))


def test_data_root(monkeypatch):
    """Each variable goes before the ones before it, and an argument before all."""
    for variable in ("XDG_CACHE_HOME", "TINYTRAIN_DATA"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value, expected in (
        ("HOME", "/me", "/me/.cache/tinytrain"),
        ("XDG_CACHE_HOME", "/cache", "/cache/tinytrain"),
        ("TINYTRAIN_DATA", "/data", "/data"),
    ):
        monkeypatch.setenv(variable, value)
        assert datasets.data_root() == Path(expected)
    assert datasets.data_root("~/mine") == Path("/me/mine")


def test_registry_is_whole():
    assert list(sources.SOURCES) == ["mnist", "fashion-mnist", "kmnist", "synthetic"]
    for source in sources.SOURCES.values():
        assert [file.name for file in source.files] == NAMES
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        assert bool(source.mirrors) != bool(source.write_files)
        assert source.mean_and_std == ((0.1307, 0.3081) if source.name == "mnist" else None)
        for file, size in zip(source.files, (47040016, 60008, 7840016, 10008), strict=True):
            assert file.size == (size if source.mirrors else None)
            assert len(file.sha256 or file.md5 or "") in ((32, 64) if source.mirrors else (0,))


def test_requests_is_imported_only_for_a_download():
    importing = re.compile(r"(?m)^(import|from) .*(requests|download)")  # not in a function
    files = Path(tinytrain.__file__).parent.rglob("*.py")
    assert [path.stem for path in files if importing.search(path.read_text("utf-8"))] == [
        "download"
    ]


def test_real_mnist(mnist):
    assert mnist.train.images.shape == (60000, 1, 28, 28)
    assert mnist.test.images.shape == (10000, 1, 28, 28)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    found = datasets.mean_and_std(mnist.train.images)
    assert found == pytest.approx((mnist.mean, mnist.std), abs=5e-5)
