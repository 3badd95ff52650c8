"""Several workers, one run: the same sums, bits and files as one has, and one end for all.

The workers are forked from a process that has imported everything; what torchrun would tell them,
their numbers and where to meet, they are told here.
"""

import multiprocessing
import os
import socket
from contextlib import closing

import pytest
import torch

from tinytrain import nn, streams
from tinytrain.data import synthetic
from tinytrain.data.augment import Augmentation
from tinytrain.data.sets import Dataset, Split
from tinytrain.errors import UsageError
from tinytrain.optim import Adam, ExponentialAverage
from tinytrain.train import Batch, Training, fit
from tinytrain.train.workers import Workers, joined

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tinytrain.cli.commands", "tinytrain.train.workers"])


def one_of(rank, count, port, work, folder, arguments):
    """Be worker `rank`: do the work, and keep what it gives."""
    torch.set_num_threads(1)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ |= {name: str(number) for name, number in numbers.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with open(folder / f"out{rank}", "wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.save(work(*arguments), folder / f"found{rank}")


def started(count, work, folder, *arguments):
    """Processes that do the work together; each leaves out and found in the folder."""
    folder.mkdir()
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    several = [
        FORKED.Process(target=one_of, args=(rank, count, port, work, folder, arguments))
        for rank in range(count)
    ]
    for process in several:
        process.start()
    return several


def ended(processes, folder):
    """What each gave, once all have ended."""
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, (folder / "out0").read_text()
    return [torch.load(folder / f"found{rank}") for rank in range(len(processes))]


class Double(nn.Module):
    """From here on in float64: what is left of a difference is no rounding."""

    def forward(self, input):
        return input.double()


def small_net():
    draw = streams.generator(1, "weights")
    first = nn.Conv2d(1, 4, 3, stride=3, generator=draw), nn.BatchNorm2d(4), nn.ReLU()
    second = nn.Conv2d(4, 6, 3, generator=draw), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10, generator=draw)
    return nn.Sequential(*first, nn.Dropout2d(0.1), *second, *head, nn.LogSoftmax())


def digits(train, test):
    labels = torch.arange(train + test) % 10
    images = synthetic.digits(labels, streams.generator(0, "tiny"))
    parts = Split(images[:train], labels[:train]), Split(images[train:], labels[train:])
    return Dataset("synthetic", *parts, 0.13, 0.31, "tiny", 0, classes=10)


def trained(workers, dataset, batch_size, shards=0, exact=False, epochs=1):
    """Losses, history and state of a training that has all that a recipe can have."""
    net = nn.Sequential(Double(), small_net().to(torch.float64)) if exact else small_net()
    training = Training(
        net,
        Adam(net.parameters(), 0.01),
        epochs=epochs,
        batch_size=batch_size,
        augmentation=Augmentation(8, 1.5, 0.08, 0.15),
        average=ExponentialAverage(net, 0.9),
        shards=shards,
    )
    events = list(fit(training, dataset, workers))
    losses = [float(event.loss) for event in events if isinstance(event, Batch)]
    scores = [(line.train_accuracy, line.test_correct) for line in training.history]
    return losses, scores, training.history[-1].test_loss, training.net.state_dict()


ALONE = {
    "steps": lambda workers: trained(workers, digits(400, 50), 8, exact=True, epochs=2),
    "bits": lambda workers: trained(workers, digits(100, 30), 15, shards=4),
    "300 images": lambda workers: trained(workers, digits(300, 20), 64, exact=True),
    "fewer than workers": lambda workers: trained(workers, digits(20, 2), 3, exact=True),
    "one left over": lambda workers: trained(workers, digits(31, 10), 10, exact=True),
}
DONE_BY = {1: [*ALONE], 2: [*ALONE], 3: ["steps"], 4: ["bits", "one left over"], 7: [*ALONE][2:]}


def facts(names):
    """What comes out of several trainings, one after the other."""
    with joined() as workers:
        return {name: ALONE[name](workers) for name in names}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By number of workers, and worker, what comes out."""
    place = tmp_path_factory.mktemp("workers")
    several = {
        count: started(count, facts, place / str(count), names) for count, names in DONE_BY.items()
    }
    return {count: ended(processes, place / str(count)) for count, processes in several.items()}


CASES = [(name, count) for count, names in DONE_BY.items() for name in names if count > 1]


@pytest.mark.parametrize(("name", "count"), [case for case in CASES if case[0] != "bits"])
def test_several_workers_take_the_steps_of_one(name, count, found):
    losses, scores, test_loss, state = found[1][0][name]
    assert len(losses) == 100 or name != "steps"
    for one in found[count]:
        assert one[name][0] == pytest.approx(losses, abs=1e-9)
        assert one[name][1] == scores and one[name][2] == pytest.approx(test_loss, abs=1e-6)
        for key, value in one[name][3].items():
            torch.testing.assert_close(value, state[key])


@pytest.mark.parametrize("count", [2, 4])
def test_with_shards_they_have_the_bits_of_one(count, found):
    *numbers, state = found[1][0]["bits"]
    for one in found[count]:
        *others, other = one["bits"]
        assert others == numbers
        assert all(torch.equal(other[name], value) for name, value in state.items())


def test_all_have_the_same_numbers(found):
    for everyone in found.values():
        for name, (*numbers, state) in everyone[0].items():
            for *others, other in (one[name] for one in everyone):
                assert others == numbers
                assert all(torch.equal(other[name], value) for name, value in state.items())


def test_shards_that_cannot_be_dealt_out():
    with pytest.raises(UsageError, match="--shards 4: expected a multiple of the workers, 3"):
        Workers(count=3).cut(4)
