"""Muon: an optimizer whose step is equally large in every direction of a weight matrix.

The gradient of a matrix is dominated by a few directions: its largest singular values are many
times the smallest. A step along it moves a few mixtures of inputs and leaves the rest where it is;
a larger learning rate would make the first directions overshoot. Muon keeps the singular vectors
and sets all singular values to about 1, so that rare directions are learned as fast as common
ones. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/.

Why the loss falls faster: weights W act on inputs x by W x, so the change of an output by a step
ΔW is bounded by the largest singular value of ΔW. Of all steps with the same bound, the orthogonal
one lowers the loss most, to first order; gradient descent is the answer for a bound on the sum of
squares, which ignores that the numbers form a matrix. Bernstein and Newhouse, "Old optimizer, new
norm: an anthology", 2024.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tinytrain.optim.optimizers import Adam, Optimizer, require_betas, require_range

Coefficients = tuple[float, float, float]
JORDAN: Coefficients = (3.4445, -4.7750, 2.0315)
SCALES = ("original", "match_rms_adamw")
PADDED = 5  # a matrix is padded to at most so many times its size


class Muon(Optimizer):
    """Muon for every matrix among `params`, with torch's arguments; Adam for all other tensors.

    A matrix is a tensor with at least two rows and two columns: a linear layer's weight (out, in),
    or a convolution's kernels (out, in, h, w) as (out, in · h · w). Biases, batch norm and single
    rows or columns go to `Adam` with `adam_lr` (None: `lr`), `adam_betas` and `adam_eps`, without
    weight decay. Setting `lr` later changes Adam's rate by the same factor.

    With the gradient g of a matrix θ and momentum μ:

        m ← μ m + (1 − μ) g
        u ← m                            (Nesterov: (1 − μ) g + μ m)
        θ ← θ − lr · weight_decay · θ
        θ ← θ − lr · scale · orthogonalized(u)

    `scale` is √max(1, rows / columns), or with `adjust_lr_fn` "match_rms_adamw"
    0.2 · √max(rows, columns): the root mean square of a step is then 0.2 · lr at any shape, about
    as large as Adam's, and a rate that was found for Adam fits. Liu et al., "Muon is scalable for
    LLM training", 2025.

    Computed in the dtype of the weights, where torch uses bfloat16. Raises ValueError for values
    outside their range, and where `params` has no matrix.
    """

    state_names = ("momenta",)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: Coefficients = JORDAN,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        adam_lr: float | None = None,
        adam_betas: tuple[float, float] = (0.9, 0.999),
        adam_eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        require_range(weight_decay=weight_decay, momentum=momentum, eps=eps, adam_eps=adam_eps)
        require_range(adam_lr=lr if adam_lr is None else adam_lr)
        require_betas(adam_betas=adam_betas)
        if momentum >= 1:
            raise ValueError(f"momentum: expected a value in [0, 1), found {momentum}")
        if not 1 <= ns_steps < 100:
            raise ValueError(f"ns_steps: expected from 1 to 99, found {ns_steps}")
        if len(ns_coefficients) != 3:
            raise ValueError(f"ns_coefficients: expected three numbers, found {ns_coefficients}")
        if adjust_lr_fn not in (None, *SCALES):
            expected = " or ".join(SCALES)
            raise ValueError(f"adjust_lr_fn: expected {expected}, found {adjust_lr_fn}")
        if adam_lr is not None and not lr > 0:
            raise ValueError(f"adam_lr: is kept in proportion to lr, which is {lr}; leave it out")
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.nesterov = nesterov
        self.ns_coefficients = ns_coefficients
        self.eps = eps
        self.ns_steps = ns_steps
        self.adjust_lr_fn = adjust_lr_fn
        self.adam_ratio = 1.0 if adam_lr is None else adam_lr / lr
        self.matrices = [param for param in self.params if min(size(param)) > 1]
        others = [param for param in self.params if min(size(param)) <= 1]
        if not self.matrices:
            raise ValueError(
                "muon: expected a matrix, at least 2 × 2, among the weights, found none"
            )
        if len(dtypes := {matrix.dtype for matrix in self.matrices}) > 1:
            raise ValueError(f"muon: expected matrices of one dtype, found {dtypes}")
        self.adam = Adam(others, lr * self.adam_ratio, adam_betas, adam_eps) if others else None
        self.momenta = [torch.zeros_like(matrix) for matrix in self.matrices]
        self.groups = grouped([size(matrix) for matrix in self.matrices])

    @torch.no_grad()
    def step(self) -> None:
        if self.adam is not None:
            self.adam.lr = self.lr * self.adam_ratio
            self.adam.step()
        for matrix, direction, scale in self.directions():
            if self.weight_decay:
                matrix.mul_(1 - self.lr * self.weight_decay)
            matrix.add_(direction, alpha=-self.lr * scale)

    def directions(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Every matrix that has a gradient, the direction of its step, and the rate's factor.

        The matrices of a group are orthogonalized as one stack. Each lies, wide rather than tall,
        in a corner of a matrix of zeros as large as the largest; zeros stay zeros in all products.
        """
        for group in self.groups:
            ready = [index for index in group if self.matrices[index].grad is not None]
            if not ready:
                continue
            updates = [wide(self.update(index)) for index in ready]
            height, width = (max(update.shape[axis] for update in updates) for axis in (0, 1))
            stack = updates[0].new_zeros(len(ready), height, width)
            for padded, update in zip(stack, updates, strict=True):
                padded[: update.shape[0], : update.shape[1]] = update
            stack = orthogonalized(stack, self.ns_coefficients, self.ns_steps, self.eps)
            for index, padded in zip(ready, stack, strict=True):
                matrix = self.matrices[index]
                rows, columns = size(matrix)
                direction = (padded if rows <= columns else padded.mT)[:rows, :columns]
                scale = scale_of(rows, columns, self.adjust_lr_fn)
                yield matrix, direction.reshape(matrix.shape), scale

    def update(self, index: int) -> Tensor:
        """The momentum of a matrix after its present gradient, (rows, columns)."""
        grad, momentum = self.matrices[index].grad, self.momenta[index]
        assert grad is not None
        momentum.lerp_(grad, 1 - self.momentum)
        return (grad.lerp(momentum, self.momentum) if self.nesterov else momentum).flatten(1)

    def state_dict(self) -> dict[str, Any]:
        adam = self.adam.state_dict() if self.adam is not None else {}
        return super().state_dict() | {"adam": adam}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        if self.adam is not None:
            self.adam.load_state_dict(state["adam"])


