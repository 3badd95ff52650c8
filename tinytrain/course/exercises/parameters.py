"""The parameters of Net9_3.

Fewer than 8,000 parameters is one of the target's three conditions, so they have to be counted
right: numbers, not tensors; what is learned, without buffers; and what is used twice only once.

1. module.parameters() gives every parameter of the module and of all modules in it, each once.
2. tensor.numel() is the number of numbers in a tensor.
3. Buffers, such as batch norm's running mean, are in state_dict() but are not learned:
   parameters() leaves them out.
"""

from tinytrain import nets, nn
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Rows
from tinytrain.nn import inspect

shipped = inspect.parameter_count
rungs = ("net6", "net9_3")


def draw_arguments(draw: Draw) -> Arguments:
    """A net, sometimes with a layer that it uses twice."""
    width = draw.integer(1, 3)
    options = {"bias": draw.one_of(True, False), "generator": draw.generator}
    conv = nn.Conv2d(width, width, draw.integer(1, 3), **options)
    more = draw.one_of([], [conv], [nn.Linear(draw.integer(1, 3), 2, generator=draw.generator)])
    return {"module": nn.Sequential(conv, nn.BatchNorm2d(width), *more)}


def demonstrate() -> Rows:
    """The parameters of some of the curriculum's nets."""
    names = ("net6", "net7", "net9", "net9_3")
    return {name: [inspect.parameter_count(nets.build(name))] for name in names}


mistakes = """
buffers are counted: module.parameters() → module.state_dict().values()
tensors are counted, not numbers: parameter.numel() → 1
the first axis only: parameter.numel() → len(parameter)
without biases: in module.parameters() → in module.parameters() if parameter.dim() > 1
"""
