"""The filters of a net's first convolution, and the feature maps of its layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinytrain.errors import UsageError
from tinytrain.nn import Conv2d, Module
from tinytrain.plots.drawing import Tile, grid, viewable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 32  # of a layer
COLUMNS = 12


def filters(net: Module) -> Figure:
    """Draw the kernels of the first convolution, a tile for each channel of the image.

    All have one scale. Raises UsageError where the net has no convolution.
    """
    convolutions = [layer for layer in net.modules() if isinstance(layer, Conv2d)]
    if not convolutions:
        raise UsageError("this net has no convolution, so no filters to draw")
    kernels = convolutions[0].weight.detach()
    limit, channels = float(kernels.abs().max()), kernels.shape[1]
    tiles = [
        Tile(kernel, f"filter {number}" + f", channel {channel}" * (channels > 1), limit)
        for number, kernel_of_all in enumerate(kernels)
        for channel, kernel in enumerate(kernel_of_all)
    ]
    return grid(tiles, columns=8, inch=1.0)


def feature_maps(net: Module, image: Tensor, normalised: Tensor) -> Figure:
    """Draw an image (C, H, W), and the feature maps of each layer in rows of their own.

    `normalised`, (1, C, H, W), is the net's input. Raises UsageError where no layer has maps.
    """
    tiles: list[Tile | None] = [Tile(viewable(image), "the image")]
    for name, maps in maps_by_layer(net, normalised).items():
        for channel, values in enumerate(maps[:MOST_MAPS]):
            limit = float(values.abs().max()) if values.min() < 0 else None
            tiles.append(Tile(values, f"{name}, {channel}", limit))
        tiles += [None] * (-len(tiles) % COLUMNS)
    if len(tiles) == 1:
        raise UsageError("no layer of this net has feature maps, so there are none to draw")
    return grid(tiles, COLUMNS, inch=1.0)


@torch.no_grad()
def maps_by_layer(net: Module, normalised: Tensor) -> dict[str, Tensor]:
    """The outputs (C, H, W) of a net's layers, by name, for a normalised image (1, C, H, W).

    Of successive layers with outputs of one shape only the last counts: of convolution, batch
    norm, ReLU and dropout the output that the next convolution gets.
    """
    twin = copy.deepcopy(net).eval()
    outputs: list[tuple[str, Tensor]] = []

    def recording(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def recorded(input: Tensor) -> Tensor:
            output = forward(input)
            if outputs and outputs[-1][1].shape == output[0].shape:
                outputs.pop()
            outputs.append((name, output[0].clone()))  # a later layer may work in place
            return output

        return recorded

    for name, layer in list(twin.named_modules()):
        if not list(layer.named_children()):
            vars(layer)["forward"] = recording(name, layer.forward)
    twin(normalised)
    return {name: maps for name, maps in outputs if maps.ndim == 3 and maps[0].numel() > 1}
