"""Draw images of the ten digits, for use where MNIST cannot be downloaded.

A stroke is a row of Gaussian blobs along a smooth curve. A Gaussian is separable,
exp(-(x² + y²)) = exp(-x²) exp(-y²), so an image, the sum of its P blobs, is a matrix product of
(28, P) rows and (P, 28) columns: one batched multiplication draws all digits. The glyph, the
places that the pen passes, slant, rotation, size, position, blur and thickness are random. These
are not MNIST: accuracy on them shows that the engine learns, and nothing about the target.
"""

from itertools import chain
from math import pi, sqrt
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.store import idx

# Glyphs of each digit, 0 to 9. A point is two figures, x and y, each 0 to 9 from the top left. A
# smooth curve goes through the points of a stroke; a comma begins a new stroke, or makes a corner.
GLYPHS = (
    ("40 12 05 28 49 78 95 72 40", "60 30 02 06 29 69 96 82 50 20"),
    ("50 54 59", "33 50, 50 54 59", "33 50, 50 54 59, 29 59 89"),
    ("02 20 60 82 64 37 09, 09 49 99", "12 40 72 65 38 19 07 37 68 98"),
    ("11 40 81 73 44, 44 85 87 49 08", "00 50 90, 90 44, 44 85 87 49 08"),
    ("10 05, 05 55 95, 70 74 79", "60 33 06, 06 56 96, 60 64 69"),
    ("80 10, 10 04, 04 43 85 87 49 08", "90 40 21 14 43 85 87 49 08"),
    ("70 32 05 18 59 87 65 35 07", "40 13 06 29 69 87 75 45 07"),
    ("00 50 90, 90 64 39", "00 50 90, 90 64 39, 25 85", "02 00, 00 50 90, 90 54 49"),
    ("81 50 11 23 65 87 49 07 25 73 81", "50 12 44 72 50, 44 06 49 86 44"),
    ("82 50 13 35 64 82, 82 86 79", "82 50 13 35 64 82, 82 76 49 18"),
)
SIDE = 28  # pixels
BLOBS = 8  # on the curve between two points: near enough to look like a line
CHUNK = 1000  # images drawn at a time, from one random stream


def glyph_tables() -> tuple[Tensor, Tensor]:
    """Points (G, K, 2) of all G glyphs, and for each piece of curve its four points (G, S, 4).

    A point that appears twice in a glyph is one point, so strokes that meet there stay together.
    Padding repeats the first point: a piece without length has no ink.
    """
    points: list[list[list[float]]] = []
    pieces: list[list[list[int]]] = []
    for glyph in chain(*GLYPHS):
        names = list(dict.fromkeys(glyph.replace(",", "").split()))
        points.append([[0.7 * int(name[0]), int(name[1])] for name in names])  # digits are narrow
        pieces.append([])
        for stroke in glyph.split(","):
            path = [names.index(name) for name in stroke.split()]
            path = [path[0], *path, path[-1]]
            pieces[-1] += [path[start : start + 4] for start in range(len(path) - 3)]
    most_points, most_pieces = max(map(len, points)), max(map(len, pieces))
    for places, shaped in zip(points, pieces, strict=True):
        places += places[:1] * (most_points - len(places))
        shaped += [[0] * 4] * (most_pieces - len(shaped))
    return torch.tensor(points), torch.tensor(pieces)


