"""SGD with momentum, and Nesterov's.

The gradient of a batch points roughly downhill, but across the valley as much as along it. A
velocity that remembers earlier gradients cancels the directions that change sign and adds up
those that stay.

1. Go through self.params and self.velocity together, and leave out the parameters whose .grad is
   None. Without momentum the step is −lr · gradient, where weight decay adds
   weight_decay · parameter to the gradient first. Change the parameter in place (add_), and its
   gradient not at all.
2. With momentum: velocity ← momentum · velocity + (1 − dampening) · gradient, in place. The first
   velocity of a parameter is the gradient itself, without dampening: self.steps counts, for each
   parameter, the steps with momentum that it took.
3. The step is then −lr · velocity, or with Nesterov −lr · (gradient + momentum · velocity), with
   the new velocity: that is the slope at the place where the momentum leads.
"""

from tinytrain import optim
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned

shipped = optim.SGD
method = "step"
changes = dict(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True)
rungs = ("net1",)

STEPS = 3
LATE = "a second parameter, without a gradient (None) in step 1"
LATE_GRADIENTS = "its gradients from step 2 on"
STILL = "a third parameter, which never has a gradient"


def draw_steps(draw: Draw) -> Arguments:
    """Three parameters, and the gradients that they have in each of three steps."""
    count = draw.integer(1, 3)
    return {
        "weights": draw.normal(count),
        "gradients": draw.normal(STEPS, count),
        LATE: draw.normal(1),
        LATE_GRADIENTS: draw.normal(STEPS - 1, 1),
        STILL: draw.normal(1),
    }


def draw_arguments(draw: Draw) -> Arguments:
    """Settings that SGD accepts: Nesterov needs a momentum and no dampening."""
    nesterov, momentum = draw.one_of(True, False), draw.one_of(0.0, draw.number(0.1, 0.9))
    return {
        **draw_steps(draw),
        "lr": draw.number(0.01, 1),
        "momentum": momentum,
        "dampening": 0.0 if nesterov else draw.one_of(0.0, 0.4),
        "weight_decay": draw.one_of(0.0, 0.0, 0.3),
        "nesterov": nesterov and momentum > 0,
    }


def observe(optimizer_class: Learned, arguments: Arguments) -> Facts:
    """The parameters after each step, and whether they were changed in place."""
    options = dict(arguments)
    weights, late, still = params = [options.pop(name) for name in ("weights", LATE, STILL)]
    gradients, late_gradients = options.pop("gradients"), options.pop(LATE_GRADIENTS)
    addresses = [param.data_ptr() for param in params]
    optimizer = optimizer_class(params, **options)
    facts: Facts = {}
    for step, gradient in enumerate(gradients, 1):
        weights.grad = gradient.clone()
        late.grad = late_gradients[step - 2].clone() if step > 1 else None
        optimizer.step()
        facts[f"weights after step {step}"] = weights.clone()
        facts[f"gradient after step {step}"] = weights.grad.clone()
        facts[f"second parameter after step {step}"] = late.clone()
    facts["third parameter, which has no gradient"] = still
    facts["parameters changed in place"] = addresses == [param.data_ptr() for param in params]
    return facts


mistakes = """
the first step is dampened: 1 if self.steps[index] == 0 else →
Nesterov is forgotten: if self.nesterov → if False
uphill: alpha=-self.lr → alpha=self.lr
the gradient itself is changed: grad.add(param → grad.add_(param
no memory: velocity.mul_(self.momentum) → velocity.mul_(0)
the learning rate is 1 % too high: alpha=-self.lr → alpha=-1.01 * self.lr
one step count for all: self.steps[index] == 0 → max(self.steps) == 0
not in place: param.add_( → param.data = param.add(
"""
