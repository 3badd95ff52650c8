"""What a run prints while it goes on: a bar in a terminal, plain lines in a file."""

import io
import sys

import pytest
import torch

from tinytrain.train import Batch, Epoch, log


class Terminal(io.StringIO):
    """What is printed, by a program that believes that somebody watches."""

    def isatty(self):
        return True


def batches(count):
    """The steps of an epoch of `count` batches of ten, of which seven are right."""
    for batch in range(1, count + 1):
        yield Batch(1, batch, count, 0.01, torch.tensor(0.5), 7 * batch, 10 * batch)


EPOCH = Epoch(1, 0.01, 0.5, 70.0, 0.25, 9, 10, 90.0, 80.0, 1.0)


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_an_epoch(stream, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    shown = log.Log()
    for event in [*batches(3), EPOCH]:
        shown.show(event)
    lines = stream.getvalue().replace("\r", "\n").split("\n")
    progress = [line for line in lines if line.startswith("Train: ")]
    assert "Loss=0.5000 Batch_id=2 Accuracy=70.00: 100%" in progress[-1]
    assert " 3/3 [" in progress[-1]
    assert lines[:2] == ["Adjusting learning rate of group 0 to 1.0000e-02.", "Epoch 1"]
    assert "Test set: Average loss: 0.2500, Accuracy: 9/10 (90.00%)" in lines
    assert shown.bar is None


def test_a_bar_begins_where_the_epoch_was_left(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream := Terminal())
    shown = log.Log()
    for event in [*batches(5)][3:]:
        shown.show(event)
    assert " 5/5 [" in stream.getvalue() and " 1/5 [" not in stream.getvalue()


def test_a_bar_that_is_left_ends_its_line(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream := Terminal())
    shown = log.Log()
    shown.show(next(batches(3)))
    shown.close()
    assert shown.bar is None and stream.getvalue().endswith("\n")
