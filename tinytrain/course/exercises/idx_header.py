"""Read the header of an IDX file.

The first bytes of MNIST's four files say what follows. A reader that believes a damaged header
returns noise as images, or asks for a terabyte of memory; so every byte is checked.

1. Four bytes come first: 0, 0, the code of the type, the rank. TYPES maps each code to its dtype
   (8 is uint8). Then follows a size of four bytes for each of rank dimensions.
2. The sizes are big-endian and unsigned: struct.unpack(f'>{rank}I', sizes) reads them all. Read
   no byte beyond the header: what follows are the elements.
3. require(holds, path, expected, found) raises DataError unless `holds`. Require four bytes that
   start with 0 0, a code that is in TYPES, and 4 · rank bytes of sizes. Return the bytes read,
   the dtype, and the tuple of sizes.
"""

import io
import struct

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned
from tinytrain.errors import DataError
from tinytrain.store import idx

shipped = idx.read_header


def draw_arguments(draw: Draw) -> Arguments:
    """The first bytes of a file, sometimes with a wrong zero or type, or cut short."""
    rank = draw.integer(0, 3)
    sizes = [draw.one_of(draw.integer(0, 9), draw.integer(1, 10**6)) for _ in range(rank)]
    zero, code = draw.one_of(0, 0, 0, 0, 0, 7), draw.one_of(8, 9, 11, 12, 13, 14, 10)
    header = struct.pack(f">BBBB{rank}I", 0, zero, code, rank, *sizes)
    elements = draw.one_of(b"\1\2", b"\1\2", b"")
    end = draw.one_of(99, 99, 99, 99, len(header) - 1)
    return {"bytes": (header[:end] + elements).hex(" ")}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The parts of the header and how far the stream was read; or that DataError is raised."""
    stream = io.BytesIO(bytes.fromhex(arguments["bytes"]))
    try:
        header, dtype, shape = function("the file", stream)
    except DataError:
        return {"raises": "DataError"}
    return {
        "raises": "nothing",
        "shape": tuple(map(int, shape)),
        "header": bytes(header).hex(" "),
        "dtype": dtype.str,
        "bytes read": stream.tell(),
    }


mistakes = """
little-endian: f">{rank}I" → f"<{rank}I"
always three sizes: rank = magic[3] → rank = 3
any type is known: magic[2] in TYPES → magic[2] in range(256)
sizes may be cut short: require(len(sizes) == 4 * rank,
    → sizes += bytes(9)[:4 * rank - len(sizes)]; require(True,
the zeros are not checked: magic[:2] → bytes(2)
"""
