"""A training loop that goes on where it was left.

A run is stopped in the middle of an epoch. Resumed, it should be the run that was not stopped, to
the last bit; one that begins the epoch again, or shuffles again, is a run of its own. A Training
stands at training.epoch, from 1, and training.batch, from 0. compute.step(training, dataset, rows,
steps) takes one of the epoch's `steps`, on the images in `rows`, and moves on to the next batch;
finish_epoch moves on to the next epoch; each returns its event. Orders are batches.shuffled(count,
batch_size, generator), drawn by streams.generator(training.seed, "shuffle", training.epoch). Leave
checks and times to the shipped loop.

1. While training.epoch ≤ training.epochs: an epoch. The loop only reads epoch and batch;
   compute.step and finish_epoch set them. Without `compute`, InProcess() it is.
2. The generator of that name is the same whenever it is asked for, so a resumed epoch has the
   order that it had: leave out its first training.batch batches. `steps` is the number of all of
   them, and count is len(dataset.train).
3. training.net.train() comes before the steps of each epoch: the caller may have looked at the net
   in between. Then yield compute.step(training, dataset, rows, number of all batches) for each of
   the rows that are left, and yield finish_epoch(training, dataset, compute).
"""

from itertools import islice

import torch
from torch import Tensor

from tinytrain import data, nn, optim
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned
from tinytrain.data.datasets import Dataset
from tinytrain.train import loop
from tinytrain.train.state import Batch, Score, Training

shipped = loop.fit
body = """\
compute = compute or InProcess()
while training.epoch <= training.epochs:
    shuffle = streams.generator(training.seed, "shuffle", training.epoch)
    steps = batches.shuffled(len(dataset.train), training.batch_size, shuffle)
    training.net.train()
    for rows in steps[training.batch :]:
        yield compute.step(training, dataset, rows, len(steps))
    yield finish_epoch(training, dataset, compute)
"""


def draw_arguments(draw: Draw) -> Arguments:
    """Some images, how they are trained on, and how many steps and epochs come before the stop."""
    return {
        "epochs": draw.integer(1, 2),
        "batch_size": draw.integer(1, 3),
        "images": draw.integer(3, 5),
        "stopped_after": draw.integer(0, 6),
    }


class Noting:
    """Note each step, and count it as if it had been taken."""

    def __init__(self) -> None:
        self.steps: Facts = {}

    def step(self, training: Training, dataset: Dataset, rows: Tensor, steps: int) -> Batch:
        mode = "training" if training.net.training else "evaluation"
        step = f"rows {rows.tolist()}, one of {steps} steps, net in {mode} mode"
        self.steps[f"step {len(self.steps) + 1}"] = f"epoch {training.epoch}, {step}"
        return training.count(torch.tensor(0), torch.tensor(0), len(rows), steps)

    def score(self, training: Training, net: nn.Module, dataset: Dataset) -> Score:
        return Score(0.0, 0, len(dataset.test))


def observe(function: Learned, arguments: Arguments) -> Facts:
    """All steps, before a stop and after it, and the kinds of the events."""
    labels = torch.arange(arguments["images"])
    images = labels.to(torch.uint8)[:, None, None]
    dataset, noting = data.from_arrays(images, labels, images, labels), Noting()

    def start() -> Training:
        linear = nn.Linear(1, len(labels), generator=torch.Generator())
        net = nn.Sequential(nn.Flatten(), linear, nn.LogSoftmax())
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        return Training(net, optimizer, arguments["epochs"], arguments["batch_size"])

    stopped, resumed = start(), start()
    events = [*islice(function(stopped, dataset, noting), arguments["stopped_after"])]
    resumed.load_state_dict(stopped.state_dict())
    resumed.net.eval()
    events += function(resumed, dataset, noting)
    return noting.steps | {"events": [type(event).__name__ for event in events]}


mistakes = """
the epoch begins again: steps[training.batch :] → steps
every epoch alike: "shuffle", training.epoch → "shuffle", 1
a resumed epoch has another order: "shuffle", training.epoch
    → "shuffle", training.epoch, training.batch
only the steps that are left are counted: rows, len(steps)
    → rows, len(steps) - training.batch
the mode of the net stays: training.net.train() → pass
the last epoch is left out: training.epoch <= training.epochs → training.epoch < training.epochs
one step is lost at the stop: steps[training.batch :] → steps[training.batch + 1:]
an epoch is not tested: yield finish_epoch(training, dataset, compute)
    → training.epoch += 1; training.batch = 0
"""
