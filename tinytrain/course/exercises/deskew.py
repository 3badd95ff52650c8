"""The slant of a digit.

Writers slant their digits, each in another way. What is undone before training, no weight has to
learn. The slant can be computed from the ink, without labels and without learning.

1. Ink is a weight of its place. Divide it by its sum, image by image (for an image without ink by
   1: clamp(min=1)); then a mean is a sum of share · place.
2. With x and y the mean column and row, counted from the middle, (size − 1) / 2: the covariance
   is the sum of share · (column − x) · (row − y), the variance that of share · (row − y)².
3. The slope of x over y is covariance / variance; where the variance is not above 0.001 it is 0:
   torch.where(variance > 1e-3, covariance / variance, 0). Return it, and y.
"""

import torch

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.data import deskew

shipped = deskew.slant
changes = dict(deskew=True)


def draw_arguments(draw: Draw) -> Arguments:
    """Small images with ink everywhere, in one row, or nowhere."""
    height, width = draw.integer(2, 4), draw.integer(2, 4)
    images = 255 * draw.normal(draw.integer(1, 2), 1, height, width).sigmoid()
    everywhere, nowhere = torch.ones(height, 1), torch.zeros(height, 1)
    one_row = torch.eye(height)[:, :1]
    ink = draw.one_of(everywhere, everywhere, everywhere, one_row, nowhere)
    return {"images": images * ink}


mistakes = """
rows counted from the top: - (size - 1) / 2 → + 0
not about the mean: - x[:, None], row - y[:, None]
    → + 0 * x[:, None], row + 0 * y[:, None]
nan without ink: .clamp(min=1) →
a slope where there is none: variance > 1e-3 → variance > -1
1 % too far: covariance / variance, 0) → 1.01 * covariance / variance, 0)
"""
