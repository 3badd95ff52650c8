"""Exercises on what a layer computes: convolution, pooling, probabilities and their loss."""

from __future__ import annotations

from typing import Any

import torch

from tinytrain.course.exercises import engine
from tinytrain.course.exercises.exercise import Draw, Exercise
from tinytrain.nn import fast, functional


def to_convolve(draw: Draw) -> dict[str, Any]:
    """Images of one channel, kernels that fit into them, and how they are to meet."""
    tall, wide, step = draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 2)
    height, width = (step * (side - 1) + draw.integer(1, 4) for side in (tall, wide))
    outputs = draw.integer(1, 2)
    return {
        "input": draw.learned(draw.integer(1, 2), 1, height, width),
        "weight": draw.learned(outputs, 1, tall, wide),
        "bias": draw.one_of(None, draw.learned(outputs)),
        **{"stride": draw.integer(1, 2), "padding": draw.integer(0, 1), "dilation": step},
    }


CONVOLUTION = Exercise(
    name="convolution",
    title="A convolution as one product of matrices",
    shipped=fast.conv2d,
    why="A processor is never faster than when it multiplies two large matrices. A convolution is "
    "such a product once what the kernel sees at each place stands in a column; over images of "
    "one channel, as of digits, that beats a kernel written for convolutions.",
    hints=(
        "Images of several channels you may hand on to torch.conv2d, as the shipped one does; "
        "yours are those of one channel. Pad them first: torch.constant_pad_nd(input, (left, "
        "right, top, bottom)).",
        "For each of the kH · kW numbers of a kernel, cut out of the input what that number "
        "meets: rows y, y + stride, … where y is its row times the dilation, as many as the "
        "output has; likewise columns. torch.stack of them is (kH · kW, N, H', W').",
        "patches.flatten(1).T @ weight.reshape(outputs, -1).T is (N · H' · W', outputs). Add the "
        "bias, then .view(N, H', W', outputs).permute(0, 3, 1, 2). H' = (H + 2 padding − "
        "dilation · (kH − 1) − 1) // stride + 1.",
    ),
    arguments=to_convolve,
    engine=engine.training,
    kernels=("conv2d", "convolution", "unfold_backward"),
    rungs=("net2",),
    mistakes={
        "the kernel is flipped": (
            "weight.reshape(outputs, -1).T",
            "weight.flip(2, 3).reshape(outputs, -1).T",
        ),
        "the stride is forgotten": (": y + bottom : stride_y", ": y + bottom"),
        "the dilation is forgotten": ("(0, step_y * kernel_height, step_y)", "(kernel_height)"),
        "no bias": ("output = output + bias", "output = output + 0 * bias"),
        "padded on one side": ("(pad_x, pad_x, pad_y, pad_y)", "(2 * pad_x, 0, 2 * pad_y, 0)"),
    },
)


