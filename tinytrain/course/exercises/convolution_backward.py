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

import torch
from torch import Tensor

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.course.exercises.checking.report import Rows
from tinytrain.course.exercises.checking.training import pixels
from tinytrain.course.exercises.softmax_loss import softmax_loss
from tinytrain.nn import functional


def conv2d_backward(
    above: Tensor, input: Tensor, weight: Tensor, padding: int = 0
) -> tuple[Tensor, ...]:
    """The gradients of input and weight of a convolution, from `above`, that of its output.

    `input` is (N, C, H, W), and gets `padding` zeros on each of its four sides; `weight` is
    (out, C, kH, kW), the stride 1, and there is no bias. `above`, ∂loss/∂output, is (N, out, H',
    W') with H' = H + 2·padding − kH + 1, likewise W'. With p the padded input, the kernel not
    flipped, output[n, o, h, w] = Σ over c, y, x of p[n, c, h + y, w + x] · weight[o, c, y, x].
    Returns ∂loss/∂input (N, C, H, W) and ∂loss/∂weight (out, C, kH, kW). LeCun et al.,
    "Backpropagation applied to handwritten zip code recognition", 1989.
    """
    input, weight = (tensor.detach().requires_grad_() for tensor in (input, weight))
    output = functional.conv2d(input, weight, padding=padding)
    return torch.autograd.grad(output, (input, weight), above)


shipped = conv2d_backward
forbidden = "^grad$|backward|conv_transpose"
body = """\
padded = torch.constant_pad_nd(input, (padding,) * 4)
input_gradient, weight_gradient = torch.zeros_like(padded), torch.zeros_like(weight)
height, width = above.shape[2:]
for y in range(weight.shape[2]):
    for x in range(weight.shape[3]):
        place = ..., slice(y, y + height), slice(x, x + width)
        weight_gradient[..., y, x] = torch.einsum("nohw,nchw->oc", above, padded[place])
        input_gradient[place] += torch.einsum("nohw,oc->nchw", above, weight[..., y, x])
return torch.constant_pad_nd(input_gradient, (-padding,) * 4), weight_gradient
"""
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


def demonstrate() -> Rows:
    """The loss of two convolutions, the second as large as the map, on small digits: 20 steps."""
    (images, labels), draw = pixels(), Draw(0)
    images, labels = images[:30, :, ::2, ::2], labels[:30]
    first, second = draw.normal(4, 1, 3, 3) / 3, draw.normal(10, 4, 14, 14) / 28
    losses = []
    for _ in range(21):
        hidden = functional.conv2d(images, first, padding=1).clamp(min=0)
        loss, above = softmax_loss(functional.conv2d(hidden, second).flatten(1), labels)
        below, second_gradient = conv2d_backward(above[:, :, None, None], hidden, second)
        _, first_gradient = conv2d_backward(below * (hidden > 0), images, first, padding=1)
        first -= 0.1 * first_gradient
        second -= 0.1 * second_gradient
        losses.append(float(loss))
    return {"loss": losses[::5]}


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
