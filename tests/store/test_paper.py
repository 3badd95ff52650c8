"""Digits in drawn photographs of paper are read, or said not to stand out; none is made up."""

import math

import pytest
import torch
from torch.nn import functional

from tinytrain import streams
from tinytrain.results.trained_run import load_run
from tinytrain.store import synthetic
from tinytrain.store.mnist_form import mnist_form
from tinytrain.store.pictures import grey
from tinytrain.train import evaluation

HEIGHT, WIDTH = 225, 300
PAPER, INK, TABLE = 225.0, 40.0, 65.0


def photo(digit, kind, draw):
    """A drawn photograph: a digit of MNIST's, enlarged, on paper; float64 (3, H, W), 0 to 255."""

    def between(low, high):
        return low + (high - low) * float(torch.rand((), generator=draw))

    def ruled(image, along, spacing, light, start=5):
        wide = 1 + int(between(0, 2))
        return torch.where((along - start) % spacing < wide, light * image, image)

    def ramp(width):
        """From 0 to 1 within `width` pixels, across the middle third, in any direction."""
        angle, shift = between(0, 2 * math.pi), between(-0.15, 0.15) * WIDTH
        across = (columns - WIDTH / 2) * math.cos(angle)
        across = across + (rows - HEIGHT / 2) * math.sin(angle) + shift
        return (across / width + 0.5).clamp(0, 1)

    colour = torch.tensor([50.0, 70, 150] if kind == "blue ink" else [INK] * 3)
    paper = torch.tensor([235.0, 215, 140] if kind == "yellow paper" else [PAPER] * 3)
    image = paper[:, None, None].expand(3, HEIGHT, WIDTH).double()
    places = torch.arange(HEIGHT).double(), torch.arange(WIDTH).double()
    rows, columns = torch.meshgrid(*places, indexing="ij")
    spacing, light = int(between(14, 30)), between(0.65, 0.85)
    if kind in ("ruled", "squared", "margin line", "perspective"):
        image = ruled(image, rows, spacing, light)
    if kind == "tilted lines":
        image = ruled(image, rows + between(-0.08, 0.08) * columns, spacing, light)
    if kind == "squared":
        image = ruled(image, columns, spacing, light)
    if kind == "margin line":
        image = ruled(image, columns, WIDTH, 0.5, start=int(between(20, 60)))
    side = int(between(90, 150))
    ink = functional.interpolate(digit[None, None] / 255.0, (side, side), mode="bicubic")
    apart = (0.5, 0.5) if kind != "off-centre" else (between(0, 1), between(0, 1))
    free = HEIGHT - 20 - side, WIDTH - 20 - side
    down, across = (10 + int(share * room) for share, room in zip(apart, free, strict=True))
    spread = torch.zeros(HEIGHT, WIDTH, dtype=torch.double)
    sharp = ((ink[0, 0].double() - 0.5) * 2.5 + 0.5).clamp(0, 1)
    spread[down : down + side, across : across + side] = sharp
    image = image * (1 - spread) + colour[:, None, None] * spread
    if kind == "table edge":
        down, across = between(0, 0.13) * HEIGHT, between(0.03, 0.13) * WIDTH
        below = rows if between(0, 1) < 0.5 else HEIGHT - rows
        beside = columns if between(0, 1) < 0.5 else WIDTH - columns
        image = torch.where((below < down) | (beside < across), TABLE, image)
    if kind == "perspective":  # seen aslant and turned a little, with the table around the sheet
        turn, far = between(-0.05, 0.05), between(0.1, 0.25)
        x, y = columns / WIDTH * 2 - 1, rows / HEIGHT * 2 - 1
        scale = 1.12 * (1 - far * y)
        grid = torch.stack([scale * (x + turn * y), scale * (y - turn * x)], -1)[None]
        image = functional.grid_sample(image[None] - TABLE, grid, align_corners=False)[0] + TABLE
    if kind in ("uneven light", "shadow edge"):
        dark = between(0.3, 0.5)
        image = image * (1 - dark * ramp(WIDTH if kind == "uneven light" else between(2, 8)))
    noise = torch.randn(image.shape, generator=draw, dtype=torch.double)
    return (image + 3 * noise).clamp(0, 255).round()


TUNED = ["clean", "off-centre", "uneven light", "shadow edge", "ruled", "squared", "table edge"]
TUNED += ["tilted lines"]
LEFT_OUT = ["blue ink", "yellow paper", "perspective", "margin line"]


def answers(split, kind, count, start):
    """Of `count` photos: the classes, -1 where refused, their probabilities, and the labels."""
    draw = streams.generator(5, f"photos, {kind}, {start}")
    chosen = start + torch.randperm(5000, generator=draw)[:count]
    formed = []
    for digit in split.images[chosen]:
        try:
            formed.append(mnist_form(grey(photo(digit.view(28, 28).float(), kind, draw))[0]))
        except ValueError:
            formed.append(torch.zeros(28, 28, dtype=torch.uint8))
    images = torch.stack(formed)[:, None]
    rows = evaluation.predict(load_run().net, images, 0.1307, 0.3081).exp()
    shares, classes = rows.max(1)
    refused = images.flatten(1).sum(1) == 0
    return classes.where(~refused, torch.tensor(-1)), shares, split.labels[chosen]


@pytest.mark.parametrize("kind", TUNED + LEFT_OUT)
def test_a_digit_on_paper_is_read(mnist, kind):
    classes, _, labels = answers(mnist.test, kind, 2, 0)
    assert torch.equal(classes, labels.long())


@pytest.mark.long
def test_nine_of_ten_of_every_kind_are_read_and_few_are_wrong_with_confidence(mnist):
    wrong = []
    for kind in TUNED + LEFT_OUT:
        classes, shares, labels = answers(mnist.test, kind, 10, 5000)
        assert (classes == labels).sum() >= 9, kind
        wrong.append((classes != labels) & (classes >= 0) & (shares > 0.9))
    assert torch.cat(wrong).double().mean() < 0.05


def sheet(*places, side=84):
    """A sheet with a synthetic 4, of `side` pixels, at each of the places (row, column)."""
    digit = synthetic.digits(torch.tensor([4]), streams.generator(3, "digits"))[0, 0]
    digit = functional.interpolate(digit[None, None].double(), (side, side))[0, 0]
    image = torch.full((HEIGHT, WIDTH), PAPER).double()
    for row, column in places:
        image[row : row + side, column : column + side] -= digit * 0.7
    return image


def uneven(image):
    return image * torch.linspace(0.6, 1, image.shape[1])


def blot():
    image = sheet()
    image[80:130, 120:175] = INK
    return image


NO_DIGIT = {
    "nothing": sheet(),
    "two": sheet((60, 40), (60, 160)),
    "three": sheet((60, 10), (60, 100), (60, 200)),
    "one at the border": sheet((60, 0), side=150)[:, 70:],
    "a blot": blot(),
}


@pytest.mark.parametrize("what", NO_DIGIT)
@pytest.mark.parametrize("light", [lambda image: image, uneven], ids=["even", "uneven"])
def test_where_no_single_digit_stands_out_there_is_no_answer(what, light):
    with pytest.raises(ValueError, match="stand|alike"):
        mnist_form(light(NO_DIGIT[what]))
