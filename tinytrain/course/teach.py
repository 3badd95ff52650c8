"""For teachers: three ways through it, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of a path: how long it takes, what is done, and the command for it, if any."""

    time: str
    what: str
    command: str = ""


PATHS = {
    "Ten minutes: what a small net can do": [
        Part("2 min", "Everybody draws a digit on this page and watches the scores."),
        Part("3 min", "Choose a place of a map: what does it see, and how is its number made?"),
        Part("3 min", "Predict, then look: rungs net2, net7 and wide."),
        Part(
            "2 min",
            "Hide channel 4 of the first convolution, then ask for digits of the test set.",
        ),
    ],
    "Ninety minutes: how it is trained": [
        Part("15 min", "Rungs net1 to net3 with their predictions; one question a rung, aloud."),
        Part("15 min", "Watch Net1 train on this page: find a rate that is too high."),
        Part(
            "10 min", "Everybody trains a rung for two epochs.", "train --recipe net7 --epochs 2"
        ),
        Part(
            "20 min", "An exercise each: log-softmax, then dropout.", "exercise start log-softmax"
        ),
        Part(
            "15 min",
            "A seed a group of net7 and of net6, five epochs: which is better, and is it?",
            "train --recipe net6 --epochs 5 --seed 7",
        ),
        Part("15 min", "Read examples/final_net.py together, from top to bottom."),
    ],
    "A week: build it": [
        Part("Monday", "Steps 1 to 7, all predictions. Install, and train.", "train"),
        Part("Tuesday", "The data: four exercises, from the IDX header on.", "exercise list"),
        Part("Wednesday", "Layers and their gradients.", "exercise start batch-norm-backward"),
        Part("Thursday", "Optimizers, schedule, average.", "exercise start adam"),
        Part(
            "Friday",
            "A net of one's own below 8,000 parameters, chosen on held-out images, then tested "
            "with five seeds.",
            "seeds --net mine.py:build --seeds 1-5 --holdout 10000",
        ),
    ],
}

HANDED_OUT = (
    "This page: one file, which needs no network and may be copied.",
    "The commands above; on a machine without a network, the folder of MNIST, too.",
    "The exercises: each learner's are in a folder of their own.",
)
