"""Find the one digit in a photograph: uneven light, lines of the paper and the table go.

A flat field (https://en.wikipedia.org/wiki/Flat-field_correction) from a grey closing, Otsu's
threshold ("A threshold selection method from gray-level histograms", 1979), runs of ink as lines
(openings by segments: Soille, "Morphological image analysis", 2003) and connected components.
"""

import torch
from torch import Tensor

LEAST_SIDE, MOST_SIDE = 64, 400  # pixels: smaller is no photograph, of larger blocks are averaged
UNEVEN, FAINT = 0.15, 0.05  # of the contrast: the noise of a clean border; what it may hide
WINDOW = 1 / 6  # of the side: a stroke is narrower
CONTRAST = 0.12  # least of ink to paper, as a share of the paper's light
LINE, THICK, GAP = 0.5, 1 / 60, 5  # a ruled line: shares of the side; pixels that it may lack
SMALL = 1 / 20  # of the side: a digit is longer
BLOT, WIDE = 0.7, 1.7  # a blot fills that much of its bounding box; wider for its height: several
NEAR, PIECE = 0.1, 0.35  # a piece of a digit: how far, of its size; its ink, of the digit's


def one_digit(image: Tensor) -> Tensor:
    """The ink, float64 from 0 to 1, of the one digit in a grey picture (H, W), 0 to 255.

    A small picture, or one with a clean border, is returned as it is. Raises ValueError where no
    single digit stands out.
    """
    if min(image.shape) < LEAST_SIDE or image.min() == image.max():
        return image
    inked = ink_on_paper(reduced(image))
    mask = above_otsu(inked)
    if clean_border(image):
        central_digit(inked, components(mask))
        return image
    chosen = central_digit(inked, components(without_lines(mask)))
    # Soft edges belong to the digit; ruled lines, which were in the mask, do not.
    return inked * dilated(chosen, 3, 3) * (chosen | ~mask)


def border_of(image: Tensor) -> Tensor:
    """The pixels of the outermost rows and columns."""
    return torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])


def clean_border(image: Tensor) -> bool:
    """Whether the border is of one brightness but for noise, so that paper needs no search."""
    border = border_of(image)
    deviations = (border - border.median()).abs()
    contrast, noise = (image - border.median()).abs().max(), 4 * deviations.median()
    stray = (2 * noise).clamp(min=FAINT * contrast)  # more than five standard deviations
    return bool(noise <= UNEVEN * contrast and deviations.max() <= stray)


