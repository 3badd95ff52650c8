"""The pictures of a net at work: their contents, from the tiles that they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinytrain import data, nets, nn, streams
from tinytrain.cli.plot import PICTURES
from tinytrain.errors import UsageError
from tinytrain.nets.bricks import blocks, stacked
from tinytrain.plots import net_pictures
from tinytrain.plots.drawing import Tile, grid
from tinytrain.plots.net_pictures import Pictures, maps_by_layer
from tinytrain.recipes import RECIPES

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
FINAL = RECIPES["final"]


@pytest.fixture
def net():
    return nets.build("net9_3", generator=streams.generator(1, "weights"))


@pytest.fixture
def tiles(monkeypatch):
    """`tiles(draw)`: the title of a picture, and the tiles that it is made of."""
    monkeypatch.setattr(net_pictures, "grid", lambda tiles, columns, inch: tiles)

    def tiles(draw):
        title, drawn = draw()
        return title, [tile for tile in drawn if tile]

    return tiles


def test_every_picture_of_the_help_can_be_drawn(net, tiny):
    assert {*Pictures(net, tiny, FINAL).by_name} == {*PICTURES}


def test_the_digit_stands_beside_its_maps(net, tiny, tiles):
    title, (image, *maps) = tiles(Pictures(net, tiny, FINAL, digit=7).maps)
    assert title.endswith(f"image 7, a {tiny.test.labels[7]}")
    assert torch.equal(image.image, tiny.test.images[7, 0].float())
    names = [tile.title.split(",")[0] for tile in maps]
    layers = "conv1.3 conv1.7 trans1.0 trans1.1 conv2.3 conv2.7 conv2.11 trans2.0"
    assert list(dict.fromkeys(names)) == layers.split()
    assert list(map(names.count, layers.split())) == [8, 11, 10, 10, 12, 14, 31, 10]


class Residual(nn.Module):
    """A net that is no chain, and works in place at its end."""

    def __init__(self):
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, input):
        first = self.first(input)
        return first + self.second(first.clone().relu_()).zero_()


def test_maps_are_what_the_net_computes(net):
    image = torch.randn(1, 1, 28, 28, generator=streams.generator(1, "image"))
    found, stages = maps_by_layer(net.eval(), image), dict(net.named_children())
    first = stages["conv1"](image)
    assert torch.equal(found["conv1.7"], first[0])
    assert torch.equal(found["trans1.1"], stages["trans1"](first)[0])
    net, image = Residual(), torch.randn(1, 3, 6, 9)
    (maps,) = maps_by_layer(net, image).values()
    assert torch.equal(maps, net.second(net.first(image).relu())[0])


def test_what_is_signed_has_its_middle_at_zero(net, tiny, tiles):
    largest = float(net.state_dict()["conv1.0.weight"].abs().max())
    _, filters = tiles(Pictures(net, tiny, FINAL).filters)
    assert [tile.limit for tile in filters] == [largest] * 8
    _, maps = tiles(Pictures(net, tiny, FINAL).maps)
    for tile in maps:
        signed = bool(tile.image.min() < 0)
        assert tile.limit == (float(tile.image.abs().max()) if signed else None)
    assert {tile.limit is None for tile in maps} == {True, False}

    weights = torch.tensor([[-1.0, 0.0], [0.5, 0.25]])
    drawn = grid([Tile(weights, "signed", 1.0), None, Tile(weights, "grey")], 3, 1.0)
    signed, grey = (axes.images[0] for axes in drawn.axes)
    assert (signed.get_cmap().name, signed.get_clim()) == ("signed", (-1, 1))
    assert grey.get_cmap().name == "gray"
    positive, negative = signed.to_rgba(np.array([1.0, -1.0]))
    assert positive[0] > positive[2] and negative[0] < negative[2]


def test_augmentation_is_that_of_the_recipe(net, tiny, tiles):
    turned, original = RECIPES["net7"], tiny.train.images[3, 0].float()
    change = []
    for rotation in 1.0, 180.0:
        recipe = replace(turned, rotation=rotation)
        _, (first, *moved) = tiles(Pictures(net, tiny, recipe, digit=3).augmentation)
        assert torch.equal(first.image, original) and len(moved) == 5
        change.append([float((tile.image - original).abs().mean()) for tile in moved])
    assert all(mild < wild for mild, wild in zip(*change, strict=True))
    with pytest.raises(UsageError, match="no augmentation"):
        Pictures(net, tiny, turned).augmentation()


def test_a_mistake_has_its_number(net, tiny, tiles):
    split = replace(tiny.test, images=tiny.test.images[:3], labels=torch.tensor([0, 1, 2]))
    pictures = Pictures(net, replace(tiny, test=split), FINAL)
    said = torch.tensor([[0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [0.8, 0.0, 0.2]]).log()
    vars(pictures)["outputs"] = said
    title, drawn = tiles(pictures.mistakes)
    assert title == "The surest of its 2 mistakes on 3 test images"
    assert [tile.title for tile in drawn] == [
        "0 taken for 1\n90 % sure, no. 0",
        "2 taken for 0\n80 % sure, no. 2",
    ]


@pytest.mark.parametrize("channels, classes", [(1, 2), (3, 5), (2, 60)])
def test_pictures_of_any_size_and_number_of_channels_and_classes(channels, classes):
    labels, draw = torch.arange(2 * classes) % classes, streams.generator(0, "images")
    images = torch.randint(256, (2 * classes, channels, 12, 9), generator=draw).to(torch.uint8)
    own = data.from_arrays(images, labels, images, labels)
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes)]
    stages = {"conv1": blocks((channels, 4), draw), "conv2": blocks((4, 3), draw), "last": last}
    pictures = Pictures(stacked(stages), own, FINAL).by_name
    drawn = {name: draw()[1] for name, draw in pictures.items()}
    shapes = {
        name: [axes.images[0].get_array().shape for axes in figure.axes]
        for name, figure in drawn.items()
    }
    picture = (12, 9, 3) if channels == 3 else (12, 9)
    assert {*shapes["mistakes"]} == {picture} and shapes["maps"][0] == picture
    assert {*shapes["maps"][1:]} == {(10, 7), (8, 5)}
    assert shapes["augmentation"] == [picture] * 6 * min(classes, 3)
    first = drawn["augmentation"].axes[0].images[0].get_array()
    assert first.mean() == pytest.approx(float(images[classes // 5].float().mean()))
    assert shapes["confusion"] == [(classes, classes)]
    counts = [int(text.get_text()) for text in drawn["confusion"].axes[0].texts]
    assert sum(counts) == (len(labels) if classes <= 50 else 0)
    assert shapes["filters"] == [(3, 3)] * 4 * channels
