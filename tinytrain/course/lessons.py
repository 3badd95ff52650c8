"""The lessons, rung by rung: why the rung is there, and what to take from it.

A rung is a recipe with a lesson. What it changes is in `recipes.LADDER`; what came out is computed
from its record. Here is only what a teacher says, without a measured figure: that something gains
or costs stands here only where the interval leaves out zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is said about a rung: what changed, what it was to show, what it did show.

    `also` names rungs that the analysis compares with, besides the one before.
    """

    step: int
    title: str
    change: str
    target: str
    analysis: str
    also: tuple[str, ...] = ()


STEPS = {
    1: "The right skeleton",
    2: "Lighter",
    3: "Batch norm",
    4: "Regularisation",
    5: "Capacity in the right place",
    6: "Augmentation",
    7: "The optimizer",
    8: "Holding it",
    9: "More use of each parameter",
}

LESSONS = {
    "net1": Lesson(
        step=1,
        title="Net1",
        change="Four linear layers, 784-128-64-16-10, with ReLU between them. SGD with momentum "
        "0.9 at a rate of 0.03, times 0.1 every six epochs; no augmentation. Optimizer and rate "
        "stay like this up to and including step 6, where augmentation comes.",
        target="A first net that trains, to have something to compare with.",
        analysis="It learns the training digits nearly by heart and stops there. Every pixel has "
        "weights of its own, so what is learned about a stroke in one place says nothing about "
        "the same stroke in another.",
    ),
    "net2": Lesson(
        step=1,
        title="Net2",
        change="3×3 convolutions with 32, 64 and 128 channels see the image first; three linear "
        "layers decide.",
        target="Let the net know what a neighbourhood is, with no more parameters.",
        analysis="The largest step of the whole ladder, with fewer parameters: a kernel learns a "
        "stroke once, for every place. What is learned by heart becomes less, too: the gap "
        "shrinks to a fraction of Net1's.",
    ),
    "net3": Lesson(
        step=1,
        title="Net3",
        change="One 1×1 convolution takes the place of the three linear layers.",
        target="Show that one linear layer, here written as a 1×1 convolution, does as well as "
        "three.",
        analysis="With one parameter in eleven gone, the difference just stays within what seeds "
        "would explain: the two layers may have been worth a little, or nothing.",
    ),
    "net4": Lesson(
        step=1,
        title="Net4",
        change="Narrower padded convolutions, squeezed by 1×1 convolutions before each pooling, "
        "and a global average at the end. Width, padding and head change together: the curriculum "
        "takes this step at once.",
        target="The skeleton of the curriculum's later nets: see edges, squeeze, see "
        "shapes, squeeze, average.",
        analysis="Below Net3 by more than seeds would explain. It has a third of the parameters, "
        "yet it does not even fit the training digits as well: narrow, deep and without batch "
        "norm it is slow to train at this rate. By itself, the skeleton does not pay off.",
    ),
    "net5": Lesson(
        step=1,
        title="Net5",
        change="The same skeleton with twice the parameters: 16-64, squeezed to 32, then 128, "
        "squeezed to 64.",
        target="Find out whether the skeleton is limited by its width. (It has one convolution "
        "less, too, and sees less.)",
        analysis="Twice the parameters bring nothing that three seeds could show. Its seeds lie "
        "far apart, as those of all nets that are deep and have no batch norm.",
    ),
    "net6": Lesson(
        step=2,
        title="Net6",
        change="Below 8,000 parameters: no padding, at most 16 channels, six 3×3 convolutions. "
        "Again several things change together.",
        target="Keep the skeleton and give up seven parameters of eight.",
        analysis="With an eighth of Net5's parameters no difference that these seeds can show. "
        "Its seeds, too, lie far apart, as Net4's and Net5's do.",
    ),
    "net7": Lesson(
        step=3,
        title="Net7",
        change="Batch norm after every 3×3 convolution: 152 more parameters, so this net and the "
        "next two are over the limit of 8,000.",
        target="Make the small net train as well as the large ones.",
        analysis="Every seed is above every seed of Net6, and they lie closer together; that "
        "the interval is wide is Net6's doing, whose seeds differ most of all rungs. Batch norm "
        "takes most of the luck out of the result. With that and nothing else some seeds "
        "already hold the target, but the net is 116 parameters too large.",
    ),
    "net8": Lesson(
        step=4,
        title="Net8",
        change="Dropout of whole channels with probability 0.1 after every ReLU.",
        target="Close the gap between training and test.",
        analysis="At 0.1 it costs accuracy. A likely reason, not tested: of eight to sixteen "
        "channels none can be spared, and Net7 had hardly a gap to close. The curriculum's 'not "
        "useful' holds up.",
    ),
    "net8_1": Lesson(
        step=4,
        title="Net8_1",
        change="The dropout probability is 0.01 instead of 0.1.",
        target="Find an amount of dropout that helps. The curriculum calls 0.1 not useful, 0.01 "
        "useful.",
        analysis="It gives back what 0.1 took away. That is all: against Net7, the same net "
        "without dropout, the interval includes zero, so these seeds do not confirm the "
        "curriculum's 'useful'.",
        also=("net7",),
    ),
    "net9": Lesson(
        step=5,
        title="Net9",
        change="One padded convolution with 31 channels takes the place of the last two with 16: "
        "back below 8,000 parameters.",
        target="Put the parameters where digits, and no longer strokes, are recognised.",
        analysis="The curriculum's choice does not hold up: Net9 is below Net8_1 by more than "
        "seeds would explain. With a convolution it gives up depth, and view: a place sees 22 "
        "pixels of the image in Net8_1 before the average, 18 in Net9, and more channels do not "
        "make up for that. Which of the two it is, a wide view can tell.",
    ),
    "net9-rotation": Lesson(
        step=6,
        title="Net9 with augmentation",
        change="Every image is turned by a random angle within ±7°.",
        target="Make the training harder than the test, by more varied digits. The dropout of "
        "0.01 stays.",
        analysis="No gain that seeds would not explain. A possible reason, not tested: fifteen "
        "epochs, with a rate that falls early, leave little room to learn from more varied "
        "digits.",
    ),
    "net9_3": Lesson(
        step=6,
        title="Net9_3",
        change="One more channel in the second convolution, 11 instead of 10: 84 parameters (72 "
        "and 10 weights, 2 of batch norm).",
        target="Spend what is left below the limit. With this net the curriculum ends.",
        analysis="One channel more makes no difference that these seeds can show.",
    ),
    "reference": Lesson(
        step=7,
        title="Net9_3 with Adam",
        change="Adam at a rate of 0.01 takes the place of SGD; the rate still falls by 0.1 every "
        "six epochs.",
        target="Reach 99.4 % within 15 epochs. It is the curriculum's last recipe.",
        analysis="Adam, with a rate of its own, brings what the last three changes did not. It "
        "is the first net below 8,000 parameters near the target, which it touches now and then "
        "and does not hold; the larger Net8_1 is still above it.",
        also=("net8_1",),
    ),
    "falling": Lesson(
        step=8,
        title="A smooth rate",
        change="The rate rises to 0.03 over the first fifth of the run and falls to zero on a "
        "line.",
        target="Higher rates in the middle, and no noise left at the end.",
        analysis="By itself it gains no more than seeds would explain. The high rate makes the "
        "first epochs worse, the low one the last epoch better. With the averaging of the next "
        "rung, a rate that never falls does as well, as far as seeds can tell.",
    ),
    "averaged": Lesson(
        step=8,
        title="Averaged weights",
        change="What is tested is no longer the net of the last step but an average over the last "
        "steps: after every batch it moves 0.4 % of the way to the present weights (more at "
        "first), batch norm's statistics included, so it remembers half an epoch. Training itself "
        "stays as it is.",
        target="Turn an accuracy that swings from epoch to epoch into one that holds.",
        analysis="It gains more than seeds would explain: the weights swing around a place that "
        "is better than nearly all the places they pass. Below 8,000 parameters no seed held 99.4 "
        "% to the end before; now nearly all do.",
        also=("reference",),
    ),
    "wide": Lesson(
        step=8,
        title="A wide view",
        change="The last 3×3 convolution is dilated by 2: its nine weights look at every second "
        "place of the map. Layers, shapes, parameters and multiplications stay as they are.",
        target="Let a place see a whole digit. Nearly every digit of MNIST is exactly 20 pixels "
        "long; a place of Net9_3's last map sees 18 pixels, one of Net7's and Net8_1's 22.",
        analysis="Against the rung before, the five seeds of each cannot tell what it gains from "
        "chance; the thirty seeds of the final recipe with it and the twenty without it can. What "
        "limited the net was what it saw, and what it saw was in a table that every run prints.",
        also=("reference",),
    ),
    "final": Lesson(
        step=8,
        title="The final recipe",
        change="Small shifts, sizes and slants join the rotation, now within ±8°, and dropout "
        "goes: several changes, chosen together on held-out training images.",
        target="Hold 99.4 % in every one of the last five epochs, on every seed.",
        analysis="Against the rung before, the change of augmentation and dropout makes no "
        "difference that these seeds can show; against the reference, all of step 8 together "
        "does. All of thirty seeds hold. On held-out training images larger shifts and turns in "
        "place of sizes and slants make the net worse by more than chance among 60,000 images; "
        "that sizes or slants alone are worth something, the ablation does not show.",
        also=("reference",),
    ),
    "late7500": Lesson(
        step=9,
        title="Padded, and pooled twice",
        change="Every 3×3 convolution is padded, and a second pooling stands after the fourth: "
        "the first four convolutions work on larger images than the final net's. 7,500 "
        "parameters, half as many multiplications again. These widths are older than the rule to "
        "choose on held-out images: they were found by single runs on the test images.",
        target="Parameters are what is limited, arithmetic is not: use each parameter at more "
        "places.",
        analysis="A little below the final net, at the edge of what these seeds can show, with "
        "434 parameters fewer. All of its seeds hold 99.4 %; five are too few to say that it "
        "holds more surely than the final net.",
    ),
}