def to_pool(draw: Draw) -> dict[str, Any]:
    """Images below 0, so that padding with 0 shows, and a window."""
    kernel = draw.integer(1, 3)
    shape = draw.integer(1, 2), 1, draw.integer(3, 5), draw.integer(3, 5)
    input = (draw.normal(*shape) - 3).requires_grad_()
    padding = draw.integer(0, kernel // 2)
    stride = draw.one_of(None, 1, 2)
    return {"input": input, "kernel_size": kernel, "stride": stride, "padding": padding}


MAX_POOL = Exercise(
    name="max-pool",
    title="Max-pooling",
    shipped=functional.max_pool2d,
    why="Where exactly a stroke lies matters less than that it is there: the largest answer of "
    "each window goes on, and with it its gradient; a quarter of the numbers is left.",
    hints=(
        "input.unfold(axis, size, step) gives a view of all windows along an axis, with a new "
        "axis at the end. Done for the rows and then for the columns, -2 both times, it gives "
        "(N, C, H', W', kernel, kernel).",
        "The stride is the kernel's size unless it is given. `pair` makes two numbers of one.",
        "The padding must never win: torch.constant_pad_nd(input, (left, right, top, bottom), "
        "-math.inf). Then .amax((-2, -1)).",
    ),
    arguments=to_pool,
    engine=engine.training,
    kernels=("max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d"),
    by_hand="""\
(height, width), (pad_y, pad_x) = pair(kernel_size), pair(padding)
stride_y, stride_x = pair(kernel_size if stride is None else stride)
input = torch.constant_pad_nd(input, (pad_x, pad_x, pad_y, pad_y), -math.inf)
return input.unfold(-2, height, stride_y).unfold(-2, width, stride_x).amax((-2, -1))
""",
    rungs=("net2",),
    mistakes={
        "the padding wins": (", -math.inf)", ")"),
        "the mean": (".amax((-2, -1))", ".mean((-2, -1))"),
        "windows overlap": (
            "pair(kernel_size if stride is None else stride)",
            "pair(stride or 1)",
        ),
        "the smallest": (".amax((-2, -1))", ".amin((-2, -1))"),
        "1 % too large": (".amax((-2, -1))", ".amax((-2, -1)) * 1.01"),
    },
)


def scores(draw: Draw) -> dict[str, Any]:
    """Scores of some images, sometimes so large that exp of them is not finite."""
    size = draw.one_of(1.0, 1.0, 1000.0)
    input = (size * draw.normal(draw.integer(1, 3), draw.integer(2, 4))).requires_grad_()
    return {"input": input, "dim": draw.one_of(-1, 0, 1)}


LOG_SOFTMAX = Exercise(
    name="log-softmax",
    title="Log-softmax that does not overflow",
    shipped=functional.log_softmax,
    why="exp(1000) is infinite, and infinity divided by infinity is nan: the formula as it stands "
    "in the book ends a training at the first score that is too large, and log(0) at the first "
    "that is too small.",
    hints=(
        "log(exp(x) / Σ exp(x)) is x − log Σ exp(x): no division, and no logarithm of 0 for a "
        "small x.",
        "Adding the same number to all x of a row changes nothing: subtract one that leaves no x "
        "above 0. input.amax(dim, keepdim=True) is the largest of each row.",
        "With shifted = input − the largest: shifted − log of the sum of exp(shifted) along dim, "
        "keepdim=True. One term of that sum is exp(0) = 1, so the logarithm is finite.",
    ),
    arguments=scores,
    engine=engine.training,
    kernels=("log_softmax", "softmax", "logsumexp", "cross_entropy"),
    by_hand="""\
shifted = input - input.amax(dim, keepdim=True)
return shifted - shifted.exp().sum(dim, keepdim=True).log()
""",
    rungs=("net1",),
    mistakes={
        "overflows": (" - input.amax(dim, keepdim=True)", ""),
        "along another axis": (".sum(dim, keepdim=True)", ".sum(keepdim=True, dim=0)"),
        "no logarithm": ("shifted.exp().sum(dim, keepdim=True).log()", "shifted.exp().sum()"),
        "the shift is subtracted once only": ("return shifted -", "return input -"),
        "1 % too large": ("return shifted", "return 1.01 * shifted"),
    },
)


def to_judge(draw: Draw) -> dict[str, Any]:
    """Log-probabilities, and the classes that are right."""
    count, classes = draw.integer(1, 3), draw.integer(2, 4)
    target = torch.randint(classes, (count,), generator=draw.generator)
    said = draw.normal(count, classes).log_softmax(1).requires_grad_()
    return {"log_probabilities": said, "target": target}


LOSS = Exercise(
    name="loss",
    title="The loss",
    shipped=functional.nll_loss,
    why="How wrong a net is must be one number whose slope says where to go. It is how surprised "
    "the net is by the right answer: minus the logarithm of the probability that it gave to it.",
    hints=(
        "Of each row one number counts, that in the column of the row's target; the others have "
        "their say through the log-softmax before.",
        "log_probabilities.gather(1, columns) takes from each row what stands in its columns; "
        "target[:, None] makes of the targets a column (N, 1).",
        "Minus the mean over the images: with the sum, twice the batch would be twice the step.",
    ),
    arguments=to_judge,
    engine=engine.training,
    kernels=("nll_loss", "cross_entropy"),
    rungs=("net1",),
    mistakes={
        "the sum": ("target[:, None]).mean()", "target[:, None]).sum()"),
        "uphill": ("return -log", "return log"),
        "every class counts": (".gather(1, target[:, None])", ""),
        "the first class is right": ("target[:, None])", "0 * target[:, None])"),
        "1 % too large": ("return -log", "return -1.01 * log"),
    },
)
