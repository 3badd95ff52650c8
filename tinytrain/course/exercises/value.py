"""A number that knows its gradient.

A net is a long row of sums and products, with one number, the loss, at its end. How much does the
loss change with each number that went in? The chain rule says it for one operation; going back
through all of them in the right order says it for a net of any shape. Autograd is no more.

1. Three steps: list the values, set every grad to 0 and that of this value to 1, then go through
   the list from this value back. There each value does parent.grad += slope * value.grad for each
   (parent, slope) in zip(value.parents, value.slopes).
2. The list: a function visit(value) that calls itself for each parent and then appends the value.
   So every parent stands before all that was made of it. Keep a set of the values that were
   visited, and do nothing for one that is in it.
3. Setting a grad instead of adding to it loses a way: in y = x · x, x has two. And a value that
   passes its grad on before it is complete passes on too little: that is why the order counts.
"""

from tinytrain.course import by_hand
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned, Rows

shipped = by_hand.Value
method = "backward"
rungs = ("net1",)


def draw_arguments(draw: Draw) -> Arguments:
    """Two numbers, and operations that make others of them: "c = a * b; d = c + a"."""
    operations = draw.integer(1, 6)
    lines = []
    for made in range(2, 2 + operations):
        one, other = ("abcdefgh"[draw.integer(0, made - 1)] for _ in range(2))
        made_by = draw.one_of(f"{one} * {other}", f"{one} + {other}", f"{one}.tanh()")
        lines.append(f"{'abcdefgh'[made]} = {made_by}")
    numbers = {name: draw.number(-2, 2) for name in "ab"}
    return {"operations": operations, "program": "; ".join(lines), **numbers}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The gradients of the program's last number, the second time that they are asked for."""
    values = {name: function(arguments[name]) for name in "ab"}
    exec(arguments["program"], {}, values)
    last = list(values)[-1]
    for _ in range(2):
        function.backward(values[last])  # its own, whatever class the operations gave
    return {f"grad of {name}, from {last}": value.grad for name, value in values.items()}


def demonstrate() -> Rows:
    """The loss in 40 steps of a net of values, 2-4-1, that learns −a · b: exclusive or."""
    Value = by_hand.Value  # the learner's, in a check
    weights = [Value(float(number)) for number in Draw(3).normal(16)]
    losses = []
    for _ in range(41):
        loss = Value(0.0)
        for a, b in ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)):
            error = Value(a * b)
            for w, v, bias, out in zip(*[iter(weights)] * 4, strict=True):
                error += (w * Value(a) + v * Value(b) + bias).tanh() * out
            loss += error * error
        losses.append(loss.data)
        loss.backward()
        for weight in weights:
            weight.data -= 0.05 * weight.grad
    return {"loss": losses[::10]}


mistakes = """
overwritten where a value is used twice: parent.grad += → parent.grad =
a parent that is there twice counts once: zip(value.parents, value.slopes, strict=True)
    → dict(zip(value.parents, value.slopes, strict=True)).items()
from the parents to the root: reversed(order) → order
nearest to the root first, complete or not: visit(self)
    → order += [self]; order += [parent for value in order for parent in value.parents
      if parent not in order and not order.append(parent)]; order.reverse()
each way is a visit: if value not in seen: → if True:
the slope is forgotten: slope * value.grad → value.grad
the chain is forgotten: slope * value.grad → slope
grads of an earlier call stay: value.grad = 0.0 → pass
the root has no grad: self.grad = 1.0 → pass
"""
