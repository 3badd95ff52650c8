"""More digits than were written: every image is turned, moved, sized and slanted anew.

A net of 8,000 weights sees each of 60,000 digits fifteen times; small random changes that leave a
digit what it is keep it from learning the images by heart. A whole batch is transformed at once,
each image with its own numbers, by asking for every pixel of the result where in the source it
comes from. Drawing the numbers is kept apart from applying them: `apply` is a pure function.

To the loop an augmentation is any function of images, float (N, C, H, W) in 0 … 255, and a
generator that gives new images of that shape; all that it draws comes from the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Transform:
    """What happens to each of N images; all zero means nothing.

    `angle` (N,) turns counter-clockwise, in degrees. `shift` (N, 2) moves right and down, in
    pixels. `scale` (N,) makes larger by the factor e^scale, so that −s undoes s. `shear` (N,)
    slants: it moves a pixel to the right by this share of its height above the centre.
    """

    angle: Tensor
    shift: Tensor
    scale: Tensor
    shear: Tensor

    def to(self, device: torch.device | str) -> Transform:
        """The same numbers on `device`."""
        return Transform(*(numbers.to(device) for numbers in vars(self).values()))

    def of(self, rows: slice) -> Transform:
        """What happens to some of the images."""
        return Transform(*(numbers[rows] for numbers in vars(self).values()))


@dataclass(frozen=True)
class Augmentation:
    """The ranges from which a `Transform` is drawn: uniformly within ± the value, image by image.

    `rotation` in degrees, `shift` in pixels along each axis, `scale`, `shear` as in `Transform`.
    """

    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for `images` (N, C, H, W), floating-point in 0 … 255, and `apply` it to them."""
        return apply(images, self.draw(len(images), generator).to(images.device))

    def draw(self, count: int, generator: torch.Generator) -> Transform:
        """The numbers for `count` images, on the generator's device."""
        device = generator.device
        numbers = torch.rand((5, count), generator=generator, device=device) * 2 - 1
        return Transform(
            angle=numbers[0] * self.rotation,
            shift=numbers[1:3].T * self.shift,
            scale=numbers[3] * self.scale,
            shear=numbers[4] * self.shear,
        )


def of_rows(augment: Augment, images: Tensor, generator: torch.Generator, rows: slice) -> Tensor:
    """What becomes of some `rows` of `images` where all are augmented.

    An `Augmentation` draws for all and moves only those; another one is asked for all of them.
    """
    if not isinstance(augment, Augmentation):
        return augment(images, generator)[rows]
    transform = augment.draw(len(images), generator).of(rows)
    return apply(images[rows], transform.to(images.device))


def apply(images: Tensor, transform: Transform) -> Tensor:
    """Transform `images` (N, C, H, W), floating-point, background 0, into new ones of that shape.

    Slanted, then sized, then turned, all about the centre, then moved. Between pixels the value is
    interpolated (bilinear); what comes from outside is background.
    """
    height, width = images.shape[2:]
    matrix = sampling_matrix(transform, height, width).to(images.dtype)
    grid = torch.affine_grid_generator(matrix, images.shape, False)
    bilinear, zeros = 0, 0  # torch's numbers for these ways
    return torch.grid_sampler(images, grid, bilinear, zeros, False)


def sampling_matrix(transform: Transform, height: int, width: int) -> Tensor:
    """(N, 2, 3): from a place in the result to the place in the source that it shows.

    The source of a place p is M⁻¹ (p − t), with M = turn · size · slant and t the shift. So it is
    in pixels, about the centre; but places are given as (x right, y down, 1) with the image
    spanning −1 … 1 each way. A pixel is 2 / width across and 2 / height down, so what goes from
    one axis to the other is multiplied by the ratio of the two: a turned square stays a square.
    """
    angle = torch.deg2rad(transform.angle)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shrink = torch.exp(-transform.scale)
    unturn = torch.stack((cos, -sin, sin, cos), -1).view(-1, 2, 2)
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    unslant = torch.stack((one, transform.shear, zero, one), -1).view(-1, 2, 2)
    ratios = (one, one * (height / width), one * (width / height), one)
    stretch = torch.stack(ratios, -1).view(-1, 2, 2)
    inverse = shrink[:, None, None] * (unslant @ unturn) * stretch
    right, down = transform.shift.T
    shift = torch.stack((right * (2 / width), down * (2 / height)), -1)
    offset = -inverse @ shift[:, :, None]
    return torch.cat((inverse, offset), 2)
