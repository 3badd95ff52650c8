"""Data sets in memory, and from images to batches.

`datasets`: `load` gives a `Dataset`; `arrays`: `from_arrays` makes one; `batches`: shuffled, cut,
normalised; `augment`: random rotations, shifts, sizes and shears; `deskew`: upright digits. Files
are read and written by `tinytrain.store`.
"""

from tinytrain.data import arrays, augment, batches, datasets, deskew
from tinytrain.data.arrays import from_arrays
from tinytrain.data.augment import Augmentation
from tinytrain.data.datasets import Dataset, Split, load
from tinytrain.store import idx
from tinytrain.store.sources import data_root

__all__ = ["Augmentation", "Dataset", "Split", "data_root", "from_arrays", "load"]
__all__ += ["arrays", "augment", "batches", "datasets", "deskew", "idx"]