def spline_weights() -> tuple[Tensor, Tensor]:
    """Position and velocity along a piece, each (BLOBS, 4), as weights of its four points.

    The Catmull-Rom spline ("A class of local interpolating splines", 1974): from the second point
    to the third, in directions given by the first and the fourth.
    """
    powers = torch.tensor([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    time = (torch.arange(BLOBS)[:, None] + 0.5) / BLOBS
    power = torch.arange(4)
    velocity = power * time ** (power - 1).clamp(min=0)
    return time**power @ powers, velocity @ powers


POINTS, PIECES = glyph_tables()
PLACE, VELOCITY = spline_weights()
WAYS = torch.tensor([len(ways) for ways in GLYPHS])
FIRST_WAY = WAYS.cumsum(0) - WAYS


def digits(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw digits, uint8 (N, 1, 28, 28), white on black, for int64 labels (N,) from 0 to 9.

    A digit fills about 20 × 20 pixels in the middle; the outermost pixels are always 0. All are
    drawn at once, in about 35 kB of memory an image. Only `generator` provides randomness.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(len(labels), *shape).uniform_(low, high, generator=generator)

    glyph = FIRST_WAY[labels] + (uniform(0, 1) * WAYS[labels]).long()
    points = POINTS[glyph]
    carelessness = uniform(0.15, 0.55, 1, 1)
    points = points + carelessness * torch.randn(points.shape, generator=generator)
    pieces = points[torch.arange(len(labels))[:, None, None], PIECES[glyph]]  # (N, S, 4, 2)

    width, slant, turn = uniform(0.8, 1.3), uniform(-0.15, 0.4), uniform(-0.25, 0.25)
    stretch = torch.stack((width, torch.zeros_like(width), -slant, torch.ones_like(width)), 1)
    rotate = torch.stack((turn.cos(), turn.sin(), -turn.sin(), turn.cos()), 1)
    transform = stretch.view(-1, 2, 2) @ rotate.view(-1, 2, 2)
    path = (PLACE @ pieces).flatten(1, 2) @ transform  # (N, P, 2) with P = S * BLOBS
    velocity = (VELOCITY @ pieces).flatten(1, 2) @ transform

    # As in MNIST, the digit is scaled to fit its box, so it is never clipped.
    low, high = path.aminmax(dim=1, keepdim=True)
    scale = uniform(15, 18, 1, 1) / (high - low).amax(2, keepdim=True)
    path = (path - (low + high) / 2) * scale + SIDE / 2 + uniform(-0.75, 0.75, 1, 2)
    length = velocity.norm(dim=2, keepdim=True) * scale / BLOBS  # of line, for each blob

    blur, thickness = uniform(0.65, 0.95, 1, 1), uniform(1.2, 3.2, 1, 1)
    unit = sqrt(2) * blur
    pixels = (torch.arange(SIDE) + 0.5) / unit
    # exp(-30) is black; much smaller factors make subnormal products, which are far slower.
    across, down = (
        (part / unit - pixels).square_().clamp_(max=30).neg_().exp_()
        for part in torch.split(path, 1, 2)
    )
    ink = thickness * length / (sqrt(pi) * unit)  # so that a long line reaches `thickness`
    images: Tensor = (ink * down).mT @ across  # 1 is white; clamping more makes the line wider
    return (255 * images.clamp(max=1)).to(torch.uint8)[:, None]


def write_files(folder: Path, seed: int = 0, train: int = 60000, test: int = 10000) -> None:
    """Write `train` and `test` digits and their labels into `folder`, as MNIST's four IDX files.

    Every thousand has each digit a hundred times, shuffled, and a random stream of its own, so
    the first images do not depend on how many follow. The same seed gives the same bytes on one
    machine; on another, rounding may change a pixel by one grey level.
    Raises UsageError where `folder` is missing or cannot be written.
    """
    for split, (name, count) in enumerate((("train", train), ("t10k", test))):
        images = np.empty((count, SIDE, SIDE), np.uint8)
        labels = np.empty(count, np.uint8)
        for start in range(0, count, CHUNK):
            generator = streams.generator(seed, "synthetic", split, start // CHUNK)
            balanced = torch.randperm(CHUNK, generator=generator) % 10
            end = min(start + CHUNK, count)
            images[start:end] = digits(balanced, generator)[: end - start, 0].numpy()
            labels[start:end] = balanced[: end - start].numpy()
        idx.write_pair(folder, name, images, labels)
