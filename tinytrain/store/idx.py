"""Read and write IDX, the file format of MNIST.

    00 00 | type of an element | rank | one 32-bit size per dimension | the elements, row by row

All numbers are big-endian (the format is at the end of http://yann.lecun.com/exdb/mnist/). A
damaged header can promise a terabyte in 20 bytes, so memory grows with the bytes that are there.
Images larger than memory are read by `on_disk`, a batch at a time.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinytrain.store.files import AnyPath, open_file, reading, require, write_file

Array = np.ndarray[Any, np.dtype[Any]]
CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
TYPES = {code: np.dtype(name).newbyteorder(">") for name, code in CODES.items()}
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes
LARGEST = 1 << 30  # bytes of a file that are held in memory, unless $TINYTRAIN_LARGEST is set


def read(path: AnyPath, size: int | None = None, hasher: Any = None) -> Array:
    """The array in the IDX file `path`, plain or gzip (told by its content, not by its name).

    Its rank is 0 to 64 (numpy's limit), its elements are in native byte order. `size`: the length
    in bytes that the plain file must have; where it is None, a gzip may hold `largest()` bytes.
    `hasher`: a hashlib object to update with all the plain bytes.
    Raises DataError for a file that cannot be read, is not IDX, or has a byte too few or too many.
    """
    # ValueError: a rank above 64, or sizes such as (2³² - 1, 2³² - 1, 0).
    errors = OSError, EOFError, ValueError, zlib.error
    with reading(path, "a whole IDX file", errors), open_file(path) as file:
        packed = file.peek(2)[:2] == GZIP
        stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if packed else file
        header, dtype, shape = read_header(path, stream)
        count = math.prod(shape) * dtype.itemsize  # Python integers do not overflow
        promised = len(header) + count
        require(size in (None, promised), path, f"{size} bytes", f"a header for {promised}")
        if packed and size is None:
            require_room(path, promised)
        body = bytearray()
        # One byte more than promised is enough to see that there is more.
        while piece := stream.read(min(count + 1 - len(body), CHUNK)):
            body += piece
        if packed and len(body) == count:  # Python takes zeros, and more members, for padding
            file.seek(-4, os.SEEK_END)
            whole = file.read() == (promised % (1 << 32)).to_bytes(4, "little")
            require(whole, path, "the end of the file after its gzip stream", "more")
        expected = f"{count} bytes after the header ({dtype.name}, shape {shape})"
        require(len(body) == count, path, expected, len(body) if len(body) < count else "more")
        array = np.ndarray(shape, dtype, body)
    if hasher is not None:
        hasher.update(header)
        hasher.update(body)
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder())
    return array


def read_header(
    path: AnyPath, stream: BinaryIO | gzip.GzipFile
) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    """The header's bytes, and the type and shape in it. Raises DataError if it is no header."""
    magic = bytes(stream.read(4))
    known = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in TYPES
    expected = "an IDX file (00 00, a type 08 09 0b 0c 0d 0e, a rank)"
    require(known, path, expected, magic.hex(" ") or "no bytes")
    rank = magic[3]
    sizes = bytes(stream.read(4 * rank))
    require(len(sizes) == 4 * rank, path, f"a header of {4 + 4 * rank} bytes", "fewer")
    return magic + sizes, TYPES[magic[2]], struct.unpack(f">{rank}I", sizes)


def largest() -> int:
    """The most bytes of a file that are held in memory: $TINYTRAIN_LARGEST, or else 1 GiB."""
    text = os.environ.get("TINYTRAIN_LARGEST", "")
    return int(text) if text.isdecimal() and len(text) < 20 else LARGEST


def require_room(path: AnyPath, promised: int) -> None:
    """Raise DataError where what is packed promises more than `largest()` bytes."""
    found = f"a header for {promised}; unpack it, or set TINYTRAIN_LARGEST (bytes)"
    require(promised <= largest(), path, f"at most {largest()} bytes in a packed file", found)


def write(path: AnyPath, array: Array) -> None:
    """Write `array` as an IDX file, gzip if the name ends in .gz, whole or not at all.

    The same array gives the same bytes (a gzip's time stamp is 0). Raises TypeError and ValueError
    as `plain`, UsageError where the file cannot be written.
    """
    content = plain(array)
    packed = os.fspath(path).endswith(".gz")
    write_file(Path(path), gzip.compress(content, 6, mtime=0) if packed else content)


def write_pair(folder: Path, name: str, images: Array, labels: Array) -> None:
    """Write NAME-images-idx3-ubyte (idx4 where they have an axis of channels) and its labels."""
    write(folder / f"{name}-images-idx{images.ndim}-ubyte", images)
    write(folder / f"{name}-labels-idx1-ubyte", labels)


def plain(array: Array) -> bytes:
    """The bytes of the plain IDX file of `array`.

    Raises TypeError for an element type that IDX lacks, ValueError for a dimension of 2³² or more.
    """
    array = np.asarray(array)
    if array.dtype.name not in CODES:
        raise TypeError(f"IDX holds {', '.join(CODES)}, not {array.dtype}: convert with astype")
    if max(array.shape, default=0) >= 1 << 32:
        raise ValueError(f"IDX holds dimensions below 2**32, not the shape {array.shape}")
    header = struct.pack(
        f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()
