"""Data augmentation: random rotations, shifts, sizes and shears, drawn anew for every image.

Small changes that leave a digit what it is keep the net from learning the images by heart. A whole
batch is transformed at once, each image with its own numbers: for every pixel of the result, where
in the source does it come from? Drawing the numbers is separate from applying them, so `apply` is
a pure function.

To the loop an augmentation is any function of images, float (N, C, H, W) in 0 … 255, and a
generator, which returns new images of that shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Transform:
    """An affine transform for each of N images; all zero is the identity.

    `angle` (N,) rotates counter-clockwise, in degrees. `shift` (N, 2) moves right and down, in
    pixels. `scale` (N,) enlarges by the factor e^scale, so that −s undoes s. `shear` (N,) moves a
    pixel to the right by this share of its height above the centre.
    """

    angle: Tensor
    shift: Tensor
    scale: Tensor
    shear: Tensor

    def to(self, device: torch.device | str) -> Transform:
        """The same numbers on `device`."""
        return Transform(*(numbers.to(device) for numbers in vars(self).values()))

    def of(self, rows: slice) -> Transform:
        """The transforms of some of the images."""
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
    """Augment `images` and return some `rows` of the result.

    An `Augmentation` draws for all and transforms only those; any other function gets all images.
    """
    if not isinstance(augment, Augmentation):
        return augment(images, generator)[rows]
    transform = augment.draw(len(images), generator).of(rows)
    return apply(images[rows], transform.to(images.device))


def apply(images: Tensor, transform: Transform) -> Tensor:
    """Transform `images` (N, C, H, W), floating-point, background 0, into new ones of that shape.

    Sheared, then resized, then rotated, all about the centre, then shifted. Between pixels the
    value is interpolated (bilinear); outside of the image is background.
    """
    height, width = images.shape[2:]
    matrix = sampling_matrix(transform, height, width).to(images.dtype)
    grid = torch.affine_grid_generator(matrix, images.shape, False)
    bilinear, zeros = 0, 0  # torch's numbers for these ways
    return torch.grid_sampler(images, grid, bilinear, zeros, False)


def sampling_matrix(transform: Transform, height: int, width: int) -> Tensor:
    """The matrices (N, 2, 3) from a place in the result to its place in the source.

    In pixels about the centre, the source of a place p is M⁻¹ (p − t), with M = rotation · scale ·
    shear and t the shift. torch gives places as (x right, y down, 1) with the image spanning
    −1 … 1 each way. A pixel is then 2 / width across and 2 / height down, so entries from one axis
    to the other are multiplied by the ratio of the two: a rotated square stays a square.
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
