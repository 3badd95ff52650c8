"""Where images come from, and what happens to them before a net sees them.

A set: `sets` (`load` gives a `Dataset`, verified byte by byte), `on_disk` (images that stay in
their file) and `manifest` (what is known of them), `arrays` (`from_arrays` makes a set of what a
program has), `sources` (mirrors and digests), `download` (asking the mirrors), `synthetic` (digits
drawn where there are none), `idx` (the file format), `files` (written whole or not at all). An
image: `deskew` (made upright), `batches` (dealt out, normalised), `augment` (turned, moved, sized,
slanted anew each time).
"""

from tinytrain.data import arrays, augment, batches, datasets, deskew
from tinytrain.data.arrays import from_arrays
from tinytrain.data.augment import Augmentation
from tinytrain.data.datasets import Dataset, Split, data_root, load
from tinytrain.store import idx

__all__ = [
    "Augmentation",
    "Dataset",
    "Split",
    "arrays",
    "augment",
    "batches",
    "data_root",
    "datasets",
    "deskew",
    "from_arrays",
    "idx",
    "load",
]