def reduced(image: Tensor) -> Tensor:
    """Blocks averaged, so that the longer side has at most `MOST_SIDE` pixels."""
    times = -(-max(image.shape) // MOST_SIDE)
    height, width = (side // times for side in image.shape)
    blocks = image[: height * times, : width * times].reshape(height, times, width, times)
    return blocks.mean((1, 3))


def dilated(image: Tensor, down: int, across: int) -> Tensor:
    """The maximum over a window of odd sides around each pixel."""
    columns = torch.max_pool2d(image.double()[None], (down, 1), 1, (down // 2, 0))
    return torch.max_pool2d(columns, (1, across), 1, (0, across // 2))[0]


def eroded(image: Tensor, down: int, across: int) -> Tensor:
    """The minimum over a window of odd sides around each pixel."""
    return -dilated(-image.double(), down, across)


def closed(image: Tensor, down: int, across: int) -> Tensor:
    """Without dark parts that are narrower than the window (a morphological closing)."""
    return eroded(dilated(image, down, across), down, across)


def opened(image: Tensor, down: int, across: int) -> Tensor:
    """Without light parts that are narrower than the window (a morphological opening)."""
    return dilated(eroded(image, down, across), down, across)


def odd(length: float) -> int:
    """The odd whole number nearest to a length, for windows have a middle."""
    return 2 * int(length / 2) + 1


def ink_on_paper(image: Tensor) -> Tensor:
    """The share of the paper's light that is missing at each pixel, whatever the light, 0 to 1.

    Around ink most pixels are paper: where most are near the darkest of their window, ink is
    light, and the picture is inverted. Paper is the closing over a window wider than a stroke.
    """
    window = odd(WINDOW * max(image.shape))
    lowest, highest = eroded(image, window, window), dilated(image, window, window)
    lightness = ((image - lowest) * (highest - lowest)).sum() / (highest - lowest).square().sum()
    image = image if lightness >= 0.5 else image.max() + image.min() - image
    paper = closed(image, window, window)
    return ((paper - image) / paper.clamp(min=1)).clamp(0, 1)


def above_otsu(inked: Tensor) -> Tensor:
    """The pixels above the threshold with the largest variance between the two classes."""
    count = torch.histc(inked, 256, 0, 1)
    level = (torch.arange(256, dtype=inked.dtype) + 0.5) / 256
    below, mass = count.cumsum(0), (count * level).cumsum(0)
    above, rest = below[-1] - below, mass[-1] - mass
    gap = rest / above.clamp(min=1) - mass / below.clamp(min=1)
    best = int((below * above * gap.square()).argmax())
    if not gap[best] > CONTRAST:
        raise ValueError("no ink stands out from the paper")
    return inked > (best + 1) / 256


def without_lines(mask: Tensor) -> Tensor:
    """The mask without thin straight runs along the paper, or down it, tilted by up to 6 degrees.

    Where ink is thicker than a line, as where a stroke crosses, it stays.
    """
    thick = odd(THICK * max(mask.shape)) + 2
    lines = torch.zeros_like(mask)
    for turned in False, True:
        ink = mask.T if turned else mask
        bridged = closed(dilated(ink, 3, 1), 1, GAP) > 0
        runs = torch.stack([long_runs(bridged, slope / 50) for slope in range(-5, 6)]).any(0)
        thin = runs & (opened(ink, thick, 1) == 0)
        lines |= thin.T if turned else thin
    return mask & ~lines


def long_runs(mask: Tensor, slope: float) -> Tensor:
    """The pixels in runs along a slope, rows for a column, of at least `LINE` of the width."""
    height, width = mask.shape
    shifts = (slope * torch.arange(width)).round().long()
    rows = (torch.arange(height)[:, None] + shifts) % height
    level = mask.gather(0, rows)
    run = runs_of(level)
    long = level & (run[level].bincount()[run] >= LINE * width)
    return torch.zeros_like(mask).scatter(0, rows, long)


def components(mask: Tensor) -> Tensor:
    """A number for each 4-connected part of the mask, the same for its pixels; 0 outside.

    The largest number of each run is spread over it, along rows and columns in turn, until none
    changes (https://en.wikipedia.org/wiki/Connected-component_labeling).
    """
    rows, columns = runs_of(mask)[mask], runs_of(mask.T).T[mask]
    names = torch.arange(1, len(rows) + 1)
    before = torch.zeros_like(names)
    while not torch.equal(names, before):
        before = names
        for run in rows, columns:
            most = torch.zeros(mask.numel(), dtype=names.dtype)
            names = most.scatter_reduce(0, run, names, "amax")[run]
    numbers = torch.zeros(mask.shape, dtype=names.dtype)
    numbers[mask] = names
    return numbers


def runs_of(mask: Tensor) -> Tensor:
    """The number of the run along its row that each pixel of the mask is in, from 0."""
    starts = mask.clone()
    starts[:, 1:] &= ~mask[:, :-1]
    return starts.flatten().cumsum(0).view(mask.shape) - 1


def central_digit(inked: Tensor, numbers: Tensor) -> Tensor:
    """The mask of the part that is the digit, and of pieces that lie near it.

    Parts at the border, such as the table or a shadow, and specks do not count. Raises ValueError
    where none is left, one is a blot or several, or another has as much ink.
    """
    height, width = inked.shape
    names, places = torch.unique(numbers[numbers > 0], return_inverse=True)
    rows, columns = (numbers > 0).nonzero().T

    def of_each(values: Tensor, how: str) -> Tensor:
        empty = torch.zeros(len(names), dtype=values.dtype)
        return empty.scatter_reduce(0, places, values, how, include_self=False)

    ink = of_each(inked[rows, columns], "sum")
    top, bottom = of_each(rows, "amin"), of_each(rows, "amax")
    left, right = of_each(columns, "amin"), of_each(columns, "amax")
    size = torch.maximum(bottom - top, right - left) + 1
    inside = (top > 1) & (left > 1) & (bottom < height - 2) & (right < width - 2)
    whole = inside & (size >= SMALL * max(height, width))
    if not whole.any():
        raise ValueError("no digit stands out, apart from the border")
    main = int((ink * whole).argmax())
    long, high, wide = (int(n[main]) for n in (size, bottom - top + 1, right - left + 1))
    area = int((places == main).sum())
    if area > BLOT * high * wide and max(high, wide) < 2 * min(high, wide):
        raise ValueError("a blot, no digit, stands out")
    if wide > WIDE * high:
        raise ValueError("what stands out is wider than a digit")
    down = torch.maximum(top - bottom[main], top[main] - bottom).clamp(min=0)
    across = torch.maximum(left - right[main], left[main] - right).clamp(min=0)
    near = inside & (torch.maximum(down, across) <= NEAR * long)
    piece = near & ((ink <= PIECE * ink[main]) | (torch.maximum(down, across) == 0))
    if (whole & ~piece & (ink > PIECE * ink[main])).any():
        raise ValueError("no single digit stands out: there are several")
    piece[main] = True
    return torch.isin(numbers, names[piece])
