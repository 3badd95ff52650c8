"""A set as large as one likes, made of one that is there: every copy is augmented anew.

A training that augments makes such images as it goes and throws them away. Kept, they are a set
like any other, such as the 8,100,000 digits of infinite MNIST (Loosli, Canu and Bottou, "Training
invariant support vector machines using selective sampling", 2007), and what it takes to train on
more than memory holds can be tried. They are made and written a thousand at a time: to make a
million takes no more memory than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data import arrays, batches, idx
from tinytrain.data.augment import Augment
from tinytrain.data.files import whole_file
from tinytrain.data.sets import Dataset, Split

PART = 1000  # images that are augmented at a time, from one random stream


def inflated(split: Split, copies: int, augment: Augment, seed: int) -> Iterator[Tensor]:
    """The images of `split` so many times in their order, augmented, in parts of up to a thousand.

    uint8 (n, C, H, W). Part p of copy c (p from 0, c from 1) has its numbers from the stream
    (seed, "inflate", c, p) alone: the first copies are the same however many follow.
    """
    for copy in range(1, copies + 1):
        for part, rows in enumerate(batches.in_order(len(split), PART)):
            draw = streams.generator(seed, "inflate", copy, part)
            images = augment(split.images[rows].float(), draw)
            yield images.round().clamp(0, 255).to(torch.uint8)


def write_files(
    folder: Path, dataset: Dataset, copies: int, augment: Augment, seed: int
) -> Iterator[int]:
    """Write an inflated training set, and the test set as it is, as four IDX files into `folder`.

    Yields after every part how many training images are written. Raises OSError or UsageError
    where the folder cannot be written.
    """
    arrays.write_files(folder, "test", dataset.test)
    count, *size = dataset.train.images.shape
    shape = (copies * count, *(size[1:] if size[0] == 1 else size))
    with whole_file(folder / f"train-images-idx{len(shape)}-ubyte") as file:
        file.write(idx.header_of(np.dtype(np.uint8), shape))
        for part in inflated(dataset.train, copies, augment, seed):
            file.write(part.numpy().tobytes())
            yield len(part)
    labels = dataset.train.labels.to(torch.uint8).repeat(copies)
    idx.write(folder / "train-labels-idx1-ubyte", labels.numpy())
