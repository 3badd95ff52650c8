"""The gradients of a convolution, by hand.

A convolution is a linear layer that uses the same few weights at every place. So the gradient of a
weight is a sum over all places, of what it saw times the gradient there; that of a pixel is a sum
over all weights that saw it. These two sums are how a convolutional net learns.

1. Pad the input first: torch.constant_pad_nd(input, (padding,) * 4). Then the weight [o, c, y, x]
   sees the pixels [y : y + H', x : x + W'] of channel c, one for each number of channel o of the
   output. Two loops, over y and x, are enough.
2. Its gradient is the sum over images and places of above[:, o] · what it saw of c. For all o and
   c at once: torch.einsum("nohw,nchw->oc", above, seen). An einsum sums over the letters that are
   missing behind the arrow.
3. Each of the pixels that it saw gets above · weight, summed over o: "nohw,oc->nchw". Add that to
   the same slice of a tensor of zeros, as large as the padded input: a pixel is seen by many
   weights. Cut the padding off at the end.
"""

from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.course.exercises.checking.training import train_by_hand

shipped = by_hand.conv2d_backward
demonstrate = train_by_hand
forbidden = "^grad$|backward|conv_transpose"
rungs = ("net2",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images of one or two channels, kernels that fit into them, a padding."""
    count, channels, outputs = (draw.integer(1, 2) for _ in range(3))
    kernel, padding = (draw.integer(1, 3), draw.integer(1, 3)), draw.integer(0, 1)
    image = [max(1, side - 2 * padding) + draw.integer(0, 2) for side in kernel]
    output = [side + 2 * padding - seen + 1 for side, seen in zip(image, kernel, strict=True)]
    return {
        "above": draw.normal(count, outputs, *output),
        "input": draw.normal(count, channels, *image),
        "weight": draw.normal(outputs, channels, *kernel),
        "padding": padding,
    }


mistakes = """
the kernel is flipped: above, weight[..., y, x] → above, weight[..., -1 - y, -1 - x]
overwritten where several weights see a pixel: input_gradient[place] += → input_gradient[place] =
the padding is cut off on one side: (-padding,) * 4 → (0, -2 * padding) * 2
the padding stays: (-padding,) * 4 → (0,) * 4
the mean over the images: above, padded[place]) → above, padded[place]) / len(input)
the first image only: above, padded[place] → above[:1], padded[:1][place]
the channels are added up: "nohw,nchw->oc", above, padded[place])
    → "nohw,nchw->o", above, padded[place])[:, None]
one output channel only: above, weight → above[:, :1], weight[:1]
"""
