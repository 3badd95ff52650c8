"""Max-pooling.

That a stroke is there matters more than where exactly it lies. So only the largest number of each
window goes on, and the gradient goes back to it alone; a quarter of the numbers is left.

1. input.unfold(axis, size, step) is a view of all windows along an axis, with a new axis at the
   end. For the rows and then for the columns, each time axis -2, it gives (N, C, H', W', kernel,
   kernel).
2. The stride is the kernel's size unless it is given. `pair` makes two numbers of one.
3. The padding must never be the largest: torch.constant_pad_nd(input, (left, right, top, bottom),
   -math.inf). Then .amax((-2, -1)).
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import functional

shipped = functional.max_pool2d
forbidden = "max_pool"
body = """\
(height, width), (pad_y, pad_x) = pair(kernel_size), pair(padding)
stride_y, stride_x = pair(kernel_size if stride is None else stride)
input = torch.constant_pad_nd(input, (pad_x, pad_x, pad_y, pad_y), -math.inf)
return input.unfold(-2, height, stride_y).unfold(-2, width, stride_x).amax((-2, -1))
"""
rungs = ("net2",)


def draw_arguments(draw: Draw) -> Arguments:
    """Images that are mostly negative, so that padding with 0 would show, and a window."""
    kernel = draw.integer(1, 3)
    shape = draw.integer(1, 2), 1, draw.integer(3, 5), draw.integer(3, 5)
    input = (draw.normal(*shape) - 3).requires_grad_()
    padding = draw.integer(0, kernel // 2)
    stride = draw.one_of(None, 1, 2)
    return {"input": input, "kernel_size": kernel, "stride": stride, "padding": padding}


mistakes = """
padded with 0: , -math.inf) → )
the mean: .amax((-2, -1)) → .mean((-2, -1))
windows overlap: pair(kernel_size if stride is None else stride) → pair(stride or 1)
the smallest: .amax((-2, -1)) → .amin((-2, -1))
1 % too large: .amax((-2, -1)) → .amax((-2, -1)) * 1.01
"""
