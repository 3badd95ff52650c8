"""A convolution as one product of matrices.

A processor is never faster than when it multiplies two large matrices. A convolution is such a
product once the pixels that a kernel sees at each place are written into a column. Over images of
one channel, such as digits, that is faster than a kernel made for convolutions.

1. Images of several channels you may pass on to torch.conv2d, as the shipped function does; write
   the case of one channel. Pad the images first: torch.constant_pad_nd(input, (left, right, top,
   bottom)).
2. For each of the kH · kW numbers of a kernel, cut out of the input the pixels that it is
   multiplied by: rows y, y + stride, … where y is its row times the dilation, as many as the
   output has; columns likewise. torch.stack of them is (kH · kW, N, H', W').
3. patches.flatten(1).T @ weight.reshape(outputs, -1).T is (N · H' · W', outputs). Add the bias,
   then .view(N, H', W', outputs).permute(0, 3, 1, 2). H' = (H + 2 padding − dilation · (kH − 1) −
   1) // stride + 1.
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import fast

shipped = fast.conv2d
forbidden = "conv2d|convolution"
rungs = ("net2",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images of one channel, kernels that fit into them, stride, padding and dilation."""
    kernel_height, kernel_width, dilation = (draw.integer(1, high) for high in (3, 3, 2))
    height = dilation * (kernel_height - 1) + draw.integer(1, 4)
    width = dilation * (kernel_width - 1) + draw.integer(1, 4)
    outputs = draw.integer(1, 2)
    return {
        "input": draw.learned(draw.integer(1, 2), 1, height, width),
        "weight": draw.learned(outputs, 1, kernel_height, kernel_width),
        "bias": draw.one_of(None, draw.learned(outputs)),
        "stride": draw.integer(1, 2),
        "padding": draw.integer(0, 1),
        "dilation": dilation,
    }


mistakes = """
the kernel is flipped: weight.reshape(outputs → weight.flip(2, 3).reshape(outputs
the stride is forgotten: : y + bottom : stride_y → : y + bottom
the dilation is forgotten: (0, step_y * kernel_height, step_y) → (kernel_height)
no bias: output = output + bias → output = output + 0 * bias
padded on one side: (pad_x, pad_x, pad_y, pad_y) → (2 * pad_x, 0, 2 * pad_y, 0)
"""
