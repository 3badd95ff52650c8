"""The table of a net: layers, output shapes, parameters and multiplications."""

import math

from tinytrain.nn.activations import LogSoftmax
from tinytrain.nn.inspect import Row, Shape, layer_rows, parameter_count
from tinytrain.nn.layers import Conv2d, Flatten, Linear
from tinytrain.nn.module import Module


def multiply_adds(row: Row) -> int:
    """Multiplications by a weight of a convolution or linear layer, for one input."""
    if not isinstance(row.layer, Conv2d | Linear):
        return 0
    return math.prod(row.output_shape) * row.layer.weight[0].numel()


def own_parameters(module: Module) -> int:
    """The number of parameters that the module holds directly, without the modules below it."""
    return sum(own.numel() for name, own in module.named_parameters() if "." not in name)


def summary(net: Module, input_shape: Shape = (1, 28, 28)) -> str:
    """The table of layers, output shapes and parameters, and the totals.

    Megabytes are 2²⁰ bytes of float32; the pass size is twice (forward and backward) the outputs
    of the layers with parameters. Flattening and log-softmax have no row; a layer that is called
    again counts once. ≥ stands where layers of one's own may multiply, too.
    """
    rows = layer_rows(net, input_shape)
    table = [row for row in rows if not isinstance(row.layer, (Flatten, LogSoftmax))]
    rule = "=" * 90
    lines = [rule, f"{'Layer (type:depth-idx)':<41}{'Output Shape':<26}Param #", rule]
    indices: dict[int, int] = {}
    seen: set[int] = set()
    for row in table:
        index = indices[row.depth] = indices.get(row.depth, 0) + 1
        branch = "├─" if row.depth == 1 else "|    " * (row.depth - 1) + "└─"
        label = f"{branch}{type(row.layer).__name__}: {row.depth}-{index}"
        shape = str([-1, *row.output_shape])
        own = own_parameters(row.layer)
        count = "(again)" if id(row.layer) in seen else f"{own:,}" if own else "--"
        seen.add(id(row.layer))
        lines.append(f"{label:<41}{shape:<26}{count}")
    total = parameter_count(net)
    learned = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    weighted = [row for row in table if own_parameters(row.layer)]
    known = all(type(row.layer).__module__.startswith("tinytrain.nn.") for row in weighted)
    outputs = sum(math.prod(row.output_shape) for row in weighted)
    numbers = math.prod(input_shape), 2 * outputs, total
    input_size, pass_size, parameter_size = (number * 4 / 2**20 for number in numbers)
    lines += [
        rule,
        f"Total params: {total:,}",
        f"Trainable params: {learned:,}",
        f"Non-trainable params: {total - learned:,}",
        f"Total mult-adds (M): {'' if known else '≥ '}{sum(map(multiply_adds, table)) / 1e6:.2f}",
        rule,
        f"Input size (MB): {input_size:.2f}",
        f"Forward/backward pass size (MB): {pass_size:.2f}",
        f"Params size (MB): {parameter_size:.2f}",
        f"Estimated Total Size (MB): {input_size + pass_size + parameter_size:.2f}",
        rule,
    ]
    return "\n".join(lines)
