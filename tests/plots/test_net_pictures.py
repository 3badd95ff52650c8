"""The pictures of a net at work: what is in them, told from the tiles they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinytrain import data, nets, nn, streams
from tinytrain.cli.plot import PICTURES
from tinytrain.data.datasets import Dataset, Split
from tinytrain.errors import UsageError
from tinytrain.nets.bricks import blocks, stacked
from tinytrain.plots import feature_maps, mistakes, samples
from tinytrain.plots.drawing import Tile, grid
from tinytrain.plots.net_pictures import net_pictures
from tinytrain.results.variations import RECIPES

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
FINAL = RECIPES["final"]


@pytest.fixture
def net():
    return nets.build("net9_3", generator=streams.generator(1, "weights"))


@pytest.fixture
def tiles(monkeypatch):
    """The tiles of the grids that are drawn."""
    drawn = []
    for module in feature_maps, mistakes, samples:
        monkeypatch.setattr(module, "grid", lambda tiles, columns, inch: drawn.extend(tiles))
    return drawn


def test_every_picture_of_the_help_can_be_drawn(net, tiny):
    assert {*net_pictures(net, tiny, FINAL)} == {*PICTURES}


def test_the_digit_stands_beside_its_maps(net, tiny, tiles):
    title, _ = net_pictures(net, tiny, FINAL, digit=7)["maps"]()
    assert title.endswith(f"image 7, a {tiny.test.labels[7]}")
    assert torch.equal(tiles[0].image, tiny.test.images[7, 0].float())
    names = [tile.title.split(",")[0] for tile in tiles[1:] if tile]
    assert [(name, names.count(name)) for name in dict.fromkeys(names)] == [
        ("conv1.3", 8),
        ("conv1.7", 11),
        ("trans1.0", 10),
        ("trans1.1", 10),
        ("conv2.3", 12),
        ("conv2.7", 14),
        ("conv2.11", 31),
        ("trans2.0", 10),
    ]


def test_maps_are_what_the_net_computes(net, tiny):
    net.eval()
    image = torch.randn(1, 1, 28, 28, generator=streams.generator(1, "image"))
    found = feature_maps.maps_by_layer(net, image)
    stages = dict(net.named_children())
    first = stages["conv1"](image)
    assert torch.equal(found["conv1.7"], first[0])
    assert torch.equal(found["trans1.1"], stages["trans1"](first)[0])


def test_maps_of_a_net_that_is_no_chain():
    class Residual(nn.Module):
        def __init__(self):
            self.first = nn.Conv2d(3, 4, 3)
            self.second = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, input):
            first = self.first(input)
            return first + self.second(first.clone().relu_())

    net, image = Residual(), torch.randn(1, 3, 6, 9)
    assert torch.equal(
        feature_maps.maps_by_layer(net, image)["second"], net.second(net.first(image).relu())[0]
    )


def test_maps_stay_as_they_were_when_a_later_layer_works_in_place():
    class Zero(nn.Module):
        def forward(self, input):
            return input.zero_().sum((2, 3))

    net = nn.Sequential(nn.Conv2d(1, 2, 3), Zero())
    image = torch.randn(1, 1, 6, 6, generator=streams.generator(1, "image"))
    (maps,) = feature_maps.maps_by_layer(net, image).values()
    assert maps.abs().sum() > 0


def test_what_is_signed_has_its_middle_at_zero(net, tiny, tiles):
    net_pictures(net, tiny, FINAL)["filters"]()
    largest = float(net.state_dict()["conv1.0.weight"].abs().max())
    assert len(tiles) == 8 and {tile.limit for tile in tiles} == {largest}
    del tiles[:]
    net_pictures(net, tiny, FINAL)["maps"]()
    for tile in filter(None, tiles):
        signed = bool(tile.image.min() < 0)
        assert tile.limit == (float(tile.image.abs().max()) if signed else None)
    assert {tile.limit is None for tile in filter(None, tiles)} == {True, False}


def test_a_signed_tile_is_drawn_with_a_diverging_map():
    weights = torch.tensor([[-1.0, 0.0], [0.5, 0.25]])
    tiles = [Tile(weights, "signed", 1.0), None, Tile(weights, "grey")]
    signed, grey = (axes.images[0] for axes in grid(tiles, 3, 1.0).axes)
    assert (signed.get_cmap().name, signed.get_clim()) == ("RdBu_r", (-1, 1))
    assert grey.get_cmap().name == "gray"
    positive, negative = signed.to_rgba(np.array([1.0, -1.0]))
    assert positive[0] > positive[2] and negative[0] < negative[2]


def test_augmentation_is_that_of_the_recipe(net, tiny, tiles):
    turned = replace(FINAL, shift=0.0, scale=0.0, shear=0.0, rotation=180.0)
    net_pictures(net, tiny, turned, digit=3)["augmentation"]()
    wild, original = [tile.image for tile in tiles], tiny.train.images[3, 0].float()
    assert len(wild) == 6 and torch.equal(wild[0], original)
    del tiles[:]
    net_pictures(net, tiny, replace(turned, rotation=1.0), digit=3)["augmentation"]()
    mild = [tile.image for tile in tiles]
    assert all(
        (one - original).abs().mean() < (other - original).abs().mean()
        for one, other in zip(mild[1:], wild[1:], strict=True)
    )
    with pytest.raises(UsageError, match="no augmentation"):
        net_pictures(net, tiny, RECIPES["net7"])["augmentation"]()


def test_a_mistake_has_its_number(tiny, tiles):
    labels = torch.tensor([0, 1, 2])
    said = torch.tensor([[0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [0.8, 0.0, 0.2]]).log()
    mistakes.misclassified(tiny.test.images[:3], labels, said, most=24)
    assert [tile.title for tile in tiles] == [
        "0 taken for 1\n90 % sure, no. 0",
        "2 taken for 0\n80 % sure, no. 2",
    ]


def test_colour_and_other_numbers_of_classes(tiles):
    draw = streams.generator(1, "colour")
    images = torch.randint(0, 256, (20, 3, 40, 24), generator=draw, dtype=torch.uint8)
    split = Split(images, torch.arange(20) % 5)
    dataset = Dataset("own", split, split, 0.5, 0.3, (), 0, 5)
    layers = nn.Conv2d(3, 4, 3, generator=draw), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    net = nn.Sequential(*layers, nn.Linear(4, 5, generator=draw), nn.LogSoftmax())
    pictures = net_pictures(net, dataset, FINAL)
    for name in ("mistakes", "filters", "maps"):
        pictures[name]()
    assert len([tile for tile in tiles if tile and tile.title.startswith("filter")]) == 12
    assert {tuple(tile.image.shape) for tile in tiles if tile} == {(40, 24, 3), (3, 3), (38, 22)}
    _, figure = pictures["confusion"]()
    assert figure.axes[0].images[0].get_array().shape == (5, 5)
    assert sum(int(text.get_text()) for text in figure.axes[0].texts) == 20


@pytest.mark.parametrize("channels, classes", [(1, 2), (2, 5), (3, 5), (3, 60)])
def test_pictures_of_any_size_and_number_of_channels_and_classes(channels, classes):
    labels, draw = torch.arange(2 * classes) % classes, streams.generator(0, "images")
    images = torch.randint(256, (2 * classes, channels, 12, 9), generator=draw).to(torch.uint8)
    own = data.from_arrays(images, labels, images, labels)
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes)]
    stages = {"conv1": blocks((channels, 4), draw), "conv2": blocks((4, 3), draw), "last": last}
    drawn = {name: draw()[1] for name, draw in net_pictures(stacked(stages), own, FINAL).items()}
    shapes = {
        name: [axes.images[0].get_array().shape for axes in figure.axes]
        for name, figure in drawn.items()
    }
    picture = (12, 9, 3) if channels == 3 else (12, 9)
    assert {*shapes["mistakes"]} == {picture}
    assert shapes["augmentation"] == [picture] * 6 * min(classes, 3)
    first = drawn["augmentation"].axes[0].images[0].get_array()
    assert first.mean() == pytest.approx(float(images[classes // 5].float().mean()))
    assert shapes["confusion"] == [(classes, classes)]
    assert shapes["filters"] == [(3, 3)] * 4 * channels
