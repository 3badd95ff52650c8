"""Newton-Schulz: a matrix with all singular values near 1, by products alone.

A gradient's matrix is large in a few directions and small in the others. Muon steps equally far in
all of them: it keeps the singular vectors and replaces the singular values. A decomposition would
do it, but products of matrices are far faster, and a polynomial is made of products.

1. matrices is (K, R, C), R ≤ C: K of them at once. Divide each by its norm, the root of the sum of
   its squares (dim=(1, 2)), but by no less than eps: then no singular value is above 1.
2. X Xᵀ X has the singular vectors of X and the cubes of its singular values: with X = U S Vᵀ the
   factors in between cancel. So a X + b (X Xᵀ) X + c (X Xᵀ)² X makes a s + b s³ + c s⁵ of each s.
3. Do that `steps` times. x.mT is the transpose of each matrix, and @ multiplies all K pairs.
"""

import torch

from tinytrain import streams
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Rows
from tinytrain.optim import muon

shipped = muon.orthogonalized
forbidden = "svd|qr|eigh?"
body = """\
a, b, c = coefficients
x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
for _ in range(steps):
    gram = x @ x.mT
    x = a * x + (b * gram + c * gram @ gram) @ x
return x
"""
rungs = ("muon",)


def draw_arguments(draw: Draw) -> Arguments:
    """Some wide matrices, one of them sometimes zero, and a number of steps."""
    rows = draw.integer(1, 3)
    matrices = draw.normal(draw.integer(1, 3), rows, rows + draw.integer(0, 2))
    matrices[0] = matrices[0] * draw.one_of(0.0, 1.0, 1.0)
    coefficients = draw.one_of(muon.JORDAN, (1.875, -1.25, 0.375))
    options = {"coefficients": coefficients, "eps": draw.one_of(1e-7, 10.0)}
    return {"matrices": matrices, **options, "steps": draw.integer(1, 4)}


def demonstrate() -> Rows:
    """The singular values of a matrix, before and after one to five steps."""
    draw = streams.generator(0, "newton-schulz")
    matrix = torch.randn(1, 4, 6, generator=draw, dtype=torch.float64)
    matrix[0] = matrix[0] * torch.tensor([1, 0.3, 0.1, 0.03])[:, None]
    found = {"before": matrix / matrix.norm()}
    found |= {f"after {steps}": muon.orthogonalized(matrix, steps=steps) for steps in range(1, 6)}
    return {name: torch.linalg.svdvals(one[0]).tolist() for name, one in found.items()}


mistakes = """
not divided by the norm: / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=eps) →
one norm for all matrices: norm(dim=(1, 2), keepdim=True) → norm()
eps is added: .clamp(min=eps) → + eps
the square of the product is forgotten: + c * gram @ gram →
one step too few: range(steps) → range(steps - 1)
the product of the columns: x @ x.mT → x.mT @ x
"""
