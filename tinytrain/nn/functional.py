"""The layers as plain functions of tensors, without any state.

Convolution and max pooling are torch's own stateless kernels; the rest is spelled out, and
autograd finds the gradients. Convolution and batch norm are computed faster in `fast`. Functions
that torch has whole, as `torch.tanh` and `torch.group_norm`, are called by their layers directly.
Images are (N, C, H, W) throughout; what is spelled out here raises ValueError for other shapes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

# 3 means (3, 3): sizes are given for both axes, or as (vertical, horizontal).
Size = int | tuple[int, int]
Generator = torch.Generator | None  # None means torch's own
Loss = Callable[[Tensor, Tensor], Tensor]  # of outputs (N, classes) and labels (N,) a scalar


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b for `input` (..., in), `weight` (out, in), `bias` (out); gives (..., out)."""
    output = input @ weight.T
    return output if bias is None else output + bias.to(output.dtype)  # other under autocast


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Slide `weight` (out, in / groups, kH, kW) over `input` (N, in, H, W).

    Gives (N, out, H', W') with H' = floor((H + 2·padding − dilation·(kH − 1) − 1) / stride) + 1,
    likewise W': a dilated kernel looks at pixels that lie `dilation` apart. With `groups` the
    channels are parted, and each part of the outputs sees its part of the inputs. As everywhere in
    deep learning, it is a correlation: the kernel is not flipped.
    """
    if weight.shape[2:] == (1, 1) and pair(stride) != (1, 1) and pair(padding) == (0, 0):
        # On some CPUs torch 2.13 corrupts the heap in the weight gradient of a strided 1 × 1
        # convolution over channels-last images of few channels; a slice needs no stride.
        down, right = pair(stride)
        input, stride = input[..., ::down, ::right], 1
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Give each channel of `input` (N, C, H, W) mean `bias` and standard deviation `weight` (C,).

    In training the mean and variance are those of the batch, and the running ones move towards
    them, in place, by `momentum`; otherwise the running ones are used. The batch is divided by its
    biased variance (over n = N·H·W), while the running variance collects the unbiased one
    (over n − 1), as torch does. Half-precision images are computed in float32 and returned in
    their own type. Raises ValueError where a channel has one value only. Ioffe and Szegedy,
    "Batch normalization", 2015.
    """
    count = values_a_channel(input, len(weight), training)
    dtype = input.dtype
    input, weight, bias = in_float32(input, weight, bias)
    if training:
        var, mean = torch.var_mean(input, (0, 2, 3), correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = var * (count / (count - 1))
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    else:
        mean, var = in_float32(running_mean, running_var)
    scale = weight * torch.rsqrt(var + eps)
    shift = bias - mean * scale
    return (input * scale[:, None, None] + shift[:, None, None]).to(dtype)


def in_float32(*tensors: Tensor) -> list[Tensor]:
    """Half-precision tensors in float32, the others as they are."""
    half = (torch.float16, torch.bfloat16)
    return [tensor.float() if tensor.dtype in half else tensor for tensor in tensors]


def values_a_channel(input: Tensor, channels: int, training: bool) -> int:
    """The number of values a channel; raises ValueError where batch norm cannot take `input`."""
    if input.ndim != 4 or input.shape[1] != channels:
        raise ValueError(f"batch norm: expected (N, {channels}, H, W), found {tuple(input.shape)}")
    count = input.numel() // channels
    if training and count < 2:
        raise ValueError(f"batch norm: expected several values a channel, found {count}")
    return count


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), element by element; `inplace` overwrites the input instead of keeping both."""
    return torch.relu_(input) if inplace else torch.relu(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x), element by element: Φ(x) is how much of the normal distribution lies below x.

    With `approximate="tanh"` nearly that. Raises ValueError for any other. Hendrycks and Gimpel,
    "Gaussian error linear units", 2016.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate: expected 'none' or 'tanh', found {approximate!r}")
    if approximate == "tanh":
        return input * (1 + torch.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3))) / 2
    return input * (1 + torch.erf(input / math.sqrt(2))) / 2


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x / (1 + exp(−x)), element by element; `inplace` overwrites the input."""
    return input.mul_(torch.sigmoid(input)) if inplace else input * torch.sigmoid(input)


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator = None,
) -> Tensor:
    """Zero single numbers with probability `p`; scale the others by 1 / (1 − p).

    The scale keeps the expected value, so that nothing has to change in evaluation. Srivastava et
    al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """
    if not training or p == 0:
        return input
    keep = torch.zeros_like(input)
    if p < 1:
        keep.bernoulli_(1 - p, generator=generator).div_(1 - p)
    return input.mul_(keep) if inplace else input * keep


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator = None,
) -> Tensor:
    """`dropout` of whole channels of single images.

    Neighbouring pixels of a feature map say nearly the same, so dropping single ones would hide
    little: the whole map goes. Tompson et al., "Efficient object localization", 2015.
    """
    if input.dim() != 4:
        raise ValueError(f"dropout2d: expected shape (N, C, H, W), found {tuple(input.shape)}")
    if not training or p == 0:
        return input
    keep = dropout(input.new_ones((*input.shape[:2], 1, 1)), p, generator=generator)
    return input.mul_(keep) if inplace else input * keep