def orthogonalized(
    matrices: Tensor, coefficients: Coefficients = JORDAN, steps: int = 5, eps: float = 1e-7
) -> Tensor:
    """Matrices (K, R, C), R ≤ C, with the same singular vectors and singular values near 1.

    Newton-Schulz iteration. Divided by its norm, X = U S Vᵀ has no singular value s above 1, and

        X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X

    makes a s + b s³ + c s⁵ of each and keeps U and V, since X Xᵀ X = U S³ Vᵀ. With
    (1.875, −1.25, 0.375) every s goes to 1, a small one slowly: by 1.875 at most a step. Jordan's
    coefficients give that up: small ones grow by 3.4 a step, and after five steps every s that was
    above 0.002 is somewhere in 0.68 … 1.21, which does as well. A matrix of zeros stays one.
    """
    a, b, c = coefficients
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def size(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of a tensor (rows, …), flattened from its second dimension on."""
    return (len(tensor), math.prod(tensor.shape[1:])) if tensor.ndim else (1, 1)


def wide(matrix: Tensor) -> Tensor:
    """The matrix, or its transpose where that has fewer rows: X Xᵀ is then the smaller product."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def scale_of(rows: int, columns: int, adjust_lr_fn: str | None) -> float:
    """The factor of the rate for a matrix of that size."""
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


def grouped(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The numbers of the matrices of these sizes, in groups that are orthogonalized together.

    A product of small matrices takes longer to call than to compute. So a group takes in, from the
    largest matrix down, all that fill at least 1 / `PADDED` of the space they are padded to.
    """
    groups: list[list[int]] = []
    height, width = 0, 0
    for index in sorted(range(len(sizes)), key=lambda index: -math.prod(sizes[index])):
        rows, columns = sorted(sizes[index])
        height, width = max(height, rows), max(width, columns)
        if not groups or height * width > PADDED * rows * columns:
            groups.append([])
            height, width = rows, columns
        groups[-1].append(index)
    return groups
