"""The gradients of a linear layer, by hand.

From above comes a number for each output: how much the loss changes with it. The layer owes three
answers: how much the loss changes with each weight and each bias, which the optimizer wants, and
with each input, which the layer below gets from above. A chain of these is backpropagation.

1. Take one image n, one output o, one input i: the weight W[o, i] is multiplied by x[n, i] and
   goes into y[n, o] only. So this image adds above[n, o] · x[n, i] to its gradient; all add.
2. x[n, i] goes into every output of its image: its gradient is the sum over o of above[n, o] ·
   W[o, i]. The bias b[o] is in y[n, o] of every image, with the slope 1.
3. A sum over a shared axis is a product of matrices: above (N, out) @ weight (out, in) sums over
   `out`; above.T (out, N) @ input (N, in) sums over the images. above.sum(0) is (out,).
"""

from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.course.exercises.checking.training import train_by_hand

shipped = by_hand.linear_backward
demonstrate = train_by_hand
forbidden = "^grad$|backward"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Numbers of images, inputs and outputs that are equal only by chance."""
    count, inputs, outputs = (draw.integer(1, 4) for _ in range(3))
    return {
        "above": draw.normal(count, outputs),
        "input": draw.normal(count, inputs),
        "weight": draw.normal(outputs, inputs),
    }


mistakes = """
the weight's gradient is transposed: above.T @ input → input.T @ above
the mean over the images: above.T @ input → above.T @ input / len(input)
the bias's mean: above.sum(0) → above.mean(0)
the bias of each image: above.sum(0) → above
every output counts alike: above @ weight → above.sum(1, keepdim=True) * weight.sum(0)
the first image only: above.T @ input → above[:1].T @ input[:1]
input and weight exchanged: return above @ weight, above.T @ input,
    → return above.T @ input, above @ weight,
"""
