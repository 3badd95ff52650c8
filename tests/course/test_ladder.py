"""The curriculum's facts: parameters, shapes and receptive fields, worked out by hand."""

from dataclasses import replace

import pytest
import torch

from tinytrain import nets, streams
from tinytrain.course import ladder
from tinytrain.nn.inspect import layer_rows, parameter_count
from tinytrain.recipes import LADDER, RECIPES
from tinytrain.report.receptive_field import receptive_field

PARAMETERS = dict(net1=109946, net2=103114, net3=93728, net4=30768, net5=62224, net6=7964)
PARAMETERS |= dict.fromkeys(("net7", "net8"), 8116)
PARAMETERS |= dict.fromkeys(("net9", "net9_wide2", "net9_wide3"), 7850)
PARAMETERS |= dict.fromkeys((name for name in nets.NETS if name.startswith("net9_3")), 7934)
PARAMETERS |= dict(late7500=7500, framed7500=7500, framed2791=2791)
PARAMETERS |= dict(separable1908=1908, separable1494=1494, separable942=942, separable695=695)

# Channels × side : receptive field, after every convolution, pooling and padding.
WIDE = "32×26:3 32×13:4 64×11:8 64×5:10 128×3:18 128×1:26"
NET9 = "8×26:3 {0}×24:5 10×24:5 10×12:6 12×10:10 14×8:14 31×8:{1} 10×8:{1} 10×1:{2}"
LEAN = "8×26:3 10×24:5 10×24:5 10×12:6 12×10:10 14×8:14 16×6:18 16×4:22 10×4:22 10×1:28"
GEOMETRY = {
    "net1": "",
    "net2": WIDE,
    "net3": f"{WIDE} 10×1:26",
    "net4": "16×28:3 32×28:5 16×28:5 16×14:6 32×14:10 64×14:14 16×14:14 16×7:16 10×7:24 10×1:48",
    "net5": "16×28:3 64×28:5 32×28:5 32×14:6 128×14:10 64×14:10 64×7:12 10×7:20 10×1:44",
    "net6": LEAN,
    "net7": LEAN,
    "net8": LEAN,
    "net9": NET9.format(10, 18, 32),
    "net9_wide2": NET9.format(10, 22, 36),
    "net9_wide3": NET9.format(10, 26, 40),
    "net9_3": NET9.format(11, 18, 32),
    "net9_3_wide2": NET9.format(11, 22, 36),
    "net9_3_wide3": NET9.format(11, 26, 40),
    "net9_3_wide4": NET9.format(11, 30, 44),
    "net9_3_dense": "8×26:3 11×24:5 10×24:5 10×23:6 12×19:10 14×15:14 31×15:22 10×15:22 10×1:36",
    "late7500": "10×28:3 11×28:5 11×14:6 12×14:10 13×14:14 13×7:16 14×7:24 15×7:32"
    " 10×7:32 10×1:56",
    "framed7500": "1×40:1 10×38:3 11×36:5 11×18:6 12×16:10 13×14:14 13×7:16 14×5:24 15×3:32"
    " 10×3:32 10×1:40",
    "separable1908": "1×40:1 8×38:3 8×36:5 12×36:5 12×18:6 12×16:10 14×16:10 14×14:14 14×14:14"
    " 14×7:16 14×5:24 16×5:24 16×3:32 16×3:32 10×3:32 10×1:40",
    "separable1494": "1×40:1 8×38:3 8×36:5 10×36:5 10×18:6 10×16:10 11×16:10 11×14:14 12×14:14"
    " 12×7:16 12×5:24 13×5:24 13×3:32 14×3:32 10×3:32 10×1:40",
    "separable942": "1×40:1 5×38:3 5×36:5 8×36:5 8×18:6 8×16:10 8×16:10 8×14:14 8×14:14 8×7:16"
    " 8×5:24 10×5:24 10×3:32 10×3:32 10×3:32 10×1:40",
    "separable695": "1×40:1 4×38:3 4×36:5 6×36:5 6×18:6 6×16:10 6×16:10 6×14:14 7×14:14 7×7:16"
    " 7×5:24 8×5:24 8×3:32 8×3:32 10×3:32 10×1:40",
    "framed2791": "1×40:1 5×38:3 7×36:5 7×18:6 7×16:10 8×14:14 8×7:16 8×5:24 10×3:32 10×3:32"
    " 10×1:40",
}


@pytest.mark.parametrize("name", nets.NETS)
def test_parameters_shapes_and_receptive_fields(name):
    net = nets.build(name)
    channels = {row.name: row.output_shape[0] for row in layer_rows(net)}
    fields = receptive_field(net)[1:]
    found = [f"{channels[field.name]}×{field.size}:{field.field}" for field in fields]
    assert (parameter_count(net), " ".join(found)) == (PARAMETERS[name], GEOMETRY[name])


def test_what_a_place_sees():
    sees = [28, 18, 18, 24, 20, 22, 22, 22, 22, 18, 18, 18, 18, 18, 18, 22, 22, 22, 22, 32]
    assert [rung.field for rung in ladder.rungs()] == sees
    assert [rung.field for rung in ladder.rungs(ladder.VIEWS)] == [22, 18, 22, 26, 18, 22, 26, 30]


def test_the_dense_net_is_the_final_net_at_every_phase_of_the_pooling():
    """With its weights, every second place of the dense map is that of the image moved by one."""
    sparse = nets.net9_3_wide2(generator=streams.generator(1, "weights")).eval()
    dense = nets.net9_3_dense().eval()
    dense.load_state_dict(sparse.state_dict())
    images = torch.randn(3, 1, 29, 29, generator=streams.generator(1, "test"))

    def last_map(net, images):
        stages = dict(net.named_modules())
        for name in "conv1", "trans1", "conv2", "trans2":
            images = stages[name](images)
        return images

    whole = last_map(dense, images[:, :, :28, :28])
    torch.testing.assert_close(whole[:, :, ::2, ::2], last_map(sparse, images[:, :, :28, :28]))
    # The padding of the last convolution has another phase: compare what it does not reach.
    moved = last_map(sparse, images[:, :, 1:, 1:])
    torch.testing.assert_close(whole[:, :, 5:-4:2, 5:-4:2], moved[:, :, 2:-3, 2:-3])


def test_a_digit_is_twenty_pixels_long(mnist):
    ink, places = mnist.train.images[:, 0] > 0, torch.arange(28)
    sides = []
    for axis in 2, 1:
        inked = ink.any(axis)
        last, first = (torch.where(inked, places, none) for none in (-1, 28))
        sides.append(last.amax(1) - first.amin(1) + 1)
    longest = torch.maximum(*sides)
    assert longest.max() == 20 and (longest == 20).double().mean() > 0.999
    assert [side.median() for side in sides] == [20, 16]


def test_every_rung_changes_something():
    first, *others = ladder.rungs(ladder.CHANGES)
    assert first.base is None and {rung.base for rung in others[len(LADDER) - 1 :]} <= {*LADDER}
    for rung in others:
        before = RECIPES[rung.base]
        assert before != rung.recipe == replace(before, **rung.changes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nothing", "recipe list"),
        ("net_7", "close to it: net7"),
        ("net6 finall", "close to it: final"),
        ("--epochs=2", "expected a rung, or --all"),
    ],
)
def test_wrong_rungs(words, said, fails):
    assert said in fails(2, "ladder", *words.split())
