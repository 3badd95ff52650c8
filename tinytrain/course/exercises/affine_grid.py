"""The affine grid of an augmentation.

To turn an image, every pixel of the result asks where in the source it comes from, so the inverse
of the turn is needed. Places are counted from −1 to 1 whatever the image's size, so a turned
square stays a square only if height and width are taken into account.

1. Each part has a simple inverse: a turn by −angle, a size of exp(−scale), the opposite shear. y
   points down here, so shearing to the right with the height above the centre is x − shear · y,
   and its inverse x + shear · y.
2. The image is slanted, then sized, then turned, then moved; the source is found in the opposite
   order: first subtract the shift, then unslant @ unturn. In coordinates with y down a turn
   counter-clockwise is undone by [[cos, −sin], [sin, cos]].
3. Pixels to units: x by 2 / width, y by 2 / height. In the matrix multiply the entry from y to x
   by height / width, and from x to y by width / height; the shift becomes (2 right / width, 2
   down / height), and the last column is −inverse @ shift.
"""

import torch
from torch import Tensor

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.data import augment

shipped = augment.sampling_matrix
rungs = ("net9-rotation", "final")


def draw_arguments(draw: Draw) -> Arguments:
    """A transform of one or two images: some of turn, shift, scale and shear; the rest 0."""
    count = draw.integer(1, 2)

    def numbers(size: float, rows: int = 1) -> Tensor:
        values = size * draw.normal(rows, count)
        return values if draw.integer(0, 1) else torch.zeros_like(values)

    transform = torch.cat((numbers(40), numbers(2, 2), numbers(0.3), numbers(0.3)))
    height, width = draw.one_of((28, 28), (20, 30))
    return {"transform": transform, "height": height, "width": width}


mistakes = """
turns the other way: (cos, -sin, sin, cos) → (cos, sin, -sin, cos)
height and width are ignored: (height / width), one * (width / height) → 1, one * 1
larger becomes smaller: torch.exp(-scale) → torch.exp(scale)
the shift in pixels: right * (2 / width), down * (2 / height) → right, down
moves the other way: offset = -inverse → offset = inverse
slanted last: (unslant @ unturn) → (unturn @ unslant)
"""
