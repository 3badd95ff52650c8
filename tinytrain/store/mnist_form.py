"""Bring a picture of a digit to the form of MNIST's, or any picture to another size.

MNIST's digits were fitted into 20 × 20 pixels with their proportions kept, with grey levels from
averaging, and then moved in a field of 28 × 28 until their centre of mass was in the middle
(https://en.wikipedia.org/wiki/MNIST_database; LeCun et al., "Gradient-based learning applied to
document recognition", 1998, section III.A). In the files the centre of mass is at 14 along both
axes, pixels counted from 0, and never more than half a pixel from it. So digits are moved by whole
pixels here, and a digit of MNIST's comes out nearly unchanged.

In photographs of paper the digit is found first (`paper`). Then the border of the picture decides
what is paper, and specks, less than 0.2 % of the ink and apart from the rest, do not count for the
size of the digit.

Pixels are averaged over exact areas, which Pillow's box filter (whole pixels only) does not do;
the page of the course computes the same numbers in JavaScript.
"""

import torch
from torch import Tensor

from tinytrain.store.paper import border_of, one_digit

SIDE, LONGER_SIDE, MIDDLE = 28, 20, 14  # of the field, of the digit, of its centre of mass
SPECKS = 0.002  # share of the ink
FAINT = 0.05  # of the darkest ink: a row with no more is empty


def mnist_form(image: Tensor) -> Tensor:
    """A grey picture (H, W) of a digit, light on dark or dark on light, as one of MNIST's.

    Values are numbers on any scale; the result is uint8 (28, 28), ink light, its brightest 255.
    Raises ValueError where all pixels are alike, or no single digit stands out.
    """
    inked = ink(one_digit(image.double()))
    if not inked.sum() > 0:
        raise ValueError("all pixels are alike")
    clear = inked > FAINT * inked.max()
    rows, columns = (extent(inked.sum(other), clear.any(other)) for other in (1, 0))
    digit = inked[rows, columns]
    step = max(digit.shape) / LONGER_SIDE  # pixels of the picture for a pixel of the result
    down, across = (
        area_weights(centred_places(digit.sum(other), step), step, size)
        for other, size in zip((1, 0), digit.shape, strict=True)
    )
    result = down @ digit @ across.T
    return (result * (255 / result.max())).round().to(torch.uint8)


def ink(image: Tensor) -> Tensor:
    """The difference of each pixel of (H, W) from the paper, 0 or more.

    Paper is the median of the border. Ink is darker or lighter, whichever has the larger
    deviations; noise, 4 times the median deviation of the border, is subtracted.
    """
    border = border_of(image)
    paper = border.median()
    light, dark = (image - paper).clamp(min=0), (paper - image).clamp(min=0)
    inked = light if light.square().sum() >= dark.square().sum() else dark
    noise = 4 * (border - paper).abs().median()
    return (inked - noise.clamp(max=inked.max() / 2)).clamp(min=0)


def extent(mass: Tensor, clear: Tensor) -> slice:
    """The rows that the digit spans. `mass` (N,): ink of each row; `clear` (N,): not empty.

    They hold all ink but a share of `SPECKS` at either end, and extend to the next empty row.
    """
    share = mass.cumsum(0) / mass.sum()
    low, high = int((share <= SPECKS).sum()), int((share < 1 - SPECKS).sum())
    rows = torch.arange(len(mass))
    empty = rows[~clear]
    core = rows[clear & (rows >= low) & (rows <= high)]
    first, last = (int(core[0]), int(core[-1])) if len(core) else (low, high)
    before, after = empty[empty < first], empty[empty > last]
    start = int(before[-1]) + 1 if len(before) else 0
    return slice(start, int(after[0]) if len(after) else len(mass))


def centred_places(mass: Tensor, step: float) -> Tensor:
    """The centres of the 28 pixels along an axis, in pixels of the digit, (28,).

    The centre of `mass` (N,) comes to within half a pixel of the middle, and the edge of the digit
    to the edge of a pixel.
    """
    edge = -0.5
    centre = float((mass * torch.arange(len(mass))).sum() / mass.sum())
    start = round(MIDDLE + 0.5 - (centre - edge) / step)  # the digit's first pixel
    return edge + (torch.arange(SIDE, dtype=mass.dtype) + 0.5 - start) * step


def area_weights(places: Tensor, step: float, size: int) -> Tensor:
    """The weight of each of `size` pixels in a pixel at each of the places: (places, size).

    A new pixel is the mean over a window, `step` pixels wide where the picture is made smaller,
    and one pixel wide, which is linear interpolation, where it is made larger. Outside is 0.
    """
    width = max(step, 1.0)
    pixel = torch.arange(size, dtype=places.dtype)
    last = torch.minimum(places[:, None] + width / 2, pixel + 0.5)
    first = torch.maximum(places[:, None] - width / 2, pixel - 0.5)
    return (last - first).clamp(min=0) / width


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (C, H, W), 0 to 255, stretched to `size` (rows, columns), uint8."""
    weights = []
    for old, new in zip(image.shape[1:], size, strict=True):
        step = old / new
        places = (torch.arange(new, dtype=torch.float64) + 0.5) * step - 0.5
        weight = area_weights(places, step, old)
        weights.append(weight / weight.sum(1, keepdim=True))  # at the edge half is outside
    rows, columns = weights
    return (rows @ image.double() @ columns.T).round().to(torch.uint8)
