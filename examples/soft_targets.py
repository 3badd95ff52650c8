"""Train a net on what trained nets answer, besides the labels: knowledge distillation.

The label of a slanted 1 says 1 and no more; a trained net says 1, perhaps 7, never 8. Its answers
are the soft targets. The teachers see each batch as the student does, augmented. With their mean
probabilities t and the student's s, both at temperature T (softmax of the scores / T),

    loss = (1 − w) · (the recipe's loss of the labels) − w · T² · Σ t · log s

The temperature brings out small probabilities, and T² keeps the gradient as large as that of the
labels. Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.

    python -m tinytrain train --recipe dense --seed 2 --run-dir runs/teacher
    python examples/soft_targets.py runs/teacher --recipe dense --seed 1

The teachers' epochs are not the student's: 15 epochs with teachers of 15 each are more than 15.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from tinytrain import data, report
from tinytrain.cli.exit import exit_status
from tinytrain.cli.options import Parser, natural, number
from tinytrain.errors import UsageError
from tinytrain.nets import Task
from tinytrain.nn import functional
from tinytrain.nn.inspect import parameter_count
from tinytrain.recipes import RECIPES
from tinytrain.results.trained_run import load_run
from tinytrain.runs import user_file
from tinytrain.store.files import make_folder, whole_file, write_file
from tinytrain.train import Epoch, fit, keep_freed_memory
from tinytrain.train.compute import InProcess


class Taught(InProcess):
    """Steps whose loss is the formula above: `weight` is w, `temperature` T."""

    def __init__(self, teachers, weight=0.9, temperature=3.0):
        self.teachers, self.weight, self.temperature = teachers, weight, temperature

    @torch.no_grad()
    def soft_targets(self, images):
        """The mean probabilities (N, classes) of the teachers, which are in evaluation mode."""
        # Log-probabilities serve as scores: a softmax does not see what is added to a whole row.
        answers = [(net(images) / self.temperature).softmax(1) for net in self.teachers]
        return torch.stack(answers).mean(0)

    def loss(self, training, images, output, labels):
        """The loss of the student's log-probabilities `output` (N, classes) for the batch."""
        student = functional.log_softmax(output / self.temperature)
        soft = -(self.soft_targets(images) * student).sum(1).mean() * self.temperature**2
        return (1 - self.weight) * training.loss(output, labels) + self.weight * soft


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("teachers", nargs="+", type=Path, help="folders of finished runs")
    shown = "(default: %(default)s)"
    recipe_help = f"the student's recipe {shown}"
    add("--recipe", choices=RECIPES, metavar="NAME", default="dense", help=recipe_help)
    add("--seed", type=natural, default=1, help=f"decides every random draw {shown}")
    add("--weight", type=number(float, 0, 1), default=0.9, help=f"w {shown}")
    add("--temperature", type=number(float, 0.1, 100), default=3.0, help=f"T {shown}")
    help = "new folder for history.jsonl and weights.pt, which every epoch renews"
    add("--output", type=Path, help=help)
    options = parser.parse_args()
    recipe, runs = RECIPES[options.recipe], [load_run(folder) for folder in options.teachers]
    first = runs[0].settings
    dataset = data.load(first.dataset, None, first.holdout, recipe.deskew, first.fold)
    for folder, run in zip(options.teachers, runs, strict=True):
        one = run.settings
        if (one.data_digest, one.fold, one.holdout) != (dataset.digest, first.fold, first.holdout):
            raise UsageError(f"{folder}: expected the same images as {options.teachers[0]} had")
        if run.unfinished:
            raise UsageError(f"{folder}: expected a finished run, found {run.unfinished}")
        if one.recipe.deskew != recipe.deskew:
            found = "deskewed" if one.recipe.deskew else "not deskewed"
            raise UsageError(f"{folder}: expected images as of {options.recipe}, found {found}")
    if options.output:
        if options.output.exists():
            raise UsageError(f"--output {options.output}: is there already; name a new folder")
        make_folder(options.output)  # now, rather than after an epoch
    keep_freed_memory()
    task = Task(dataset.classes, tuple(dataset.train.images.shape[1:]))
    training = user_file.start(recipe, options.seed, task=task)
    compute = Taught([run.net for run in runs], options.weight, options.temperature)
    log = report.log.Log("Holdout set" if first.holdout else "Test set")
    for event in fit(training, dataset, compute):
        log.show(event)
        if options.output and isinstance(event, Epoch):
            lines = (json.dumps(asdict(epoch)) + "\n" for epoch in training.history)
            write_file(options.output / "history.jsonl", "".join(lines))
            with whole_file(options.output / "weights.pt") as file:  # as `export` writes them
                torch.save(training.tested_net.state_dict(), file)
    accuracies = [epoch.test_accuracy for epoch in training.history]
    reason = report.target.reason_not_judged(first.dataset, first.holdout, recipe.epochs)
    print(report.target.verdict(accuracies, parameter_count(training.net), reason).text)


if __name__ == "__main__":
    sys.exit(exit_status(main))
