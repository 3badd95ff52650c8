"""What nets are made of: the concepts of the rungs that change the net."""

from __future__ import annotations

from tinytrain.course.concepts import sketches
from tinytrain.course.concepts.concept import Concept
from tinytrain.course.concepts.mathml import formula, fraction, low, total
from tinytrain.nets import beyond, bricks, curriculum
from tinytrain.nn import fast, functional, inspect
from tinytrain.nn.receptive_field import window_by_rule

OF_NETS = {
    "net1": Concept(
        title="A linear layer",
        explanation="A linear layer gives weighted sums: each of its outputs has a weight for "
        "every input, multiplies the two, and adds everything up. Several of them in a row would "
        "be no more than one, so between two stands ReLU, which sets what is negative to zero. "
        "Training finds the weights.",
        formula=formula(
            *(low("y", "i"), "=", total("j"), low("w", "i j"), low("x", "j"), "+", low("b", "i")),
        )
        + formula("ReLU ( y ) = max ( 0 , y )"),
        drawing=sketches.linear,
        caption="One output: an image, pixels from 0 to 1, times 784 weights (here drawn at "
        "random) is a picture of products; their sum and a bias are one number. Red is "
        "positive, blue negative.",
        code=functional.linear,
        attempt="Train Net1 for one epoch, and find its parameters in the table that is printed.",
        command="train --recipe net1 --epochs 1",
        question="All test digits are moved by three pixels. What becomes of Net1's accuracy?",
        answer="It falls far: each weight belongs to one pixel, and now meets another part of the "
        "digit. Nothing in the net says that a digit may stand somewhere else.",
    ),
    "net2": Concept(
        title="Convolution",
        explanation="A convolution has a small kernel, such as 3 × 3 weights, and slides it over "
        "the image: at each place it multiplies the pixels below by the weights, and adds up. So "
        "the same nine weights look for the same pattern everywhere. Each output channel has a "
        "kernel of its own, and what it finds, place by place, is its map.",
        formula=formula(
            *(low("y", "k u v"), "=", total("c"), total("i , j"), low("w", "k c i j")),
            low("x", "c , u + i , v + j"),
        ),
        drawing=sketches.convolution,
        symbols="k: the output channel, c: an input channel, u and v: the place. The "
        "convolutions of this course have no bias.",
        caption="A digit, a kernel that answers to edges, and its map: red where light lies above "
        "dark, blue where below.",
        code=fast.conv2d,
        excerpt=("patches = ", "output = patches"),
        attempt="See what the eight kernels of the final net have come to look for.",
        command="gallery filters",
        question="How many weights does a 3 × 3 convolution from 32 to 64 channels have?",
        answer="3 · 3 · 32 · 64 = 18,432: each of the 64 kernels looks at all 32 channels. A "
        "linear layer between the same maps of Net2, 32 of 13 × 13 and 64 of 11 × 11, would have "
        "5,408 · 7,744, nearly 42 million.",
    ),
    "net3": Concept(
        title="1×1 convolution",
        explanation="A kernel of a single place takes no neighbours into account: it adds up "
        "the channels of that place, each times a weight. So it makes other channels from the "
        "ones that are there, fewer most of the time, and leaves height and width alone. It is "
        "a linear layer that is applied at every place.",
        formula=formula(low("y", "k u v"), "=", total("c"), low("w", "k c"), low("x", "c u v")),
        drawing=sketches.one_by_one,
        caption="Two maps, each times a weight, added up: a third map.",
        code=bricks.conv1x1,
        attempt="Compare Net2's and Net3's layers side by side.",
        command="ladder diff net2 net3",
        question="What does a 1 × 1 convolution from 128 to 10 channels cost, in weights?",
        answer="1,280, whatever the size of the map. The three linear layers that it replaces in "
        "Net3 have 10,666.",
    ),
    "net4": Concept(
        title="Pooling, and the average over all places",
        explanation="Max-pooling keeps the largest of every 2 × 2 values: what was found "
        "somewhere near is still known, where exactly is not, and a quarter of the values is "
        "left. At the end, the average over all places makes one number of each map. With one map "
        "a class, these are the scores, and no weight is tied to a place.",
        formula=formula(
            *(low("s", "k"), "=", fraction("1", "H W"), total("u , v"), low("x", "k u v")),
        ),
        drawing=sketches.pooling,
        caption="A map, its maxima of 2 × 2, and those of these; then the mean of what is left.",
        code=functional.adaptive_avg_pool2d,
        attempt="Follow a digit through the final net, layer by layer.",
        command="gallery maps",
        question="Why can a net that ends in an average take images of another size?",
        answer="Its convolutions have no weight for a place, and the average is over as many "
        "places as there are. A linear layer after flattening has a weight a place.",
    ),
    "net5": Concept(
        title="Width, and what it costs",
        explanation="The channels of a layer are its width: the number of patterns that it can "
        "look for. A convolution's weights grow with its width times that of the layer before. So "
        "twice the width of two layers is four times the weights between them.",
        formula=formula("weights = k · k ·", low("C", "in"), "·", low("C", "out")),
        drawing=sketches.width,
        caption="The weights of Net4 and Net5, convolution by convolution: channels in → out.",
        code=inspect.parameter_count,
        attempt="Print the net's table of layers; then the same with --net net4.",
        command="summary --net net5",
        question="Net5 has twice Net4's parameters. Where are they?",
        answer="More than half are in one layer: the 3 × 3 convolution from 32 to 128 channels "
        "has 36,864 of 62,224. Every layer but the first has more than Net4's.",
    ),
    "net6": Concept(
        title="Padding, and the size of a map",
        explanation="A kernel of 3 × 3 does not fit where it would stick out, so a map loses a "
        "pixel on each side. Padding surrounds the map with zeros first, and keeps its size. "
        "Without padding, the maps of Net6 have 26 and 24 pixels a side, after its pooling 12, "
        "then 10, 8, 6 and 4.",
        formula=formula(
            *("n′ = ⌊", fraction("n + 2 · padding − k", "stride"), "⌋ + 1"),
        ),
        symbols="n and n′: pixels a side before and after, k: the kernel's; ⌊ ⌋ rounds down.",
        drawing=sketches.padding,
        caption="Where the middle of a 3 × 3 kernel can stand in 8 × 8 pixels: without padding, "
        "and with padding 1.",
        code=curriculum.lean,
        attempt="See the sizes of all maps of Net6 in its table.",
        command="summary --net net6",
        question="A 5 × 5 kernel, stride 2, padding 2, over 28 pixels: how large is the map?",
        answer="⌊(28 + 4 − 5) / 2⌋ + 1 = 14.",
    ),
    "net9": Concept(
        title="Receptive field",
        explanation="One place of a map depends on the pixels below its kernel; through several "
        "layers, on the pixels below all the kernels before. That square of the image is its "
        "receptive field: what lies outside of it, the place cannot know. Each layer widens it by "
        "its kernel less one, times how far apart two neighbours of the map before look.",
        formula=formula("field ← field + ( k − 1 ) · jump") + formula("jump ← jump · stride"),
        drawing=sketches.receptive_fields,
        caption="What one place of the last map sees, in Net8_1 (22 pixels) and in Net9 (18), on "
        "a digit of 20.",
        code=window_by_rule,
        attempt="Print what each layer of Net9 sees of the image.",
        command="summary --net net9",
        question="Two 3 × 3 convolutions see 5 pixels. What if a pooling of 2 lies between them?",
        answer="3, then with the pooling 4 at a jump of 2, then 4 + 2 · 2 = 8.",
    ),
    "wide": Concept(
        title="Dilation",
        explanation="A dilated kernel looks at every second place, or every third, instead of at "
        "neighbours. It sees further with the same nine weights and as many multiplications. "
        "What it skips is not lost: the kernel's neighbours look at it.",
        formula=formula(low("y", "u"), "=", total("i"), low("w", "i"), low("x", "u + d · i")),
        drawing=sketches.dilation,
        caption="The nine pixels that a 3 × 3 kernel looks at, with dilation 1, 2 and 3.",
        code=curriculum.nine,
        attempt="Compare the layers, and what they see.",
        command="ladder diff averaged wide",
        question="How much padding keeps the size of a map under a 3 × 3 kernel of dilation 2?",
        answer="2: the kernel reaches over 2 · (3 − 1) + 1 = 5 pixels, two on each side.",
    ),
    "late7500": Concept(
        title="A weight is used at every place",
        explanation="A weight of a convolution is used as often as its map has places. So two "
        "nets with equally many weights can do very different amounts of work. Where weights are "
        "limited and arithmetic is not, pooling later and padding get more work out of each.",
        formula=formula("multiplications = weights · H · W"),
        drawing=sketches.uses,
        caption="How often each weight of a convolution is used for one image, layer by layer.",
        code=beyond.late7500,
        attempt="Compare the multiplications that the two tables end with.",
        command="summary --net late7500",
        question="Which layer of the final net takes the most multiplications?",
        answer="The second: its 792 weights are used at 24 · 24 places, 456,192 multiplications "
        "of 1,042,816. The last 3 × 3 convolution has five times its weights and takes 249,984.",
    ),
}
