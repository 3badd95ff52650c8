"""Data augmentation: random rotations, shifts, sizes and shears, drawn anew for every image.

Small changes that leave a digit what it is keep the net from learning the images by heart. A whole
batch is transformed at once, each image with its own numbers: for every pixel of the result, where
in the source does it come from? Drawing the numbers is separate from applying them, so `apply` is
a pure function.

A transform of N images is a tensor (5, N), a column an image; all zero is the identity. Its rows:

- angle, counter-clockwise, in degrees;
- right and down, the shift, in pixels;
- scale: the image is enlarged by the factor e^scale, so that −s undoes s;
- shear: a pixel moves to the right by this share of its height above the centre.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# New images of float ones (N, C, H, W) in 0 … 255. Any such function augments a training.
Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Augmentation:
    """The ranges from which a transform is drawn: uniformly within ± the value, image by image.

    `rotation` in degrees, `shift` in pixels along each axis, `scale`, `shear` as above.
    """

    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for `images` (N, C, H, W), floating-point in 0 … 255, and `apply` it to them."""
        return apply(
            images, self.draw(len(images), generator).to(images.device, non_blocking=True)
        )

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """The transform (5, count) of as many images, on the generator's device."""
        device = generator.device
        numbers = torch.rand((5, count), generator=generator, device=device) * 2 - 1
        ranges = (self.rotation, self.shift, self.shift, self.scale, self.shear)
        return numbers * torch.tensor(ranges, device=device)[:, None]


def apply(images: Tensor, transform: Tensor) -> Tensor:
    """Transform `images` (N, C, H, W), floating-point, background 0, into new ones of that shape.

    Sheared, then resized, then rotated, all about the centre, then shifted. Between pixels the
    value is interpolated (bilinear); outside of the image is background. `transform` is (5, N).
    """
    height, width = images.shape[2:]
    matrix = sampling_matrix(transform, height, width).to(images.dtype)
    grid = torch.affine_grid_generator(matrix, images.shape, False)
    bilinear, zeros = 0, 0  # torch's numbers for these ways
    return torch.grid_sampler(images, grid, bilinear, zeros, False)


def sampling_matrix(transform: Tensor, height: int, width: int) -> Tensor:
    """The matrices (N, 2, 3) from a place in the result to its place in the source.

    In pixels about the centre, the source of a place p is M⁻¹ (p − t), with M = rotation · scale ·
    shear and t the shift. torch gives places as (x right, y down, 1) with the image spanning
    −1 … 1 each way. A pixel is then 2 / width across and 2 / height down, so entries from one axis
    to the other are multiplied by the ratio of the two: a rotated square stays a square.
    """
    angle, right, down, scale, shear = transform
    angle = torch.deg2rad(angle)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shrink = torch.exp(-scale)
    unturn = torch.stack((cos, -sin, sin, cos), -1).view(-1, 2, 2)
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    unslant = torch.stack((one, shear, zero, one), -1).view(-1, 2, 2)
    ratios = (one, one * (height / width), one * (width / height), one)
    stretch = torch.stack(ratios, -1).view(-1, 2, 2)
    inverse = shrink[:, None, None] * (unslant @ unturn) * stretch
    shift = torch.stack((right * (2 / width), down * (2 / height)), -1)
    offset = -inverse @ shift[:, :, None]
    return torch.cat((inverse, offset), 2)
