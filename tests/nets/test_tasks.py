"""Nets for other classes and images than MNIST's."""

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytrain import nets, streams
from tinytrain.nn.inspect import output_of

# The smallest height and width that a net takes; there is a largest for net3, which has no mean.
SMALLEST = dict.fromkeys(nets.NETS, 14) | {"net1": 1, "net2": 26, "net3": 26}
SMALLEST |= dict.fromkeys(["net4", "net5", "late7500"], 4)
SMALLEST |= dict.fromkeys(["net6", "net7", "net8"], 22)
SMALLEST |= dict.fromkeys(["framed7500", "framed2791"], 20)
SMALLEST |= dict.fromkeys((name for name in nets.NETS if name.startswith("separable")), 20)
LARGEST = {"net3": 37}
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))


@pytest.mark.parametrize("name", nets.NETS)
@settings(max_examples=30)
@example(classes=3, shape=(1, 26, 38))  # too large for net3 only
@given(classes=st.integers(1, 30), shape=SHAPES)
def test_a_net_suits_the_tasks_of_its_sizes_and_no_other(name, classes, shape):
    suits = SMALLEST[name] <= min(shape[1:]) and max(shape[1:]) <= LARGEST.get(name, 40)
    with contextlib.nullcontext() if suits else contextlib.suppress(ValueError):
        weights = streams.generator(1, "weights")
        net = nets.build(name, generator=weights, task=nets.Task(classes, shape))
        assert (output_of(net, shape).shape == (1, classes)) == suits


@pytest.mark.parametrize("name", nets.NETS)
def test_only_the_first_and_the_last_weights_follow_the_task(name):
    mnist, other = (
        [(key, tensor.shape) for key, tensor in net.state_dict().items() if "weight" in key]
        for net in (nets.NETS[name](), nets.build(name, task=nets.Task(26, (3, 28, 28))))
    )
    assert [key for key, _ in mnist] == [key for key, _ in other]
    differing = [key for (key, one), (_, two) in zip(mnist, other, strict=True) if one != two]
    assert differing == [mnist[0][0], mnist[-1][0]]
