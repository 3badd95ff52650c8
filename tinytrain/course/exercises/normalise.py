"""Normalise the pixels.

Pixels from 0 to 255 would make the first layer's outputs a hundred times as large as those of the
layers after it, while all of them share one learning rate. The numbers 0.1307 and 0.3081 are the
mean and the standard deviation of MNIST's training pixels, on a scale from 0 to 1.

1. Subtract the mean and divide by the standard deviation. Both are on the scale 0 … 1, the pixels
   on 0 … 255: bring them to one scale first.
2. A mean of 0.1307 on the scale 0 … 1 is 255 · 0.1307 on the scale of the pixels; likewise the
   standard deviation. That takes one pass less over the images than dividing them by 255.
3. The result has its channels last in memory: .contiguous(memory_format=torch.channels_last).
"""

import torch

from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned, call
from tinytrain.data import batches

shipped = batches.normalise
forbidden = "batch_norm|layer_norm|group_norm"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Pixels, a mean and a standard deviation."""
    shape = draw.integer(1, 2), draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 3)
    images = (255 * draw.normal(*shape).sigmoid()).requires_grad_()
    return {"images": images, "mean": draw.number(0.1, 0.5), "std": draw.number(0.1, 0.5)}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """Values and gradients, and whether the channels are last in memory."""
    facts = call(function, arguments)
    channels_last = facts["result"].is_contiguous(memory_format=torch.channels_last)
    return facts | {"channels are last in memory": channels_last}


mistakes = """
the mean on another scale: images - 255 * mean → images - mean
the standard deviation on another scale: / (255 * std) → / std
divided by the variance: / (255 * std) → / (255 * std**2)
channels first: .contiguous(memory_format=torch.channels_last) → .contiguous()
1 % too large: / (255 * std) → / (255 * std) * 1.01
"""
