"""More digits than were written: every image is turned, moved, sized and slanted anew.

A net of 8,000 weights sees each of 60,000 digits fifteen times; small random changes that leave a
digit what it is keep it from learning the images by heart. A whole batch is transformed at once,
each image with its own numbers, by asking for every pixel of the result where in the source it
comes from. Drawing the numbers is kept apart from applying them: `apply` is a pure function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Transform:
    """What happens to each of N images; all zero means nothing.

    `angle` (N,) turns counter-clockwise, in degrees. `shift` (N, 2) moves right and down, in
    pixels. `scale` (N,) makes larger by the factor e^scale, so that −s undoes s. `shear` (N,)
    slants: it moves a pixel to the right by this share of its height above the centre. `erased`
    (N, 4) is a rectangle (top, left, height, width), in pixels, that is set to background; None
    means no erasing.
    """

    angle: Tensor
    shift: Tensor
    scale: Tensor
    shear: Tensor
    erased: Tensor | None = None

    def to(self, device: torch.device | str) -> Transform:
        """The same numbers on `device`."""
        numbers = (self.angle, self.shift, self.scale, self.shear, self.erased)
        return Transform(*(None if part is None else part.to(device) for part in numbers))


@dataclass(frozen=True)
class Augmentation:
    """The ranges from which a `Transform` is drawn: uniformly within ± the value, image by image.

    `rotation` in degrees, `shift` in pixels along each axis, `scale` and `shear` as in
    `Transform`. With probability `erase` a rectangle of 2–20 % of the image's area, sides 1:3 to
    3:1, is erased (Zhong et al., "Random erasing data augmentation", 2020).
    """

    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    erase: float = 0.0

    def draw(self, count: int, size: int, generator: torch.Generator) -> Transform:
        """The numbers for `count` images of `size` × `size` pixels, on the generator's device."""
        device = generator.device
        numbers = torch.rand((5, count), generator=generator, device=device) * 2 - 1
        transform = Transform(
            angle=numbers[0] * self.rotation,
            shift=numbers[1:3].T * self.shift,
            scale=numbers[3] * self.scale,
            shear=numbers[4] * self.shear,
        )
        if not self.erase:
            return transform
        chance, area, ratio, top, left = torch.rand((5, count), generator=generator, device=device)
        area = (0.02 + 0.18 * area) * (chance < self.erase) * size**2
        ratio = torch.exp((2 * ratio - 1) * math.log(3))
        height = (area * ratio).sqrt().round().clamp(max=size)
        width = (area / ratio).sqrt().round().clamp(max=size)
        top, left = (top * (size - height)).round(), (left * (size - width)).round()
        erased = torch.stack((top, left, height, width), 1)
        return Transform(
            transform.angle, transform.shift, transform.scale, transform.shear, erased
        )


def apply(images: Tensor, transform: Transform) -> Tensor:
    """Transform `images` (N, C, S, S), floating-point, background 0, into new ones of that shape.

    Slanted, then sized, then turned, all about the centre, then moved; then a rectangle is erased.
    Between pixels the value is interpolated (bilinear); what comes from outside is background.
    """
    grid = torch.affine_grid_generator(
        sampling_matrix(transform, images.shape[-1]).to(images.dtype), images.shape, False
    )
    bilinear, zeros = 0, 0
    moved = torch.grid_sampler(images, grid, bilinear, zeros, False)
    if transform.erased is None:
        return moved
    return moved.masked_fill(inside(transform.erased, images.shape[-1])[:, None], 0)


def sampling_matrix(transform: Transform, size: int) -> Tensor:
    """(N, 2, 3): from a place in the result to the place in the source that it shows.

    Places are (x right, y down, 1) with the image spanning −1 … 1, so a pixel is 2 / size. The
    source of a place p is M⁻¹ (p − t), with M = turn · size · slant and t the shift.
    """
    angle = torch.deg2rad(transform.angle)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shrink = torch.exp(-transform.scale)
    unturn = torch.stack((cos, -sin, sin, cos), -1).view(-1, 2, 2)
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    unslant = torch.stack((one, transform.shear, zero, one), -1).view(-1, 2, 2)
    inverse = shrink[:, None, None] * (unslant @ unturn)
    offset = -inverse @ (transform.shift * (2 / size))[:, :, None]
    return torch.cat((inverse, offset), 2)


def inside(rectangles: Tensor, size: int) -> Tensor:
    """(N, size, size) bool: the pixels that lie in each of the rectangles (N, 4)."""
    top, left, height, width = rectangles[:, :, None].unbind(1)
    pixel = torch.arange(size, device=rectangles.device)
    rows = (pixel >= top) & (pixel < top + height)
    columns = (pixel >= left) & (pixel < left + width)
    return rows[:, :, None] & columns[:, None, :]
