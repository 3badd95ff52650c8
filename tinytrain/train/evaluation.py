"""How good is the net? The loss and the accuracy on images that it was not trained on.

Evaluation can look at an image more than once. Moved by one pixel a digit is the same digit, but a
net that pools computes something else for it. Where the net is sure that changes nothing; where it
errs, it errs in some of the places only, and the mean over them is right more often. That takes no
parameter and no training, only so many times the arithmetic. It is known as test-time
augmentation: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
2012, section 4.1, average the probabilities of ten crops.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tinytrain.data import batches
from tinytrain.data.datasets import Split
from tinytrain.nn import Module, functional
from tinytrain.store.on_disk import Images
from tinytrain.train.state import Score
from tinytrain.workers.group import Workers

# Where the looks go, (down, right) in pixels. What leaves at one side comes in at the other: in
# digits that is background.
MOVES = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


@torch.no_grad()
def predict(
    net: Module, images: Images, mean: float, std: float, batch_size: int = 50, looks: int = 1
) -> Tensor:
    """What `net` says of uint8 images (N, C, H, W): log-probabilities (N, classes).

    `mean` and `std` normalise the images; `looks` is 1 to 5. The net is in evaluation mode
    meanwhile, and afterwards as it was. Fifty images at a time stay in the processor's caches.
    """
    training = net.training
    net.eval()
    said = [
        log_probabilities(net, batches.normalise(images[rows].float(), mean, std), looks)
        for rows in batches.in_order(len(images), batch_size)
    ]
    net.train(training)
    return torch.cat(said)


def evaluate(
    net: Module,
    split: Split,
    mean: float,
    std: float,
    batch_size: int = 50,
    looks: int = 1,
    loss: Callable[[Tensor, Tensor], Tensor] = functional.nll_loss,
    workers: Workers | None = None,
) -> Score:
    """The loss and accuracy of `net` on every image of `split` once: see `predict`.

    Of several workers each looks at a part, and all know the score of the whole.
    """
    workers, sums = workers or Workers(), []
    for part in workers.parts(len(split)):
        found = [0.0, 0.0]
        if part.size:
            some = split.rows(part.rows)
            said = predict(net, some.images, mean, std, batch_size, looks)
            right = int(functional.correct(said, some.labels))
            found = [float(loss(said, some.labels)) * part.size, right]
        sums.append(found)
    loss_sum, right = workers.sum(torch.tensor(sums, dtype=torch.float64)).tolist()
    return Score(loss_sum / len(split), int(right), len(split))


def log_probabilities(net: Module, images: Tensor, looks: int) -> Tensor:
    """What `net` says of images (N, C, H, W), normalised: (N, classes), the mean over its looks.

    The mean is that of the scores before they become probabilities: the mean of log-probabilities
    differs from it by one number an image, which the second log-softmax takes away.
    """
    if looks == 1:
        return net(images)
    moved = torch.cat([torch.roll(images, move, (2, 3)) for move in MOVES[:looks]])
    return functional.log_softmax(torch.stack(net(moved).chunk(looks)).mean(0))
