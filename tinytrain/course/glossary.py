"""The course's own words, in a sentence each; a text links the first use of each to it."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

GLOSSARY = {
    "parameter": "A number of the net that training finds: a weight or a bias.",
    "loss": "How wrong the net is: minus the logarithm of the probability that it gives the right "
    "class, as a mean over images.",
    "gradient": "For each parameter, how fast the loss grows with it.",
    "batch": "The images of one step of training.",
    "epoch": "One time through all training images.",
    "rate": "How far a step goes against the gradient.",
    "recipe": "All that a run follows from, but for the data, the seed and the machine.",
    "evaluation": "Testing: the net as it is, without dropout, on images that it does not "
    "train on.",
    "deviation": "The standard deviation: how far the seeds lie from their mean, about.",
    "held": "A run held the target if each of its last five epochs had at least 99.4 % of the "
    "test digits right.",
    "rung": "A recipe of the ladder, with what it changes in the one before, a lesson, and the "
    "record of its runs.",
    "seed": "The number that all random draws of a run follow from: another seed is another run "
    "of the same recipe.",
    "gap": "Training accuracy minus test accuracy, in points: what is learned by heart rather "
    "than understood.",
    "five looks": "In evaluation an image is looked at five times, as it is and moved by a pixel "
    "each way, and the mean of the scores decides.",
    "receptive field": "The pixels of the image that one place of a map depends on, given as the "
    "length of their square's side.",
    "interval": "The range that contains the true mean, or the true difference of two means, in "
    "95 of 100 such comparisons.",
    "points": "Differences of percentages: 99.5 % is 0.1 points more than 99.4 %.",
    "upright": "Of a digit: slanted back until its ink leans to neither side, before the net sees "
    "it.",
    "held out": "Of training images: kept back from training, to compare recipes on.",
}


class FirstUse:
    """Links the first use of each word of the glossary, as texts come along in their order."""

    def __init__(self) -> None:
        self.left = sorted(GLOSSARY, key=len, reverse=True)

    def __call__(self, text: str) -> Markup:
        """The text, escaped, with a link at each word that was not used before."""
        shown = str(escape(text))
        for word in list(self.left):
            linked = re.subn(rf"\b{word}\b(?![^<]*</a>)", link(word), shown, count=1)
            if linked[1]:
                shown = linked[0]
                self.left.remove(word)
        return Markup(shown)


def place(word: str) -> str:
    """The anchor of a word."""
    return f"glossary-{word.replace(' ', '-')}"


def link(word: str) -> str:
    """A word as a link to what it means."""
    return f'<a class="word" href="#{place(word)}">{word}</a>'
