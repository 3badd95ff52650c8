"""Nets, optimizers, schedulers and data sets made with torch's own classes, as tinytrain's.

    from tinytrain import from_torch, train

    net = from_torch.Net(torch_net)
    optimizer = from_torch.Optimizer(torch.optim.AdamW(torch_net.parameters(), lr=0.003))
    training = train.Training(net, optimizer, epochs=5)
    for event in train.fit(training, from_torch.dataset(train_set, test_set)): ...

A layer that `tinytrain.nn` lacks stands among its own: `Net(torch.nn.LeakyReLU())`.

They are known by their methods, so that nothing of `torch.nn` or `torch.optim` is imported. All
that they draw in a step, such as dropout, follows from the seed of the training.
"""

from tinytrain.from_torch.datasets import dataset
from tinytrain.from_torch.nets import Net
from tinytrain.from_torch.optimizers import Optimizer, Schedule

__all__ = ["Net", "Optimizer", "Schedule", "dataset"]
