"""The receptive field of a layer.

A digit is 20 pixels long. A net whose last map sees 18 of them has to guess the rest, however
many weights it has. What each place of a map sees is known before anything is trained.

1. `before` describes the map that the layer looks at: a place sees before.field pixels, the next
   place sees as many, before.jump pixels further on; before.start is the centre of the first's.
   A window of `kernel` places of it sees before.field pixels and (kernel − 1) · before.jump more.
2. Without padding the window's centre is (kernel − 1) / 2 places further on than its first place;
   with padding it begins so many places earlier. A place of `before` is before.jump pixels.
3. The window moves by `stride` places of `before` at a time: that is the new jump, in pixels.
"""

from tinytrain import nets
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Rows
from tinytrain.recipes import RECIPES
from tinytrain.report import receptive_field as fields

shipped = fields.next_field
rungs = ("net9_3", "wide")


def draw_arguments(draw: Draw) -> Arguments:
    """A map that was made by layers with strides, and a window."""
    before = fields.Field("before", 28, draw.integer(1, 4), draw.integer(-2, 9) / 2, 7)
    kernel, stride, padding = draw.integer(1, 5), draw.integer(1, 3), draw.integer(0, 3)
    window = {"kernel": kernel, "stride": stride, "padding": padding}
    return {"before": before, "name": "conv", "size": draw.integer(1, 20), **window}


def demonstrate() -> Rows:
    """Fields, jumps, starts and sizes of the final net's layers."""
    found = fields.receptive_field(nets.build(RECIPES["final"].net))
    names = "field", "jump", "start", "size"
    return {name: [getattr(field, name) for field in found] for name in names}


mistakes = """
the jump of the layer itself: (kernel - 1) * before → (kernel - 1) * stride * before
the padding is forgotten: ((kernel - 1) / 2 - padding) → ((kernel - 1) / 2)
strides are added: before.jump * stride, start → before.jump + stride - 1, start
kernels are added: (kernel - 1) * before → kernel * before
"""
