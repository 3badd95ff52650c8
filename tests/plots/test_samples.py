"""Samples of a data set are drawn class by class."""

import pytest
import torch

from tinytrain import data
from tinytrain.plots import samples

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")


@pytest.mark.parametrize("channels, classes", [(1, 2), (3, 3), (2, 70)])
def test_samples_are_drawn_class_by_class(channels, classes):
    images = torch.arange(30 * classes).view(-1, 1, 1, 1).expand(-1, channels, 5, 3) % 256
    labels = torch.arange(30 * classes) % classes
    split = data.from_arrays(images.to(torch.uint8), labels, images[:1].byte(), labels[:1]).train
    table = samples.mosaic(split, min(classes, 64))
    assert table.shape == (min(classes, 64) * 6, 40, 3)[: 3 if channels == 3 else 2]
    second = table[6:11, 4:7]  # of class 1, after its first image one from a tenth further on
    assert (second == ((3 * classes + 1) % 256) / 255).all()
    between = table[5]
    assert (between == 1).all() if channels == 3 else between.isnan().all()
    figure = samples.samples(split, [f"class {label}" for label in range(classes)])
    assert len(figure.axes[0].get_yticklabels()) == min(classes, 64)
