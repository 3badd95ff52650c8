"""A convolution as one product of matrices.

A processor is never faster than when it multiplies two large matrices. A convolution is such a
product once the pixels that a kernel sees at each place are written into a column. Over images of
one channel, such as digits, that is faster than a kernel made for convolutions. Yours is for any
number of channels, which only make the columns longer; leave `groups` out.

1. Pad the images first: torch.constant_pad_nd(input, (left, right, top, bottom)). `pair` makes two
   numbers of one. H' = (H + 2 padding − dilation · (kH − 1) − 1) // stride + 1.
2. For each of the kH · kW places of a kernel, cut out of input.transpose(0, 1) the pixels that it
   is multiplied by: rows y, y + stride, … where y is its row times the dilation, as many as the
   output has; columns likewise. torch.stack of them at axis 1 is (C, kH · kW, N, H', W').
3. patches.flatten(0, 1).flatten(1).T @ weight.reshape(outputs, -1).T is (N · H' · W', outputs).
   Add the bias, then .view(N, H', W', outputs).permute(0, 3, 1, 2).
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import fast

shipped = fast.conv2d
forbidden = "conv2d|convolution"
body = """\
(stride_y, stride_x), (pad_y, pad_x) = pair(stride), pair(padding)
step_y, step_x = pair(dilation)
images = torch.constant_pad_nd(input, (pad_x, pad_x, pad_y, pad_y)).transpose(0, 1)
outputs, _, kernel_height, kernel_width = weight.shape
bottom = images.shape[2] - step_y * (kernel_height - 1)
right = images.shape[3] - step_x * (kernel_width - 1)
patches = torch.stack(
    [
        images[..., y : y + bottom : stride_y, x : x + right : stride_x]
        for y in range(0, step_y * kernel_height, step_y)
        for x in range(0, step_x * kernel_width, step_x)
    ],
    1,
)
count, height, width = patches.shape[2:]
output = patches.flatten(0, 1).flatten(1).T @ weight.reshape(outputs, -1).T
if bias is not None:
    output = output + bias
return output.view(count, height, width, outputs).permute(0, 3, 1, 2)
"""
rungs = ("net2",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images, of one channel or two, kernels that fit into them, stride, padding and dilation."""
    kernel_height, kernel_width, dilation = (draw.integer(1, high) for high in (3, 3, 2))
    height = dilation * (kernel_height - 1) + draw.integer(1, 4)
    width = dilation * (kernel_width - 1) + draw.integer(1, 4)
    channels, outputs = draw.integer(1, 2), draw.integer(1, 2)
    return {
        "input": draw.learned(draw.integer(1, 2), channels, height, width),
        "weight": draw.learned(outputs, channels, kernel_height, kernel_width),
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
channels and places exchanged: patches.flatten(0, 1) → patches.transpose(0, 1).flatten(0, 1)
"""
