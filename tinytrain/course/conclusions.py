"""What the course concludes from rungs that are compared with one and the same other rung.

As in the lessons, no measured figure stands here, and that something gains or costs only where
the interval leaves out zero.
"""

ABLATION_LESSON = (
    "What helped on the way up may be carried by what came later. So every ingredient of the "
    "final recipe is changed alone, and at last all augmentation, with and without averaging; the "
    "others stay as they are. An interval that leaves out zero says that the ingredient matters; "
    "one that includes it, that these seeds cannot tell. Without the wide view, and without "
    "averaging, the net is worse by more than seeds would explain: without the view some seeds do "
    "not hold, without averaging none does. Averaging steadies: in the last epoch, at a rate near "
    "zero, there is little left to average, but each of the last five is to hold. Any one kind of "
    "augmentation can go, and all of them, without a difference in the mean that these seeds can "
    "show, whether the weights are averaged or not: what is lost without both is what is lost "
    "without averaging. The net learns little by heart in 15 epochs, so there may be little for "
    "augmentation to prevent. That its kinds stand in for each other was not shown."
)

VIEW_LESSON = (
    "Nearly every digit of MNIST is exactly 20 pixels long. Before the mean over all places is "
    "taken, a place of a net's last map knows as much of it as it sees: 18 pixels in Net9, 22 in "
    "Net8_1, from which Net9 was made and which is better. But Net8_1 has more layers and more "
    "parameters, too. Dilation widens the view and changes nothing else, so it can tell which of "
    "them it was. With Net8_1's own view Net9 makes up not quite half of what it lost, and stays "
    "below by more than seeds would explain; with a wider one, these seeds no longer tell the two "
    "apart. So the view is part of it, not all. Net9 gains from seeing more than a digit, too. In "
    "the final recipe, dilation 2 and 3 were compared on all 60,000 training images, each held "
    "out once: their accuracies cannot be told apart, and 2 has the lower loss. On the test "
    "images 2, 3 and 4 cannot be told apart either: there, 22 pixels are enough."
)

RATE_LESSON = (
    "The rung called reference takes Adam for SGD, and another rate with it, so what it gains may "
    "be the rate's. To compare two optimizers, let each choose its rate first: here on training "
    "images that were held out, with the final recipe in five epochs. The same for the size of a "
    "batch. Four times as many images a step mean a quarter of the steps, each by a gradient with "
    "half the noise. At one rate, 0.03, Adam is far ahead; but SGD wants one ten times as large, "
    "and each at its best (1 and 0.1), the three seeds that had no part in the choice cannot tell "
    "them apart. Larger batches bear larger rates: at 512 the small rates are clearly worse, "
    "at 32 rates a factor of four apart do as well. Batches of 512 stay behind at every rate that "
    "was tried; likely, but this was not tested, because five epochs of them have few steps. "
    "Batches were tried with one seed a rate, so the dots say how far to trust a line."
)

FRONTIER_LESSON = (
    "The limits of 8,000 parameters and 15 epochs are an agreement, and so is that a net looks at "
    "a digit once, and at the digit as it was written. Upright is the final recipe, without the "
    "wide view, on digits that are made upright first, those of the test as well (deskew.py). On "
    "held-out training images that gained as much as a wide view; on the test images, what it "
    "gains could be chance. Held-out images are a sample, too: what is best on them is partly "
    "best by chance, and only images that had no part in the choice tell how much. Five-looks is "
    "the final recipe without the wide view, seed by seed the same weights, but in the test the "
    "net sees a digit as it is and moved by one pixel up, down, left and right, and the scores "
    "are averaged: no parameter and no training, five times the arithmetic in the test. That "
    "gains more than seeds would explain. The others use five looks, too. Fewest-parameters and "
    "three-epochs have nets like late7500, but without padding, in a frame that repeats the "
    "border of the image; below-2000 and below-1000 have separable convolutions in such a frame: "
    "a kernel for each channel by itself, then a 1×1 convolution that mixes them. Two-epochs and "
    "one-epoch have the final net with dilation 3, which had a lower loss than the framed net on "
    "held-out images, with half of its multiplications. All but three-epochs have upright digits, "
    "as the held-out images advised. So the accuracy that was asked of 8,000 parameters is "
    "reached, in the mean, by 2,791, though most seeds do not hold it; by 7,500 it is reached "
    "within three epochs, and by 7,934 at the end of two. What looks, frame and upright digits "
    "contribute, each by itself, was not measured on the test images."
)
