"""How nets are trained, and how results are read: the concepts of the other rungs."""

from __future__ import annotations

from tinytrain.course.concepts import sketches_of_training as sketches
from tinytrain.course.concepts.concept import Concept
from tinytrain.course.concepts.mathml import formula, fraction, hat, high, low, root
from tinytrain.data import augment
from tinytrain.nn import functional
from tinytrain.optim import Adam, ExponentialMovingAverage, WarmupLinear
from tinytrain.results import statistics

OF_TRAINING = {
    "net7": Concept(
        title="Batch norm",
        explanation="What reaches a layer changes its scale while the layers before it learn, "
        "and a rate that suits one scale does not suit another. Batch norm gives every channel "
        "mean 0 and variance 1 over all places of all images of a batch, then a mean and a "
        "deviation that are learned. In evaluation, where the net is tested, it uses the "
        "averages that it kept in training.",
        formula=formula(
            *(
                "y = γ ·",
                fraction("x − mean", root("<mrow><mi>var</mi><mo>+</mo><mi>ε</mi></mrow>")),
            ),
            "+ β",
        ),
        symbols="γ and β are learned, a pair a channel; ε is small, and keeps the root from 0.",
        drawing=sketches.batch_norm,
        caption="The values of three channels before and after: each has now mean 0, variance 1.",
        code=functional.batch_norm,
        excerpt=("if training:", "return input"),
        attempt="Train Net7 for two epochs, then the same with --recipe net6; compare the losses.",
        command="train --recipe net7 --epochs 2",
        question="Why does a convolution before batch norm need no bias?",
        answer="Subtracting the mean takes away whatever a bias has added; β adds one anew.",
    ),
    "net8": Concept(
        title="Dropout",
        explanation="In training, dropout silences some channels of each image at random, so that "
        "no channel can count on another being there. The others are scaled up, which keeps what "
        "the next layer gets the same on average. In evaluation it does nothing.",
        formula=formula("y = x ·", fraction("m", "1 − p")) + formula("P ( m = 0 ) = p"),
        symbols="p: the probability; m: 0 or 1, drawn for each channel of each image.",
        drawing=sketches.dropout,
        caption="Eight maps of an image, of which dropout of 0.25 has silenced some; the others "
        "are brighter by a third.",
        code=functional.dropout2d,
        attempt="Train Net8 with dropout taken away, and look at its training accuracy.",
        command="train --recipe net8 --dropout 0 --epochs 2",
        question="With dropout, training accuracy lies below test accuracy. Is that a mistake?",
        answer="No: training accuracy is that of a net with silenced channels, test accuracy that "
        "of the whole net.",
    ),
    "net8_1": Concept(
        title="Is it a difference?",
        explanation="Two runs of one recipe with other random numbers differ, often by more than "
        "two recipes do. So a recipe is judged by the mean over several seeds, and a difference "
        "of two means by its interval: if recipes were compared again and again, 95 of 100 such "
        "intervals would contain the true difference. One that includes zero says that chance may "
        "have done it.",
        formula=formula(
            *(hat("d"), "± t ·"),
            root(
                fraction(high("s₁", "2"), low("n", "1"))
                + "<mo>+</mo>"
                + fraction(high("s₂", "2"), low("n", "2"))
            ),
        ),
        symbols="d̂: the difference of the means; s and n: deviation and number of the seeds of "
        "each recipe; t: about 2, from Student's table.",
        drawing=sketches.intervals,
        caption="Twenty comparisons of a recipe with itself, five seeds each, drawn at random: "
        "the true difference is zero. Two of these intervals (orange) miss it; on average one "
        "does.",
        code=statistics.difference,
        attempt="Train a rung with three seeds, and see its interval.",
        command="seeds --recipe net8_1 --seeds 1-3 --epochs 5",
        question="Why is the best of twenty seeds no measure of a recipe?",
        answer="It grows with the number of tries, and does not say what the next seed will give. "
        "The mean does not grow, and its interval shrinks.",
    ),
    "net9-rotation": Concept(
        title="Augmentation",
        explanation="A digit that is turned a little is the same digit. So every time an image is "
        "shown it is turned anew, by a random angle, and the net never sees the same pixels "
        "twice. What it cannot learn by heart it has to understand.",
        formula=formula("θ ~ uniform ( − 7° , 7° )"),
        drawing=sketches.rotation,
        caption="One digit, as it is (left), and turned by random angles within ±7°.",
        code=augment.Augmentation.draw,
        attempt="See what the final recipe's augmentation makes of training images.",
        command="gallery augmentation",
        question="Should the test images be augmented, too?",
        answer="Not for a fair test: they stand for what the net will meet. (To average what it "
        "says of several moved copies is something else: looks.)",
    ),
    "net9_3": Concept(
        title="How exact is an accuracy?",
        explanation="An accuracy is counted on 10,000 test images, which are a sample: of other "
        "10,000 digits the net would get some more or fewer right. For a net that is right on "
        "99.4 % that is 0.08 points to either side, one standard error. All rungs are tested on "
        "the same images, so a difference between two is surer than either accuracy; but other "
        "10,000 digits would change it, too, which the intervals over seeds do not show.",
        formula=formula(
            root(fraction("p ( 1 − p )", "n")),
            "=",
            root(fraction("0.994 · 0.006", "10,000")),
            "= 0.00077",
        ),
        symbols="p: the share that is right, n: the number of images.",
        drawing=sketches.standard_error,
        caption="How many of 10,000 images a net gets right that is right with probability 0.994: "
        "the accuracies of 2,000 drawn test sets.",
        code=functional.correct,
        attempt="See which digits the final net gets wrong; would you know them?",
        command="gallery mistakes",
        question="How many test images more are 0.08 points?",
        answer="Eight.",
    ),
    "reference": Concept(
        title="SGD and Adam",
        explanation="SGD steps against the gradient, so the rate that suits a steep direction is "
        "too small for a flat one. Adam divides each weight's mean gradient by the root of its "
        "mean square: every weight moves by about the rate, however steep its slope. It divides "
        "by 1 − βᵗ, too, since both means begin at zero.",
        formula=formula(
            *("θ ← θ − rate ·", fraction(hat("m"), root(hat("s")) + "<mo>+</mo><mi>ε</mi>")),
        ),
        drawing=sketches.descent,
        symbols="θ: a weight; m̂ and ŝ: the means of its gradient and of its square, each "
        "divided by 1 − βᵗ at step t; ε is small.",
        caption="A valley that is fifty times steeper across than along, and forty steps of each "
        "optimizer from the same place. SGD crawls; momentum and Adam overshoot, and get there.",
        code=Adam.step,
        excerpt=("mean, square = ", "param.addcdiv_"),
        attempt="Train the same net with SGD; then with the recipe as it is, by Adam.",
        command="train --recipe reference --optimizer sgd --lr 0.03 --momentum 0.9 --epochs 2",
        question="The loss is multiplied by ten. What changes for SGD, what for Adam?",
        answer="SGD's steps are ten times as long. Adam's stay as they are: mean and root of the "
        "mean square both grow by ten.",
    ),
    "falling": Concept(
        title="A learning rate that rises and falls",
        explanation="A high rate finds a good region soon but keeps jumping about in it; a low "
        "one settles, but would take long to get there. So the rate starts low, while the running "
        "means of Adam and of batch norm are still unsettled, rises, and falls to zero.",
        formula=formula(
            *(
                "rate ( e ) = rate · min (",
                fraction("e", "0.2 E"),
                ",",
                fraction("E − e", "0.8 E"),
            ),
            ")",
        ),
        drawing=sketches.schedules,
        caption="The rate over 15 epochs: in steps, as the reference has it, and up and down.",
        code=WarmupLinear.__call__,
        attempt="Train with a constant rate and without averages: the last epochs jump.",
        command="train --recipe constant-rate --average 0 --epochs 5",
        question="Why is the rate taken in the middle of a step, not at its end?",
        answer="At the end of the last step it is zero, and that step would change nothing.",
    ),
    "averaged": Concept(
        title="Averaged weights",
        explanation="While the rate is high, the weights jump around a good place without coming "
        "to rest in it. Their average over the last few hundred steps lies nearer to it than "
        "nearly every one of them. It costs an addition a step, and the training does not notice.",
        formula=formula("a ← a + ( 1 − decay ) · ( θ − a )"),
        drawing=sketches.average,
        caption="A weight that jumps around its best value, 0 (grey), and its average (blue).",
        code=ExponentialMovingAverage.update,
        attempt="Compare raw and averaged test accuracies in a run's history.",
        command="train --recipe averaged --epochs 3",
        question="With a decay of 0.996, how many steps does the average remember?",
        answer="About 1 / (1 − 0.996) = 250: the weight of a step falls to a third after that "
        "many. An epoch has 469.",
    ),
    "final": Concept(
        title="Chosen on images that are not tested on",
        explanation="Of many recipes the one that is best on some images is partly best by chance "
        "on just those. So recipes are compared on training images that are held back, and only "
        "the one that is chosen meets the test images, once. The final recipe's augmentation is "
        "an affine map: slant, size and turn about the middle, then a shift.",
        formula=formula("p′ = turn · size · slant · p + shift"),
        drawing=sketches.affine,
        caption="One digit, and thirteen draws of the final recipe's augmentation.",
        code=augment.apply,
        attempt="Train the final recipe without opening the test images.",
        command="train --holdout 10000 --epochs 3",
        question="Ten recipes are equally good. By how much does the best of them seem better?",
        answer="By about one and a half deviations of a single result, on the images that it was "
        "chosen on. On others, by nothing.",
    ),
}
