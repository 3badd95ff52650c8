"""Any picture of a digit, brought to the form in which a net that learned MNIST knows digits.

MNIST's digits were made so: fitted into 20 × 20 pixels with their proportions kept, where the
averaging of black and white gave the grey levels; then moved in a field of 28 × 28 until their
centre of mass was in the middle (https://en.wikipedia.org/wiki/MNIST_database; LeCun et al.,
"Gradient-based learning applied to document recognition", 1998, section III.A). The files show
what that middle is: over all training digits the centre of mass lies at 14 along both axes, pixels
counted from 0, and never further from it than half a pixel. So the last move is by whole pixels,
and a digit of MNIST's comes back as good as unchanged.

Two things a photograph needs besides. What is ink is told by the border, which is paper. And a
speck must not decide how large the digit is: what lies apart from the rest, with less than 0.2 %
of the ink, is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIDE, LONGER, MIDDLE = 28, 20, 14  # of the field, of the digit's longer side, of the mass
SPECKS = 0.002  # share of the ink
FAINT = 0.05  # of the darkest ink: a row with no more is empty


def mnist_form(image: Tensor) -> Tensor:
    """A grey picture (H, W) of a digit, of any size, light on dark or dark on light, as MNIST's.

    Values are numbers on any scale; the result is uint8 (28, 28), ink light, its brightest 255.
    Raises ValueError where all pixels are alike.
    """
    found = ink(image.double())
    if not found.sum() > 0:
        raise ValueError("all pixels are alike")
    inked = found > FAINT * found.max()
    rows, columns = (between(found.sum(other), inked.any(other)) for other in (1, 0))
    digit = found[rows, columns]
    step = max(digit.shape) / LONGER  # pixels of the picture a pixel of the result
    down, across = (
        shares(places(digit.sum(other), step), step, size)
        for other, size in zip((1, 0), digit.shape, strict=True)
    )
    result = down @ digit @ across.T
    return (result * (255 / result.max())).round().to(torch.uint8)


def ink(image: Tensor) -> Tensor:
    """How far each pixel of (H, W) is from the paper, on the side where the ink is: 0 or more.

    Paper is the median of the border, and the ink on the side where the deviations from it are
    larger. As much as the border itself varies (4 times its median deviation) counts as paper.
    """
    border = torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])
    paper = border.median()
    light, dark = (image - paper).clamp(min=0), (paper - image).clamp(min=0)
    found = light if light.square().sum() >= dark.square().sum() else dark
    noise = 4 * (border - paper).abs().median()
    return (found - noise.clamp(max=found.max() / 2)).clamp(min=0)


def between(mass: Tensor, inked: Tensor) -> slice:
    """From which of N rows to which the digit reaches; `mass` is their ink, `inked` where any is.

    That is all ink but a share of `SPECKS` at either end, and what hangs on to it without a gap.
    """
    passed = mass.cumsum(0) / mass.sum()
    low, high = int((passed <= SPECKS).sum()), int((passed < 1 - SPECKS).sum())
    rows = torch.arange(len(mass))
    empty = rows[~inked]
    core = rows[inked & (rows >= low) & (rows <= high)]
    first, last = (int(core[0]), int(core[-1])) if len(core) else (low, high)
    before, after = empty[empty < first], empty[empty > last]
    start = int(before[-1]) + 1 if len(before) else 0
    return slice(start, int(after[0]) if len(after) else len(mass))


def places(mass: Tensor, step: float) -> Tensor:
    """Where the centres of the 28 pixels along an axis lie, in pixels of the digit, (28,).

    The centre of `mass` (N,) comes to within half a pixel of the middle, and the edge of the digit
    to the edge of a pixel.
    """
    edge = -0.5
    centre = float((mass * torch.arange(len(mass))).sum() / mass.sum())
    start = round(MIDDLE + 0.5 - (centre - edge) / step)  # the pixel that the digit begins with
    return edge + (torch.arange(SIDE, dtype=mass.dtype) + 0.5 - start) * step


def shares(places: Tensor, step: float, size: int) -> Tensor:
    """How much of each of `size` pixels goes into a pixel at each of the places: (places, size).

    A pixel of the result is the mean over a window, `step` wide where the picture is made smaller;
    where it is made larger, one pixel wide, which is linear interpolation. Outside is nothing.
    """
    width = max(step, 1.0)
    pixel = torch.arange(size, dtype=places.dtype)
    last = torch.minimum(places[:, None] + width / 2, pixel + 0.5)
    first = torch.maximum(places[:, None] - width / 2, pixel - 0.5)
    return (last - first).clamp(min=0) / width


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (C, H, W) as one of `size` (rows, columns), stretched where need be, uint8.

    Its values are numbers from 0 to 255. One of that size already comes back as it is.
    """
    along = []
    for old, new in zip(image.shape[1:], size, strict=True):
        step = old / new
        centres = (torch.arange(new, dtype=torch.float64) + 0.5) * step - 0.5
        part = shares(centres, step, old)
        along.append(part / part.sum(1, keepdim=True))  # at the edge a window lies half outside
    rows, columns = along
    return (rows @ image.double() @ columns.T).round().to(torch.uint8)
