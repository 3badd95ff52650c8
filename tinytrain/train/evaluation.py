"""Evaluation: the loss and accuracy of a net on images that it was not trained on.

With test-time augmentation (TTA) each image is seen five times, as it is and moved by one pixel
each way. Moved by a pixel a digit is the same digit, but a net that pools computes something else
for it; where it errs, it errs in some of the places only, and the mean over them is right more
often, at five times the arithmetic. Krizhevsky et al., "ImageNet classification with deep
convolutional neural networks", 2012, section 4.1, average the probabilities of ten crops.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tinytrain.data import batches
from tinytrain.data.datasets import Split
from tinytrain.nn import Module, functional
from tinytrain.nn.functional import Loss
from tinytrain.store.on_disk import Images
from tinytrain.train.state import Score

# The shifts of test-time augmentation, (down, right) in pixels. Rows and columns that leave at one
# side come in at the other: in digits both are background.
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


@torch.no_grad()
def predict(net: Module, images: Images, mean: float, std: float, tta: int = 1) -> Tensor:
    """The log-probabilities (N, classes) that `net` gives for uint8 images (N, C, H, W).

    `mean` and `std` normalise the images; `tta` is the number of shifts to average, 1 to 5. The
    net is in evaluation mode meanwhile. 50 images at a time are run, which stay in the caches of a
    CPU, and on a GPU 5,000 digits, or as many pixels.
    """
    cuda = torch.device(images.device).type == "cuda"
    batch_size = max(50, 3_920_000 // images[:1].numel()) if cuda else 50
    with evaluating(net):
        outputs = [
            log_probabilities(net, batches.normalise(images[rows].float(), mean, std), tta)
            for rows in batches.in_order(len(images), batch_size)
        ]
    return torch.cat(outputs)


def evaluate(
    net: Module,
    split: Split,
    mean: float,
    std: float,
    tta: int = 1,
    loss: Loss = functional.nll_loss,
) -> Score:
    """The loss and accuracy of `net` on every image of `split` once: see `predict`."""
    outputs = predict(net, split.images, mean, std, tta)
    correct = int(functional.correct(outputs, split.labels))
    return Score(float(loss(outputs, split.labels)), correct, len(split))


def confusion(outputs: Tensor, labels: Tensor) -> Tensor:
    """How often each class (row) is taken for each (column): int64 (classes, classes)."""
    classes = outputs.shape[1]
    table = torch.bincount(labels * classes + outputs.argmax(1), minlength=classes**2)
    return table.view(classes, classes)


def log_probabilities(net: Module, images: Tensor, tta: int) -> Tensor:
    """The output of `net` for normalised images (N, C, H, W): (N, classes), the mean over shifts.

    Averaged are the scores before they become probabilities: the mean of log-probabilities
    differs from that by one number an image, which the second log-softmax takes away.
    """
    if tta == 1:
        return net(images)
    shifted = torch.cat([torch.roll(images, shift, (2, 3)) for shift in SHIFTS[:tta]])
    return functional.log_softmax(torch.stack(net(shifted).chunk(tta)).mean(0))


@contextmanager
def evaluating(net: Module) -> Iterator[None]:
    """Put `net` into evaluation mode; afterwards every module has the mode that it had before."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
