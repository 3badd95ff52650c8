"""The output size of a convolution, and of a net.

Kernel, stride, padding and dilation decide how large a map is, and so what can follow it. The
formula is short, but running a net is the surest way to see what its layers do; it must leave the
net as it was.

1. A side becomes (side + 2 padding − dilation · (kernel − 1) − 1) // stride + 1. Work it out
   layer by layer, or send a blank image, torch.zeros(1, *input_shape), through the net.
2. Running a net in training mode changes it: batch norm counts batches. So run a copy
   (copy.deepcopy), in the mode that you are asked for: .train(training).
3. with torch.no_grad(): return twin(blank). The check looks at the shape of what you return.
"""

from tinytrain import nets, nn
from tinytrain.course.exercises.checking.exercise import Arguments, Draw, Facts, Learned, Rows
from tinytrain.nn import inspect
from tinytrain.recipes import RECIPES

shipped = inspect.output_of
body = """\
twin = copy.deepcopy(net).train(training)
with torch.no_grad():
    return twin(torch.zeros(1, *input_shape))
"""
rungs = ("net6",)


def draw_arguments(draw: Draw) -> Arguments:
    """A net with batch norm, and the shape of an image."""
    layers: list[nn.Module] = []
    for _ in range(draw.integer(1, 3)):
        kernel, stride, padding, dilation = (
            (draw.integer(low, high), draw.integer(low, high))
            for low, high in ((1, 3), (1, 2), (0, 1), (1, 2))
        )
        conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation, generator=draw.generator)
        layers.append(draw.one_of(conv, conv, nn.MaxPool2d(2), nn.ReLU()))
    net = nn.Sequential(*layers, nn.BatchNorm2d(1))
    return {"net": net, "input_shape": (1, draw.integer(40, 50), draw.integer(51, 60))}


def observe(function: Learned, arguments: Arguments) -> Facts:
    """The shape, and whether the net has changed."""
    net = arguments["net"]
    output = function(**arguments)
    return {
        "shape": tuple(output.shape),
        "batches that the net's batch norm has counted": int(net[-1].num_batches_tracked),
        "modules of the net in training mode": sum(module.training for module in net.modules()),
    }


def demonstrate() -> Rows:
    """The maps of the final net after each of its stages."""
    net = nets.build(RECIPES["final"].net)
    assert isinstance(net, nn.Sequential)
    shapes = [inspect.output_of(net[:end]).shape[1:] for end in range(1, 6)]
    return dict(zip(("channels", "height", "width"), zip(*shapes, strict=True), strict=True))


mistakes = """
the net itself runs: copy.deepcopy(net).train(training) → net
the net's mode changes: copy.deepcopy(net).train(training) → net.eval()
without the batch axis: torch.zeros(1, *input_shape) → torch.zeros(*input_shape)
height and width exchanged: zeros(1, *input_shape) → zeros(1, *input_shape).mT
the input's shape: twin(torch.zeros(1, *input_shape)) → torch.zeros(1, *input_shape)
"""
