"""Evaluation: the loss and accuracy of a net on images that it was not trained on.

With test-time augmentation (TTA) each image is seen several times: as it is, moved by one pixel
each way, turned and resized a little. It is the same digit still, but a net computes something
else for it; where it errs, it errs in some of the views only, and the mean over them is right more
often, at so many times the arithmetic. Krizhevsky et al., "ImageNet classification with deep
convolutional neural networks", 2012, section 4.1, average the probabilities of ten crops.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tinytrain.data import augment, batches
from tinytrain.data.datasets import Split
from tinytrain.errors import UsageError
from tinytrain.nn import Module, functional
from tinytrain.nn.functional import Loss
from tinytrain.store.on_disk import Images
from tinytrain.train.state import Score

# The views of test-time augmentation: first shifts (down, right) in pixels, where rows and columns
# that leave at one side come in at the other (in digits both are background); then transforms of
# `augment`, turned by 8 degrees each way, and enlarged and reduced by the factor e^0.08.
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
TRANSFORMS = ((8.0, 0, 0, 0, 0), (-8.0, 0, 0, 0, 0), (0, 0, 0, 0.08, 0), (0, 0, 0, -0.08, 0))


@torch.no_grad()
def predict(net: Module, images: Images, mean: float, std: float, tta: int = 1) -> Tensor:
    """The outputs of `net`, log-probabilities (N, classes), for uint8 images (N, C, H, W).

    `mean` and `std` normalise the images; `tta` is the number of views to average, 1 to 9. The
    net is in evaluation mode meanwhile. On a CPU 50 images are run at a time, so that they stay in
    its caches; on a GPU 5,000 digits, or as many pixels.
    """
    cuda = torch.device(images.device).type == "cuda"
    batch_size = max(50, 3_920_000 // images[:1].numel()) if cuda else 50
    outputs = []
    with evaluating(net):
        for rows in batches.in_order(len(images), batch_size):
            output = net(batches.normalise(views(images[rows].float(), tta), mean, std))
            outputs.append(mean_of_views(output, tta) if tta > 1 else output)
    return torch.cat(outputs)


def views(images: Tensor, count: int) -> Tensor:
    """The first `count` views (count · N, C, H, W) of images (N, C, H, W) in 0 … 255.

    Raises UsageError for another `count` than 1 to 9.
    """
    if not 1 <= count <= len(SHIFTS) + len(TRANSFORMS):
        raise UsageError(f"tta: expected 1 to {len(SHIFTS) + len(TRANSFORMS)}, found {count}")
    changed = [torch.roll(images, shift, (2, 3)) for shift in SHIFTS[:count]]
    for transform in TRANSFORMS[: max(count - len(SHIFTS), 0)]:
        column = torch.tensor(transform, device=images.device)[:, None]
        changed.append(augment.apply(images, column.expand(-1, len(images))))
    return torch.cat(changed)


def mean_of_views(outputs: Tensor, count: int) -> Tensor:
    """The mean (N, classes) over `count` views of outputs (count · N, classes).

    Averaged are the scores before they become probabilities: the mean of log-probabilities
    differs from that by one number an image, which a second log-softmax takes away.
    """
    mean = torch.stack(outputs.chunk(count)).mean(0)
    logarithms = bool((outputs.logsumexp(1).abs() < 0.01).all())  # of probabilities, not scores
    return functional.log_softmax(mean) if logarithms else mean


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
