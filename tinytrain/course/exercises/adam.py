"""Adam, and the bias of its means.

Both means of Adam start at zero. So they are too small at first: the mean for a few steps, the
mean square for about a thousand. Dividing each by the share of the past that it holds makes the
first step as long as the learning rate says, instead of three times as long.

1. Go through self.params, self.mean and self.square together, and leave out the parameters whose
   .grad is None. Move the mean towards the gradient by 1 − β₁, and the square towards the
   gradient's square by 1 − β₂, both in place (lerp_, or mul_ and add_).
2. After t steps the mean holds only 1 − β₁ᵗ of what it should, the square 1 − β₂ᵗ. Divide by that
   when you use them, not where they are kept. self.steps counts t for each parameter, from 0: add
   1 before you use it.
3. The new parameter, written in place, is param − lr · m̂ / (ŝ.sqrt() + eps). Weight decay: if
   decoupled, first multiply the parameter by 1 − lr · weight_decay; otherwise add weight_decay ·
   param to the gradient, which itself stays as it is.
"""

from tinytrain import optim
from tinytrain.course.exercises import sgd
from tinytrain.course.exercises.checking.exercise import Arguments, Draw

shipped = optim.Adam
method = "step"
observe = sgd.observe
rungs = ("reference",)


def draw_arguments(draw: Draw) -> Arguments:
    """Parameters, their gradients, and the settings of Adam."""
    return {
        **sgd.draw_steps(draw),
        "lr": draw.number(0.01, 1),
        "betas": (draw.number(0, 0.95), draw.number(0.5, 0.999)),
        "eps": draw.one_of(1e-8, 0.1),
        "weight_decay": draw.one_of(0.0, 0.3),
        "decoupled_weight_decay": draw.one_of(True, False),
    }


mistakes = """
the mean's bias stays: correction1 = 1 - beta1 ** self.steps[index] → correction1 = 1
the square's bias stays: correction2 = 1 - beta2 ** self.steps[index] → correction2 = 1
steps count from 2: beta1 ** self.steps[index] → beta1 ** (self.steps[index] + 1)
eps under the root: square.sqrt().div_(correction2**0.5).add_(self.eps)
    → square.add(self.eps).sqrt().div_(correction2**0.5)
the learning rate is 1 % too high: value=-self.lr → value=-1.01 * self.lr
one step count for all: beta1 ** self.steps[index] → beta1 ** max(self.steps)
steps are not counted: self.steps[index] += 1 → self.steps[index] = 1
the parameters are not written: param.addcdiv_( → param.addcdiv(
not in place: param.addcdiv_( → param.data = param.addcdiv(
the gradient itself is changed: grad.add( → grad.add_(
weight decay always through the gradient: and self.decoupled_weight_decay → and False
"""
