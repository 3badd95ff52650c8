"""What the course concludes from rungs that are compared with one and the same other rung.

As in the lessons, no measured figure stands here, and that something gains or costs only where
the interval leaves out zero.
"""

ABLATION_LESSON = (
    "What helped on the way up may be carried by what came later. So every ingredient of the "
    "final recipe is changed alone, the others staying as they are. An interval that leaves out "
    "zero says that the ingredient matters; one that includes it, that these seeds cannot tell. "
    "Averaging the weights is what the recipe rests on: without it no seed holds. No other "
    "ingredient makes a difference by itself that seeds would not; the augmentations can stand in "
    "for each other, and the average for a rate that falls."
)

VIEW_LESSON = "@VIEW@"

FRONTIER_LESSON = (
    "The limits of 8,000 parameters and 15 epochs are an agreement, and so is that a net looks "
    "at a digit once, and at the digit as it was written. Wide is the final recipe with the "
    "last 3×3 convolution of its net dilated by 2 (nets/wide.py), chosen over 3 on held-out "
    "images. A digit is 20 pixels long; a place of that convolution saw 18 of them and sees 22."
    " With the same parameters and multiplications that gains more than seeds would explain, "
    "and each of its seeds holds: what limited the net was what it saw. Upright is the final "
    "recipe on digits that are made upright first, those of the test as well (deskew.py). On "
    "held-out training images no change but the wide view gained as much; on the test images, "
    "what it gains could be chance. Held-out images are a sample, too: what is best on them is "
    "partly best by chance, and only images that had no part in the choice tell how much. The "
    "final recipe does without upright digits all the same: it is the simpler one. Five-looks "
    "is the final recipe, seed by seed the same weights, but in the test the net sees a digit "
    "as it is and moved by one pixel up, down, left and right, and the scores are averaged: no "
    "parameter and no training, five times the arithmetic in the test. That gains more than "
    "seeds would explain. The others use looks, too, and nets like late7500 without padding, in"
    " a frame that repeats the border of the image; fewest-parameters and two-epochs also have "
    "upright digits, as the held-out images advised. So the accuracy that was asked of 8,000 "
    "parameters is reached, in the mean, by 2,791, though not held by every seed; and by 7,500 "
    "it is reached within three epochs. Two epochs end below that. How much of this is due to "
    "looks, frame or upright digits was not measured on the test images."
)