def replication_pad2d(input: Tensor, padding: int) -> Tensor:
    """([N,] C, H, W) with `padding` more rows and columns on every side, copies of the border."""
    require_images("replication_pad2d", input)
    rows, columns = (
        torch.arange(-padding, size + padding, device=input.device).clamp(0, size - 1)
        for size in input.shape[-2:]
    )
    return input[..., rows[:, None], columns]


def require_images(name: str, input: Tensor) -> None:
    """Raise ValueError, for the function `name`, unless `input` is ([N,] C, H, W) with pixels."""
    if input.dim() not in (3, 4) or 0 in input.shape[-3:]:
        found = tuple(input.shape)
        raise ValueError(f"{name}: expected images (N, C, H, W) or (C, H, W), found {found}")


def max_pool2d(
    input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0
) -> Tensor:
    """The maximum of every window; `stride` is the kernel's size unless it is given."""
    return torch.max_pool2d(input, kernel_size, kernel_size if stride is None else stride, padding)


def avg_pool2d(
    input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0
) -> Tensor:
    """The mean of every window, zeros of the padding included, as torch does by default.

    Raises RuntimeError for a padding above half of the kernel: a window could miss the image.
    """
    require_images("avg_pool2d", input)
    (height, width), (pad_y, pad_x) = pair(kernel_size), pair(padding)
    stride_y, stride_x = pair(kernel_size if stride is None else stride)
    if not (0 <= pad_y <= height // 2 and 0 <= pad_x <= width // 2):
        raise RuntimeError(f"avg_pool2d: expected padding 0 to {kernel_size} / 2, found {padding}")
    if pad_y or pad_x:
        input = torch.constant_pad_nd(input, (pad_x, pad_x, pad_y, pad_y))
    windows = input.unfold(-2, height, stride_y).unfold(-2, width, stride_x)
    return windows.mean((-2, -1))


def adaptive_avg_pool2d(input: Tensor) -> Tensor:
    """The mean of every channel: ([N,] C, H, W) to ([N,] C, 1, 1). Output size 1 only.

    Lin et al., "Network in network", 2013: a global average in place of a linear layer.
    """
    require_images("adaptive_avg_pool2d", input)
    return input.mean((-2, -1), keepdim=True)


def log_softmax(input: Tensor, dim: int = -1) -> Tensor:
    """log(exp(x) / Σ exp(x)) along the axis `dim`: scores (N, classes) to log-probabilities."""
    return torch.log_softmax(input, dim)


def nll_loss(log_probabilities: Tensor, target: Tensor) -> Tensor:
    """Minus the mean log-probability of the right class: (N, classes) and int64 (N,) to a scalar.

    With log-probabilities from `log_softmax` this is the cross-entropy.
    """
    if log_probabilities.dim() != 2 or target.shape != log_probabilities.shape[:1]:
        found = f"{tuple(log_probabilities.shape)} and {tuple(target.shape)}"
        raise ValueError(f"loss: expected shapes (N, classes) and (N,), found {found}")
    return -log_probabilities.gather(1, target[:, None]).mean()


def smoothed_nll_loss(log_probabilities: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    """`nll_loss` where a share `label_smoothing` of each label goes to all classes alike.

    As `label_smoothing` of torch's cross-entropy: Szegedy et al., "Rethinking the Inception
    architecture", 2016.
    """
    loss = nll_loss(log_probabilities, target)
    return (1 - label_smoothing) * loss - label_smoothing * log_probabilities.mean()


def cross_entropy(input: Tensor, target: Tensor) -> Tensor:
    """`nll_loss` of `log_softmax`: unnormalised scores (N, classes), int64 (N,) to a scalar."""
    return nll_loss(log_softmax(input), target)


def correct(scores: Tensor, target: Tensor) -> Tensor:
    """How many rows of `scores` (N, classes) are largest at their `target` (N,): int64 ()."""
    return (scores.argmax(1) == target).sum()


def pair(value: Size) -> tuple[int, int]:
    """(vertical, horizontal) for a size of either kind."""
    if isinstance(value, str):
        raise ValueError(f"expected a number or a pair of them, found {value!r}")
    vertical, horizontal = (value, value) if isinstance(value, int) else value
    return vertical, horizontal
