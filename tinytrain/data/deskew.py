"""Deskewing: make slanted digits upright.

The slant of a digit is the slope of the line through its ink, x as a function of y: the covariance
of x and y divided by the variance of y. Sliding every row back along that line makes the two
uncorrelated, and the digit upright. No label is used and nothing is learned, so test images are
treated like training images, one by one. LeCun et al., "Gradient-based learning applied to
document recognition", 1998, deskew like this for some of the classifiers that they compare.
"""

import torch
from torch import Tensor

from tinytrain.data import augment


def slant(images: Tensor) -> tuple[Tensor, Tensor]:
    """The slant of each image, pixels to the right a row (N,), and the mean row of its ink (N,).

    `images` is (N, 1, H, W), floating-point in 0 … 255, background 0; the mean row is counted
    from the middle of the image, down. Both are 0 without ink, and the slant is 0 where nearly
    all ink lies in one row: of a variance below 0.001 no slope can be told.
    """
    ink = images[:, 0]
    row, column = (
        torch.arange(size, dtype=ink.dtype, device=ink.device) - (size - 1) / 2
        for size in ink.shape[1:]
    )
    share = ink / ink.sum((1, 2), keepdim=True).clamp(min=1)
    by_column, by_row = share.sum(1), share.sum(2)
    x, y = (by_column * column).sum(1), (by_row * row).sum(1)
    right, down = column - x[:, None], row - y[:, None]
    covariance = (share * down[:, :, None] * right[:, None, :]).sum((1, 2))
    variance = (by_row * down**2).sum(1)
    return torch.where(variance > 1e-3, covariance / variance, 0), y


def deskew(images: Tensor) -> Tensor:
    """Make the digits in images (N, 1, H, W), uint8, background 0, upright; returns new images.

    Rows slide sideways about the ink's centre, which stays where it is. Between pixels the value
    is interpolated; ink that slides out of the image is lost. Raises ValueError for colour: in a
    photograph ink and background cannot be told apart.
    """
    if images.shape[1] != 1:
        raise ValueError(f"deskew: expected grey images (N, 1, H, W), found {tuple(images.shape)}")
    upright = torch.empty_like(images)
    for part, result in zip(torch.split(images, 1000), torch.split(upright, 1000), strict=True):
        pixels = part.float()
        right, row = slant(pixels)
        none = torch.zeros_like(right)
        # `apply` slides about the middle of the image; the shift makes that the ink's centre.
        slide = torch.stack((none, right * row, none, none, right))
        result.copy_(augment.apply(pixels, slide).round())
    return upright
