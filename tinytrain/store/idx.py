"""Read and write IDX, the file format of MNIST.

    00 00 | type of an element | rank | one 32-bit size per dimension | the elements, row by row

All numbers are big-endian (the format is at the end of http://yann.lecun.com/exdb/mnist/). A
damaged header can promise a terabyte in 20 bytes, so nothing is allocated before the bytes that
are there have been counted. Images larger than memory are read by `on_disk`, a batch at a time.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinytrain.errors import DataError
from tinytrain.store.files import AnyPath, open_file, require, write_file

Array = np.ndarray[Any, np.dtype[Any]]
CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
TYPES = {code: np.dtype(name).newbyteorder(">") for name, code in CODES.items()}
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes
LARGEST = 1 << 30  # bytes of a file that are held in memory, unless $TINYTRAIN_LARGEST is set


def read(path: AnyPath, size: int | None = None, hasher: Any = None) -> Array:
    """The array in the IDX file `path`, plain or gzip (told by its content, not by its name).

    Its rank is 0 to 64 (numpy's limit), its elements are in native byte order.

    `size`: the length in bytes that the plain or decompressed file must have; where it is None, a
    gzip may hold `largest()` bytes.
    `hasher`: a hashlib object to update with all the plain or decompressed bytes.
    Raises DataError for a file that cannot be read, is not IDX, or has a byte too few or too many.
    """
    try:
        with open_file(path) as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            stream = Gunzip(file) if packed else file
            header, dtype, shape = read_header(path, stream)
            count = math.prod(shape) * dtype.itemsize  # Python integers do not overflow
            promised = len(header) + count
            require(size in (None, promised), path, f"{size} bytes", f"a header for {promised}")
            if packed and size is None:
                require_room(path, promised)
            # One byte more than promised is enough to see that there is more.
            if packed:
                body = stream.read(count + 1)
            else:
                body = bytearray(min(count + 1, os.fstat(file.fileno()).st_size))
                del body[file.readinto(body) :]
            expected = f"{count} bytes after the header ({dtype.name}, shape {shape})"
            require(len(body) == count, path, expected, len(body) if len(body) < count else "more")
            array = np.ndarray(shape, dtype, body)
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole IDX file, found: {error}") from error
    except ValueError as error:  # a rank above 64, or sizes such as (2³² - 1, 2³² - 1, 0)
        raise DataError(f"{path}: expected a shape for numpy, found: {error}") from error
    if hasher is not None:
        hasher.update(header)
        hasher.update(body)
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder())
    return array


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

    The same array gives the same bytes (a gzip's time stamp is 0). Raises TypeError for an element
    type that IDX lacks, ValueError for a dimension of 2³² or more, UsageError where the file
    cannot be written.
    """
    content = plain(array)
    packed = os.fspath(path).endswith(".gz")
    write_file(Path(path), gzip.compress(content, 6, mtime=0) if packed else content)


def plain(array: Array) -> bytes:
    """The bytes of the plain IDX file of `array`. Raises TypeError and ValueError as `write`."""
    array = np.asarray(array)
    return (
        header_of(array.dtype, array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def header_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes before the elements. Raises TypeError and ValueError as `write`."""
    if dtype.name not in CODES:
        raise TypeError(f"IDX holds {', '.join(CODES)}, not {dtype}: convert with astype")
    if max(shape, default=0) >= 1 << 32:
        raise ValueError(f"IDX holds dimensions below 2**32, not the shape {shape}")
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, CODES[dtype.name], len(shape), *shape)


def read_header(
    path: AnyPath, stream: BinaryIO | Gunzip
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


class Gunzip:
    """A reader of a gzip file (RFC 1952, one member) that unpacks only as much as is read.

    Python's gzip module accepts zeros after the end as padding; here every byte counts.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.stream = zlib.decompressobj(wbits=31)  # 31: a gzip header and its check sum

    def read(self, count: int) -> bytearray:
        """The next `count` bytes, fewer where the stream ends.

        Raises zlib.error if the stream is cut off before, or anything follows its end.
        """
        data = bytearray()  # grows with the bytes present, not with those promised
        while len(data) < count and not self.stream.eof:
            packed = self.stream.unconsumed_tail or self.file.read(CHUNK)
            piece = self.stream.decompress(packed, min(count - len(data), CHUNK))
            if not packed and not piece:
                raise zlib.error("the gzip stream is cut off")
            data += piece
        if self.stream.eof and (self.stream.unused_data or self.file.read(1)):
            raise zlib.error("bytes after the end of the gzip stream")
        return data
