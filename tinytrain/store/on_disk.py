"""Images that stay in their file: a batch is read when it is asked for.

For sets larger than memory. Reads are used, not a memory map: where the file is cut short, a map
ends the process by a signal (SIGBUS), a read by an ordinary error, and it costs no more (128
digits: 0.19 ms from the system's cache, 0.17 from memory). From a cold disk those digits take
13 ms one after another, and 7 ms where all are announced first.

The file is opened anew for every batch, and its length and time of change are compared. A byte
that is changed and dated back, or that the disk loses, is noticed by the digest at the next start.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedReader
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from tinytrain.store import idx
from tinytrain.store.files import AnyPath, open_file, reading, require


@dataclass(frozen=True, eq=False)
class StoredImages:
    """uint8 images (N, C, H, W) in a plain IDX file; `images[rows]` is a tensor, as of a tensor.

    `index`: int64 (N,), which of the file's images these are; `size`: (C, H, W); `start`: where
    the file's first image begins, in bytes; `stamp`: the file's length in bytes and its time of
    change (ns). What is read goes through `functions`, in order, and then to `device`.
    """

    path: AnyPath
    index: Tensor
    size: tuple[int, ...]
    start: int
    stamp: tuple[int, int]
    functions: tuple[Callable[[Tensor], Tensor], ...] = ()
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return (len(self), *self.size)

    def __getitem__(self, rows: int | slice | list[int] | Tensor) -> Tensor:
        """Read the images in these rows, uint8. Raises DataError where the file has changed."""
        wanted, length = self.index[rows], math.prod(self.size)
        expected = f"the {self.stamp[0]} bytes that were there at the start"
        with reading(self.path, expected), open_file(self.path) as file:
            places = [self.start + length * row for row in wanted.reshape(-1).tolist()]
            if hasattr(os, "posix_fadvise"):  # macOS does not have it
                for place in places:
                    os.posix_fadvise(file.fileno(), place, length, os.POSIX_FADV_WILLNEED)
            pixels = bytearray().join(os.pread(file.fileno(), length, place) for place in places)
            stamp = stamp_of(file)
        same = stamp == self.stamp and len(pixels) == length * wanted.numel()
        require(same, self.path, expected, f"{stamp[0]}, changed since")
        images = torch.from_numpy(np.frombuffer(pixels, np.uint8).reshape(-1, *self.size))
        for function in self.functions:
            images = function(images)
        return images.view(*wanted.shape, *self.size).to(self.device)

    def rows(self, rows: Tensor | slice) -> StoredImages:
        """A view of the images in these rows."""
        return replace(self, index=self.index[rows])

    def with_channels_first(self) -> StoredImages:
        """The images (N, C, H, W) of a file that was taken for that, and has (N, H, W, C)."""
        height, width, channels = self.size
        return replace(self, size=(channels, height, width)).mapped(channels_first)

    def to(self, device: torch.device | str) -> StoredImages:
        """The same images, moved to `device` when they are read."""
        return replace(self, device=device)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> StoredImages:
        """The same images, with `function` applied to each batch (n, C, H, W) that is read."""
        return replace(self, functions=(*self.functions, function))


def channels_first(images: Tensor) -> Tensor:
    """Images (N, C, H, W) of bytes in the order (N, H, W, C)."""
    count, channels, height, width = images.shape
    return images.view(count, height, width, channels).permute(0, 3, 1, 2).contiguous()


Images: TypeAlias = Tensor | StoredImages
Stored: TypeAlias = idx.Array | StoredImages


def stamp_of(file: BufferedReader) -> tuple[int, int]:
    """The length in bytes and the time of change (ns) of an open file."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def read(path: AnyPath, size: int | None = None, hasher: Any = None) -> Stored:
    """`idx.read`, but uint8 images in a plain file of more than `idx.largest()` bytes stay there.

    Windows, which has no pread, holds all in memory.
    """
    with reading(path, "a whole IDX file"), open_file(path) as file:
        stamp = stamp_of(file)
        if stamp[0] <= idx.largest() or file.peek(2)[:2] == idx.GZIP:
            return idx.read(path, size, hasher)
        header, dtype, shape = idx.read_header(path, file)
        count = math.prod(shape)
        if dtype != np.uint8 or len(shape) not in (3, 4) or not count or not hasattr(os, "pread"):
            return idx.read(path, size, hasher)
        promised = len(header) + count
        require(size in (None, promised), path, f"{size} bytes", f"a header for {promised}")
        require(promised == stamp[0], path, f"{promised} bytes, as its header says", stamp[0])
        if hasher is not None:
            for piece in chain([header], iter(partial(file.read, idx.CHUNK), b"")):
                hasher.update(piece)
    image_size = shape[1:] if len(shape) == 4 else (1, *shape[1:])
    return StoredImages(path, torch.arange(shape[0]), image_size, len(header), stamp)
