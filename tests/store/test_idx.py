"""What goes into an IDX file comes out of it, and a file that's a byte off doesn't come out."""

import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinytrain.errors import DataError, UsageError
from tinytrain.store import idx

ARRAYS = st.sampled_from(sorted(idx.CODES)).flatmap(
    lambda name: arrays.arrays(name, arrays.array_shapes(min_dims=0, max_dims=6, min_side=0))
)
NAMES = st.sampled_from(["array.idx", "array.idx.gz"])
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


def refused(path, content: bytes, match="array.*expected .* found", **known) -> int:
    """Check that `content` is refused in one line; return the peak of allocated bytes."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=match) as error:
            idx.read(path, **known)
        assert "\n" not in str(error.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def header(*shape: int, code: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


@settings(max_examples=60)
@given(ARRAYS, NAMES)
def test_round_trip(folder, array, name):
    idx.write(folder / name, array)
    before = (folder / name).read_bytes()
    plain = gzip.decompress(before) if name.endswith(".gz") else before
    hasher = hashlib.sha256()  # which sees the plain bytes
    for found in idx.read(folder / name), idx.read(folder / name, len(plain), hasher):
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        assert found.tobytes() == array.tobytes()  # bytes: a NaN equals itself
        found[...] = 9  # it is writable, and the file's no longer
    assert (folder / name).read_bytes() == before
    assert hasher.digest() == hashlib.sha256(plain).digest()


@pytest.mark.parametrize(
    "code, name", [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]
)
def test_bytes_on_disk(folder, code, name):
    array = np.array([[1, 2, 3], [4, 5, 6]], name)
    idx.write(folder / "array", array)
    expected = header(2, 3, code=code) + array.astype(f">{name}").tobytes()
    assert (folder / "array").read_bytes() == expected


def test_highest_rank(folder):
    idx.write(folder / "array", np.full((1,) * 64, 7, np.uint8))
    assert idx.read(folder / "array").shape == (1,) * 64
    refused(folder / "array", header(*(1,) * 65) + b"7")


def test_gzip_is_told_by_content_and_deterministic(folder):
    array = np.arange(100, dtype=np.int16)
    for name in ("first.gz", "second.gz"):
        idx.write(folder / name, array)
    content = (folder / "first.gz").read_bytes()
    assert content == (folder / "second.gz").read_bytes()
    assert content[:8] == bytes.fromhex("1f8b0800") + bytes(4)  # no name, no time
    (folder / "array").write_bytes(content)
    assert (idx.read(folder / "array") == array).all()


@settings(max_examples=15)
@given(ARRAYS.filter(lambda array: array.size < 20), NAMES, st.binary(min_size=1))
def test_a_byte_less_and_a_byte_more_are_refused(folder, array, name, more):
    idx.write(folder / name, array)
    content = (folder / name).read_bytes()
    for length in range(len(content)):
        refused(folder / name, content[:length])
    refused(folder / name, content + more)
    if name.endswith(".gz"):
        refused(folder / name, gzip.compress(gzip.decompress(content) + more), "found more")
        refused(folder / name, content + gzip.compress(more))


@given(st.integers(1, 8), st.integers(1, 255))
def test_gzip_check_sums_count(folder, place, change):
    content = bytearray(gzip.compress(header(4) + b"abcd"))
    content[-place] ^= change
    refused(folder / "array.gz", bytes(content))


@settings(max_examples=40)
@given(st.one_of(st.binary(), st.tuples(*[st.integers(0, 20)] * 3).map(bytes)))
def test_foreign_files_are_refused(folder, start):
    assume(start[:2] != b"\0\0" or start[2:3] not in map(bytes, zip(idx.CODES.values())))
    for content in start, start + b"\1\0\0\0\3abc":  # but for its start it may be an IDX file
        refused(folder / "array", content)
        refused(folder / "array", gzip.compress(content))


@pytest.mark.parametrize("shape", [(1 << 20,) * 2, (0xFFFFFFFF,) * 40, (0xFFFFFFFF,) * 3 + (0,)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_header_that_lies_allocates_nothing(folder, shape, pack):
    assert refused(folder / "array", pack(header(*shape))) < 4 * MIB


def test_a_gzip_bomb_is_not_unpacked_and_an_honest_one_up_to_a_limit(folder, monkeypatch):
    zeros = bytes(16 * MIB)
    assert refused(folder / "array", gzip.compress(header(10) + zeros)) < 4 * MIB
    honest = gzip.compress(header(len(zeros)) + zeros)
    assert refused(folder / "array", honest, size=10_000) < 4 * MIB
    found = "expected at most 1073741824 bytes.*4294967303; unpack it, or set TINYTRAIN_LARGEST"
    assert refused(folder / "array", gzip.compress(header((1 << 32) - 1)), found) < 4 * MIB
    content = gzip.compress(header(4) + b"abcd")
    for largest in ("11", "0"):
        monkeypatch.setenv("TINYTRAIN_LARGEST", largest)
        refused(folder / "array", content, "at most")
        assert idx.read(folder / "array", size=12).tobytes() == b"abcd"
    for largest in ("12", "much", ""):
        monkeypatch.setenv("TINYTRAIN_LARGEST", largest)
        assert idx.read(folder / "array").tobytes() == b"abcd"


def test_missing_file_and_folder(folder):
    for path, named in (folder / "nowhere", "nowhere"), (folder, "directory"):
        with pytest.raises(DataError, match=named):
            idx.read(path)
    with pytest.raises(UsageError, match="nowhere"):
        idx.write(folder / "nowhere" / "array", np.zeros(1, np.uint8))


def test_what_an_idx_file_cannot_hold_is_named_and_nothing_is_written(tmp_path):
    for name in ("bool", "int64", "uint16", "float16", "complex64", "U3", "O"):
        with pytest.raises(TypeError, match="int32.*astype"):
            idx.write(tmp_path / "array", np.zeros(3, name))
    with pytest.raises(ValueError, match="below 2\\*\\*32"):
        idx.write(tmp_path / "array", np.zeros((1 << 32, 0), np.uint8))
    assert not list(tmp_path.iterdir())
    idx.write(tmp_path / "array", np.zeros(((1 << 32) - 1, 0), np.uint8))
