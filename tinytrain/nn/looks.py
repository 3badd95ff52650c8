"""In evaluation, look at every image five times, and decide by all of them.

Moved by one pixel a digit is the same digit, but a net that pools computes something else for it.
Where the net is sure that changes nothing; where it errs, it errs in some of the places only, and
the mean over them is right more often. That takes no parameter and no training, only five times
the arithmetic. It is known as test-time augmentation: Krizhevsky et al., "ImageNet classification
with deep convolutional neural networks", 2012, section 4.1, average the probabilities of ten
crops. Here it is the scores, before they become probabilities.

`Looks` stands before a net's first layer and `MeanOfLooks` after its scores. In training both
pass their input on as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tinytrain.nn.module import Module

# (down, right), in pixels.
MOVES = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


class Looks(Module):
    """In evaluation (N, C, H, W) to (5·N, C, H, W): the images, then all moved by one pixel.

    The four moves are down, up, right and left. What leaves at one side comes in at the other:
    in digits that is background.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return input
        return torch.cat([torch.roll(input, move, (2, 3)) for move in MOVES])


class MeanOfLooks(Module):
    """In evaluation (5·N, K) to (N, K): for each of N images, the mean over its five looks.

    The rows are in the order that `Looks` gives them. Raises RuntimeError where they are not five
    for every image.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return input
        return input.unflatten(0, (len(MOVES), -1)).mean(0)
