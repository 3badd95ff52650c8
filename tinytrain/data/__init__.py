"""From files to batches: where images come from, and what happens to them before a net sees them.

`load` gives a `Dataset`, verified byte by byte; `batches` deals its images out, `augment` moves
them about, `deskew` makes them upright. `idx` reads and writes the file format, `download` and
`sources` know the mirrors, `synthetic` draws digits where there are none, and `files` writes a
file whole or not at all.
"""

from tinytrain.data import augment, batches, deskew, files, idx, sources, synthetic
from tinytrain.data.augment import Augmentation
from tinytrain.data.sets import Dataset, Split, data_root, load

__all__ = [
    "Augmentation",
    "Dataset",
    "Split",
    "augment",
    "batches",
    "data_root",
    "deskew",
    "files",
    "idx",
    "load",
    "sources",
    "synthetic",
]
