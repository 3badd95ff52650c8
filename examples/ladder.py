"""The whole climb in one script: the thirteen rungs trained once each, and what they brought.

The command line does the same with several seeds at a time, resumable: python -m tinytrain ladder
"""

import sys

from tqdm import tqdm

from tinytrain import build, loop, mnist
from tinytrain.arguments import Parser, natural, positive
from tinytrain.course.ladder import climb, describe
from tinytrain.errors import exit_status
from tinytrain.log import LAST_EPOCHS
from tinytrain.memory import keep_freed_memory
from tinytrain.training import Epoch


def train(rung, data, seed):
    """Train a rung; returns the test accuracy, in percent, of every epoch."""
    training = build.training(rung.recipe, seed)
    events = loop.fit(training, build.dataset(rung.recipe, data))
    steps = (event for event in events if isinstance(event, Epoch))
    progress = tqdm(steps, total=rung.recipe.epochs, desc=rung.name, unit="epoch", disable=None)
    return [epoch.test_accuracy for epoch in progress]


def main():
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=natural, default=1, help="decides every random draw")
    parser.add_argument("--rungs", type=positive, default=13, help="how many, from the ground up")
    options = parser.parse_args()
    keep_freed_memory()
    data = mnist.load()
    for rung in climb()[: options.rungs]:
        accuracies = train(rung, data, options.seed)
        last = accuracies[-LAST_EPOCHS:]
        print(f"{rung.name}: {rung.lesson.title}, {rung.parameters:,} parameters")
        print(f"  changed: {describe(rung.changes)}")
        print(f"  target:  {rung.lesson.target}")
        print(f"  result:  last epochs {' '.join(f'{accuracy:.2f}' for accuracy in last)} %")


if __name__ == "__main__":
    sys.exit(exit_status(main))
