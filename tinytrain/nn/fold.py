"""In evaluation, batch norm is part of the convolution before it.

With fixed statistics, batch norm multiplies a channel by a number and adds another. So does a
convolution whose kernel is multiplied by the one and whose bias is the other: the norm is gone,
and with it a pass over every feature map. (Jacob et al., "Quantization and training of neural
networks for efficient integer-arithmetic-only inference", 2018, section 3.2.)
"""

from __future__ import annotations

import copy

import torch

from tinytrain.nn.layers import BatchNorm2d, Conv2d
from tinytrain.nn.module import Module, Sequential


@torch.no_grad()
def fold(net: Module) -> Module:
    """A net that computes what `net` computes in evaluation, with fewer layers.

    In every `Sequential`, a `BatchNorm2d` that follows a `Conv2d` is folded into a new one; all
    other layers are shared with `net`, which does not change. Exactly these types: a subclass may
    compute something else, so it stays as it is. Later changes of `net` may or may not show in the
    result: fold again.
    """
    if type(net) is not Sequential:
        return net
    folded: dict[str, Module] = {}
    last = ""
    for name, child in net.named_children():
        before = folded.get(last)
        if type(child) is BatchNorm2d and type(before) is Conv2d:
            folded[last] = joined(before, child)
        else:
            folded[name] = fold(child)
            last = name
    return Sequential(folded)


def joined(conv: Conv2d, norm: BatchNorm2d) -> Conv2d:
    """One convolution for a convolution and the norm after it: W' = s W, b' = s (b − mean) + β.

    s = weight / √(running variance + eps), one number an output channel.
    """
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    result = copy.copy(conv)
    result.weight = conv.weight * scale[:, None, None, None]
    offset = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    result.bias = torch.addcmul(norm.bias, scale, offset)
    return result
