"""A net, an optimizer and a scheduler of torch's own; all else, as augmentation, is `final`'s."""

import sys

from torch import nn, optim

import tinytrain


def net():
    stage = nn.Conv2d(1, 16, 5), nn.BatchNorm2d(16), nn.LeakyReLU(), nn.MaxPool2d(4)
    return nn.Sequential(*stage, nn.Flatten(), nn.Linear(576, 10), nn.LogSoftmax(dim=1))


def optimizer(params, lr):
    return optim.AdamW(params, lr)


def schedule(epochs, optimizer):
    return optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)


if __name__ == "__main__":  # run again, it goes on where it was interrupted
    own = {"net": net, "optimizer": optimizer, "schedule": schedule, "lr": 0.003, "epochs": 5}
    tinytrain.run("runs/torch-net", **own, **dict(word[2:].split("=") for word in sys.argv[1:]))
