"""Read what a run has written; the processes that another one has started."""

import json
from contextlib import suppress

import torch


def lines_of(path):
    """The values in a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def history(run):
    """The epochs of a run, but for the seconds that they took."""
    return [line | {"seconds": 0} for line in lines_of(run / "history.jsonl")]


def state_of(run):
    """The state in a run's checkpoint."""
    return torch.load(run / "checkpoint.pt", weights_only=True)["state"]


def weights(run):
    """All weights of a run, and their averages."""
    state = state_of(run)
    return [*state["net"].values(), *state["ema"]["net"].values()]


def children(pid):
    """The numbers of the processes that it has started; none where there is no /proc."""
    with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(number) for number in file.read().split()]
    return []
