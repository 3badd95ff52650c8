"""Log-softmax that does not overflow.

exp(1000) is infinite, and infinity divided by infinity is nan. The formula as the textbook has it
ends a training at the first score that is too large, and log(0) at the first that is too small.

1. log(exp(x) / Σ exp(x)) is x − log Σ exp(x): no division, and no logarithm of 0 for a small x.
2. Adding the same number to all x of a row changes nothing: subtract one that leaves no x above
   0. input.amax(dim, keepdim=True) is the largest of each row.
3. With shifted = input − the largest: shifted − log of the sum of exp(shifted) along dim,
   keepdim=True. One term of that sum is exp(0) = 1, so the logarithm is finite.
"""

from tinytrain.course.exercises.checking.exercise import Arguments, Draw
from tinytrain.nn import functional

shipped = functional.log_softmax
forbidden = "softmax|logsumexp|cross_entropy"
body = """\
shifted = input - input.amax(dim, keepdim=True)
return shifted - shifted.exp().sum(dim, keepdim=True).log()
"""
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Scores of some images, sometimes so large that their exp is not finite."""
    size = draw.one_of(1.0, 1.0, 1000.0)
    input = (size * draw.normal(draw.integer(1, 3), draw.integer(2, 4))).requires_grad_()
    return {"input": input, "dim": draw.one_of(-1, 0, 1)}


mistakes = """
overflows: - input.amax(dim, keepdim=True) →
along another axis: .sum(dim, keepdim=True) → .sum(keepdim=True, dim=0)
no logarithm: shifted.exp().sum(dim, keepdim=True).log() → shifted.exp().sum()
the shift is subtracted only once: return shifted - → return input -
1 % too large: return shifted → return 1.01 * shifted
"""
