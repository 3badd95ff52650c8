"""Nets for other classes and images than MNIST's."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytrain import nets, streams
from tinytrain.errors import UsageError

# The smallest height and width that a net takes; there is a largest for net3, which has no mean.
SMALLEST = dict.fromkeys(nets.NETS, 14) | {"net1": 1, "net2": 26, "net3": 26}
SMALLEST |= dict.fromkeys(["net4", "net5", "late7500"], 4)
SMALLEST |= dict.fromkeys(["net6", "net7", "net8"], 22)
SMALLEST |= dict.fromkeys(["framed7500", "framed2791", "separable1908", "separable942"], 20)
LARGEST = {"net3": 37}
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))


@pytest.mark.parametrize("name", nets.NETS)
@settings(max_examples=30)
@example(classes=3, shape=(1, 26, 38))  # too large for net3 only
@given(classes=st.integers(1, 30), shape=SHAPES)
def test_a_net_suits_its_task_or_names_one_that_does(name, classes, shape):
    task, size = nets.Task(classes, shape), shape[1:]
    if SMALLEST[name] <= min(size) and max(size) <= LARGEST.get(name, 40):
        net = nets.build(name, generator=streams.generator(1, "weights"), task=task)
        assert net.eval()(torch.zeros(2, *shape)).shape == (2, classes)
        return
    with pytest.raises(UsageError) as error:
        nets.build(name, task=task)
    line = str(error.value)
    assert f"--net {name}" in line and "×".join(map(str, size)) in line and "late7500" in line


@pytest.mark.parametrize("name", nets.NETS)
def test_only_the_first_and_the_last_weights_follow_the_task(name):
    mnist, other = (
        [(key, tensor.shape) for key, tensor in net.state_dict().items() if "weight" in key]
        for net in (nets.NETS[name](), nets.build(name, task=nets.Task(26, (3, 28, 28))))
    )
    assert [key for key, _ in mnist] == [key for key, _ in other]
    differing = [key for (key, one), (_, two) in zip(mnist, other, strict=True) if one != two]
    assert differing == [mnist[0][0], mnist[-1][0]]
