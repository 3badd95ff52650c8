"""Time training steps of tinytrain, of torch.nn and of the usual loop, in alternating rounds.

Machines differ, and their speed drifts. So every program trains the final net for a few steps,
then the next one does, round after round, and the table has median and range over the rounds.
Each program waits for its turn in a process of its own. The others (torch.nn, torch.optim,
DataLoader) do what people usually write. All but the usual loop get the same batches, augmented a
batch at a time by tinytrain.

    python examples/bench.py                     the table
    python examples/bench.py --json bench.json   the same as JSON, with machine and versions
    python examples/bench.py --scaling           cost against batch size and number of images
    python examples/bench.py --scaling --large FOLDER   also a data set beyond memory, beside MNIST
"""

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tinytrain import streams
from tinytrain.cli.exit import exit_status
from tinytrain.cli.options import Parser, positive
from tinytrain.data import augment, batches, datasets
from tinytrain.nn import functional
from tinytrain.recipes import RECIPES, build
from tinytrain.store import synthetic
from tinytrain.train import Batch, fit
from tinytrain.train.memory import keep_freed_memory

RECIPE = RECIPES["final"]
AUGMENTATION = build.new_augmentation(RECIPE)


def torch_net():
    """The final net of torch.nn's layers."""

    def block(inputs, outputs, **geometry):
        convolution = nn.Conv2d(inputs, outputs, 3, bias=False, **geometry)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU()

    return nn.Sequential(
        *block(1, 8),
        *block(8, 11),
        nn.Conv2d(11, 10, 1, bias=False),
        nn.MaxPool2d(2),
        *block(10, 12),
        *block(12, 14),
        *block(14, 31, padding=2, dilation=2),
        nn.Conv2d(31, 10, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LogSoftmax(1),
    )


class OneByOne(Dataset):
    """The training images as the usual loop sees them: fetched and augmented one at a time."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data.train)

    def __getitem__(self, index):
        image = self.data.train.images[index].float()[None]
        draw = streams.generator(1, "augment", index)
        image = augment.apply(image, AUGMENTATION.draw(1, draw))
        image = (image - 255 * self.data.mean) / (255 * self.data.std)
        return image[0], self.data.train.labels[index]


def usual_loop(data, batch_size, workers):
    """(a) DataLoader, torch.nn, torch.optim: a generator of steps."""
    net, loss = torch_net(), nn.NLLLoss()
    optimizer = torch.optim.Adam(net.parameters(), RECIPE.lr)
    loader = DataLoader(OneByOne(data), batch_size, shuffle=True, num_workers=workers)
    for images, target in itertools.chain.from_iterable(itertools.repeat(loader)):
        optimizer.zero_grad()
        loss(net(images), target).backward()
        optimizer.step()
        yield


def steps(data, batch_size):
    """(epoch, index, rows) of every step of a run without end."""
    for epoch in itertools.count(1):
        shuffle = streams.generator(1, "shuffle", epoch)
        for index, rows in enumerate(batches.shuffled(len(data.train), batch_size, shuffle)):
            yield epoch, index, rows


def augmented(data, images, epoch, index):
    """A batch of pixels, augmented and normalised as tinytrain does it."""
    draw = streams.generator(1, "augment", epoch, index)
    images = augment.apply(images, AUGMENTATION.draw(len(images), draw))
    return batches.normalise(images, data.mean, data.std)


def torch_in_memory(data, batch_size, memory_format, compiled=False):
    """(b) torch.nn on tensors in memory, fused Adam: a generator of steps."""
    net, loss = torch_net().to(memory_format=memory_format), nn.NLLLoss()
    optimizer = torch.optim.Adam(net.parameters(), RECIPE.lr, fused=True)
    if compiled:
        net = torch.compile(net)
    for epoch, index, rows in steps(data, batch_size):
        images = augmented(data, data.train.images[rows].float(), epoch, index)
        optimizer.zero_grad()
        scores = net(images.contiguous(memory_format=memory_format))
        loss(scores, data.train.labels[rows]).backward()
        optimizer.step()
        yield


def tinytrain(data, batch_size, recipe=RECIPE):
    """(c) tinytrain's own steps: batching, augmentation, step and averaging."""
    while True:
        training = build.start(replace(recipe, batch_size=batch_size), seed=1)
        events = fit(training, data)
        yield from itertools.takewhile(lambda event: isinstance(event, Batch), events)


def parts(data, batch_size):
    """(d) tinytrain's step in pieces: yields the seconds that each took, by name."""
    training = build.start(replace(RECIPE, batch_size=batch_size), seed=1)
    parameters = list(training.net.parameters())
    for epoch, index, rows in steps(data, batch_size):
        times = [time.perf_counter()]
        images, target = data.train.images[rows].float(), data.train.labels[rows]
        times.append(time.perf_counter())
        images = augmented(data, images, epoch, index)
        times.append(time.perf_counter())
        loss = functional.nll_loss(training.net(images), target)
        times.append(time.perf_counter())
        gradients = torch.autograd.grad(loss, parameters)
        times.append(time.perf_counter())
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        training.optimizer.step()
        training.ema.update()
        times.append(time.perf_counter())
        names = ("batch", "augmentation", "forward", "backward", "optimizer and average")
        yield dict(zip(names, (b - a for a, b in itertools.pairwise(times)), strict=True))


def convolutions(batch_size):
    """(e) The net's convolutions alone, forward and backward, channels last."""
    shapes = [(1, 8, 3, 1, 28), (8, 11, 3, 1, 26), (11, 10, 1, 1, 24), (10, 12, 3, 1, 12)]
    shapes += [(12, 14, 3, 1, 10), (14, 31, 3, 2, 8), (31, 10, 1, 1, 8)]
    calls = []
    for inputs, outputs, kernel, dilation, size in shapes:
        image = torch.randn(batch_size, inputs, size, size)
        image = image.contiguous(memory_format=torch.channels_last)
        needed = [torch.randn(outputs, inputs, kernel, kernel, requires_grad=True)]
        if inputs > 1:
            needed.append(image.requires_grad_())
        calls.append((image, needed, dilation))
    while True:
        for image, needed, dilation in calls:
            padding = 2 if dilation == 2 else 0  # the dilated one keeps the size of its map
            output = torch.conv2d(image, needed[0], padding=padding, dilation=dilation)
            torch.autograd.grad(output, needed, output.detach())
        yield


def matrix_product():
    """(f) A product of two 1024 × 1024 matrices: 2.1 GFLOP, near the machine's peak."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    while True:
        torch.mm(a, b)
        yield


CONTESTANTS = {
    "a0": ("the usual loop, 0 workers", lambda data, size: usual_loop(data, size, 0)),
    "a2": ("the usual loop, 2 workers", lambda data, size: usual_loop(data, size, 2)),
    "b": (
        "torch.nn in memory",
        lambda data, size: torch_in_memory(data, size, torch.contiguous_format),
    ),
    "b-last": (
        "torch.nn in memory, channels last",
        lambda data, size: torch_in_memory(data, size, torch.channels_last),
    ),
    "b-compiled": (
        "torch.nn in memory, channels last, compiled",
        lambda data, size: torch_in_memory(data, size, torch.channels_last, compiled=True),
    ),
    "c": ("tinytrain", tinytrain),
    "c-muon": (
        "tinytrain with Muon",
        lambda data, size: tinytrain(data, size, replace(RECIPE, optimizer="muon")),
    ),
    "d": ("tinytrain in pieces", parts),
    "e": ("the convolutions alone", lambda data, size: convolutions(size)),
    "f": ("a product of 1024 × 1024 matrices", lambda data, size: matrix_product()),
}


def take_turns(name, options, pipe):
    """A contestant's process: whenever it is asked, take some steps and answer with the time."""
    torch.set_num_threads(options.threads)
    if name in ("c", "c-muon", "d", "e", "f"):
        keep_freed_memory()  # part of tinytrain; the usual loop does not do it
    generator = CONTESTANTS[name][1](datasets.load("mnist"), options.batch_size)
    while pipe.recv():
        if name == "d":
            pieces = list(itertools.islice(generator, options.steps))
            pipe.send({part: statistics.median(p[part] for p in pieces) for part in pieces[0]})
        else:
            pipe.send(seconds_a_step(generator, options.steps, options.warm_up))


def seconds_a_step(generator, steps, warm_up):
    """The mean time of `steps` steps, after `warm_up` of them."""
    for _ in itertools.islice(generator, warm_up):
        pass
    started = time.perf_counter()
    for _ in itertools.islice(generator, steps):
        pass
    return (time.perf_counter() - started) / steps


def rounds(contestant, names, options):
    """Round by round, what `contestant` answers, called in a process for each name: lists."""
    context, pipes = multiprocessing.get_context("spawn"), {}
    answers = {name: [] for name in names}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=contestant, args=(name, options, theirs)).start()
        theirs.close()  # so that the end of the process is the end of the pipe
    for _ in tqdm(range(options.repeats), desc="rounds", disable=None):
        for name, pipe in pipes.items():
            pipe.send(True)
            answers[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return answers


def compare(options):
    """Time all contestants in turns; returns the table as a dict."""
    names = [name for name in CONTESTANTS if name != "b-compiled" or options.compiled]
    times = rounds(take_turns, names, options)
    pieces = times.pop("d")
    times = {name: [1000 * seconds for seconds in values] for name, values in times.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    multiply_adds = 1_042_816 - 72 * 26 * 26 / 3  # the first layer needs no gradient of its input
    peak = 2 * 1024**3 / median["f"] / 1e6  # GFLOP/s
    arithmetic = 3 * 2 * multiply_adds * options.batch_size / peak / 1e6
    best_b = min(value for name, value in median.items() if name in ("b", "b-last"))
    return {
        "milliseconds a step": {
            name: {"what": CONTESTANTS[name][0], "median": median[name], "rounds": values}
            for name, values in times.items()
        },
        "parts of a step": {
            name: 1000 * statistics.median(piece[name] for piece in pieces) for name in pieces[0]
        },
        "peak GFLOP/s": peak,
        "milliseconds at the peak": arithmetic,
        "ratios": {
            "a/c (better loader)": min(median["a0"], median["a2"]) / median["c"],
            "b/c (contiguous)": median["b"] / median["c"],
            "b/c (best layout)": best_b / median["c"],
            "c/e": median["c"] / median["e"],
            "c/f": median["c"] / arithmetic,
        },
    }


def scaling(options):
    """tinytrain's microseconds an image, against the batch size and the number of images.

    Where Linux tells, the memory of its own, too. Of more than 64 MiB of images a step reads its
    own from their file. With --large FOLDER that set takes turns with MNIST.
    """
    os.environ["TINYTRAIN_LARGEST"] = str(64 << 20)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    data = datasets.load("mnist")
    table = {"batch size": {}, "images": {}, "MiB of own memory, by images": {}}
    for batch_size in (32, 64, 128, 256, 512, 1024):
        seconds = seconds_a_step(tinytrain(data, batch_size), options.steps, options.warm_up)
        table["batch size"][batch_size] = 1e6 * seconds / batch_size
    for count in (10_000, 60_000, 600_000):
        with tempfile.TemporaryDirectory() as folder:
            synthetic.write_files(Path(folder), train=count, test=100)
            many = datasets.load(folder)
            seconds = seconds_a_step(tinytrain(many, 128), options.steps, options.warm_up)
            table["images"][count] = 1e6 * seconds / 128
            memory = Path("/proc/self/smaps_rollup")
            if memory.exists():
                kilobytes = re.search(r"Anonymous: *([0-9]+) kB", memory.read_text())[1]
                table["MiB of own memory, by images"][count] = int(kilobytes) / 1024
    if options.large:
        table |= in_turns(
            {"mnist": data, str(options.large): datasets.load(options.large)}, options
        )
    return table


def in_turns(datasets, options):
    """Milliseconds a step on each of `datasets`, by the clock and of the processor, in turns."""
    runs = {name: tinytrain(data, 128) for name, data in datasets.items()}
    clocks = {"by the clock": time.perf_counter, "of the processor": time.process_time}
    rows = {f"milliseconds a step {how}": {name: [] for name in runs} for how in clocks}
    for name in [*runs] * (options.repeats + 1):  # the first round warms up
        before = [clock() for clock in clocks.values()]
        for _ in itertools.islice(runs[name], options.steps):
            pass
        for row, clock, start in zip(rows.values(), clocks.values(), before, strict=True):
            row[name].append(1000 * (clock() - start) / options.steps)
    return {
        how: {
            name: {"what": name, "median": statistics.median(values[1:]), "rounds": values[1:]}
            for name, values in row.items()
        }
        for how, row in rows.items()
    }


def machine():
    """What figures of time are of."""
    return {
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def show(result):
    """Print a result as tables."""
    for name, value in result.items():
        if not isinstance(value, dict):
            print(f"{name}: {value:.4g}")
            continue
        print(f"\n{name}")
        for key, entry in value.items():
            if isinstance(entry, dict):
                low, high = min(entry["rounds"]), max(entry["rounds"])
                spread = f"{entry['median']:8.2f}   ({low:.2f} to {high:.2f})"
                print(f"  {key!s:<11}{entry['what']:<46}{spread}")
            else:
                print(f"  {key!s:<24}{entry:8.3f}")


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=positive, default=RECIPE.batch_size)
    parser.add_argument(
        "--repeats", type=positive, default=5, help="rounds (default: %(default)s)"
    )
    parser.add_argument("--steps", type=positive, default=40, help="steps a round and contestant")
    parser.add_argument(
        "--warm-up", type=positive, default=5, help="steps before the clock starts"
    )
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    parser.add_argument("--compiled", action="store_true", help="torch.compile as a peer, too")
    parser.add_argument("--scaling", action="store_true", help="cost against sizes instead")
    parser.add_argument("--large", type=Path, help="with --scaling: a set beyond memory, too")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args()
    datasets.load("mnist")  # now, rather than in every process at once
    result = scaling(options) if options.scaling else compare(options)
    show(result)
    if options.json:
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        settings["large"] = options.large and str(options.large)
        content = {"settings": settings, "recipe": asdict(RECIPE), "machine": machine()} | result
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(exit_status(main))
