"""The log of a run: a bar in a terminal, plain lines in a file, in the words of the reference."""

import io
import itertools
import re
import time

import pytest
import torch

from tinytrain import nn
from tinytrain.report.log import Log, print_net
from tinytrain.train import Batch, Epoch


@pytest.fixture
def printed(monkeypatch):
    """`printed(True)`: what is printed from here on, in a terminal; otherwise in a file."""

    def printed(terminal):
        stream = io.StringIO()
        stream.isatty = lambda: terminal
        monkeypatch.setattr("sys.stdout", stream)
        return stream

    return printed


def steps(log, *numbers):
    """Show these of the four steps of epoch 3: of 20 images each, 15 are right."""
    for number in numbers:
        log.show(Batch(3, number, 4, 0.01, torch.tensor(0.25), 15 * number, 20 * number))
    return log


def test_a_net_is_printed_with_a_line_a_parameter(capsys):
    print_net(nn.Sequential(nn.Conv2d(1, 2, 3)))
    assert re.findall(r"^(0\.\w+)\t", capsys.readouterr().out, re.M) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("terminal", [False, True])
def test_an_epoch(printed, terminal):
    stream = printed(terminal)
    log = steps(Log("Holdout set"), 1, 2, 3, 4)
    log.show(Epoch(3, 0.01, 0.0, 0.0, 0.12345, 31, 40, 77.5, 77.5, 1.0))
    lr, epoch, bars, score, *blank = stream.getvalue().split("\n")
    assert (lr, epoch) == ("Adjusting learning rate of group 0 to 1.0000e-02.", "Epoch 3")
    bar = bars.rpartition("\r")[2]
    assert re.match(r"Train: Loss=0.2500 Batch_id=3 Accuracy=75.00: 100%\|.*\| 4/4 \[00:", bar)
    assert score == "Holdout set: Average loss: 0.1235, Accuracy: 31/40 (77.50%)"
    assert blank == ["", ""] and log.bar is None
    assert ("\r" in bars) == terminal


def test_a_bar_reads_a_loss_ten_times_a_second_at_most(printed):
    printed(True)
    log, read = Log(), []
    loss = type("Loss", (), {"__float__": lambda self: read.append(self) or 0.0})()
    started = time.perf_counter()
    for number in itertools.takewhile(
        lambda _: time.perf_counter() < started + 0.3, itertools.count(1)
    ):
        log.show(Batch(1, number, 10**6, 0.01, loss, 0, number))
    log.close()
    assert 0 < len(read) <= 1 + 10 * (time.perf_counter() - started)


def test_a_file_is_flushed_after_an_epochs_first_line_and_after_its_last(printed):
    stream, seen = printed(False), []
    stream.flush = lambda: seen.append(stream.getvalue())
    steps(Log(), 1, 2, 3, 4).show(Epoch(3, 0.01, 0.0, 0.0, 0.1, 31, 40, 77.5, 77.5, 1.0))
    assert seen[0].endswith("Epoch 3\n") and seen[-1] == stream.getvalue()
    assert "Test set: " in seen[-1]


def test_a_bar_begins_where_the_epoch_was_left_and_ends_its_line(printed):
    stream = printed(True)
    log = steps(Log(), 3)
    log.close()
    assert log.bar is None and stream.getvalue().endswith("\n")
    assert " 3/4 [" in stream.getvalue() and " 1/4 [" not in stream.getvalue()
