"""A batch in parts: whatever the cut, the sums are those of the whole; torch is the oracle."""

import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import data, nets, nn, streams
from tinytrain.recipes import RECIPES, build
from tinytrain.train.compute import make_batch
from tinytrain.workers import lockstep
from tinytrain.workers.parts import Part, part_of_batch

counts = st.integers(1, 9)


def cut(total, count):
    """All parts of a batch in one process: each knows the numbers of the others."""
    return [Part(number, count, total, lambda rows: rows) for number in range(count)]


@given(total=st.integers(1, 40), count=counts)
def test_parts_are_those_of_tensor_split(total, count):
    rows = torch.arange(total)
    pieces, parts = torch.tensor_split(rows, count), cut(total, count)
    for part, piece in zip(parts, pieces, strict=True):
        assert part.size == len(piece)
        assert rows[part.rows].tolist() == (piece.tolist() or [0])


def agree(make, input, count):
    """A net in training: outputs, gradients of its input and weights, and buffers, cut or not."""
    parts, uncut, net = cut(len(input), count), make(), make()
    replicas = [net, *(lockstep.replica(net) for _ in parts[1:])]
    for one in (uncut, *replicas):
        one.set_generator(streams.generator(1, "masks"))
    whole = input.clone().requires_grad_()
    wanted = uncut(whole)
    above = torch.linspace(-1, 1, wanted.numel(), dtype=input.dtype).view(wanted.shape)
    of_input, *of_weights = torch.autograd.grad(wanted, [whole, *uncut.parameters()], above)

    inputs = [input[part.rows].clone().requires_grad_() for part in parts]
    outputs = lockstep.forward(replicas, inputs, parts)
    full = [index for index, part in enumerate(parts) if part.size]
    held = [inputs[index] for index in full]
    held += [parameter for index in full for parameter in replicas[index].parameters()]
    outputs = [outputs[index] for index in full]
    slopes = torch.autograd.grad(outputs, held, [above[parts[index].rows] for index in full])
    torch.testing.assert_close(torch.cat(outputs), wanted)
    torch.testing.assert_close(torch.cat(slopes[: len(full)]), of_input)
    for index, expected in enumerate(of_weights):
        found = torch.stack(slopes[len(full) + index :: len(of_weights)]).sum(0)
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(dict(net.named_buffers()), dict(uncut.named_buffers()))


def images(total, channels=3, side=4):
    draw = torch.Generator().manual_seed(total)
    return torch.randn(total, channels, side, side, generator=draw, dtype=torch.float64)


@settings(max_examples=40)
@given(total=st.integers(1, 12), count=counts, side=st.integers(2, 5))
def test_batch_norm(total, count, side):
    def make():
        norm = nn.BatchNorm2d(3).to(torch.float64)
        norm.weight.data.copy_(torch.tensor([0.5, -1, 2]))
        norm.bias.data.copy_(torch.tensor([1.0, 2, 3]))
        return norm

    agree(make, 5 + images(total, side=side), count)


@settings(max_examples=40)
@given(total=st.integers(1, 12), count=counts, p=st.floats(0, 1))
def test_layers_that_draw(total, count, p):
    agree(lambda: nn.Sequential(nn.Dropout2d(p), nn.Dropout(p)), images(total), count)
    nhwc = images(total).contiguous(memory_format=torch.channels_last)
    agree(lambda: nn.Dropout(p), nhwc, count)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_final_net(count):
    def make():
        return nets.build("net9_3_wide2", 0.1, streams.generator(1, "weights")).to(torch.float64)

    agree(make, images(5, 1, 28), count)


def test_a_large_mean_does_not_drown_the_variance():
    input = 1000 + images(64).float()
    norm, wanted = nn.BatchNorm2d(3), nn.BatchNorm2d(3).to(torch.float64)
    parts = cut(64, 4)
    replicas = [norm, *(lockstep.replica(norm) for _ in parts[1:])]
    outputs = lockstep.forward(replicas, [input[part.rows] for part in parts], parts)
    expected = wanted(input.double())
    torch.testing.assert_close(torch.cat(outputs).double(), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(norm.running_var.double(), wanted.running_var, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("shape", "said"), [((4, 2, 3, 3), "expected .N, 3"), ((1, 3, 1, 1), "several values")]
)
def test_what_batch_norm_cannot_take(shape, said):
    norm, parts = nn.BatchNorm2d(3), cut(shape[0], 1)
    with pytest.raises(ValueError, match=said):
        lockstep.forward([norm], [torch.zeros(shape)], parts)


def test_batch_norm_inside_of_an_own_module_meets_nobody():
    class Residual(nn.Module):
        def __init__(self):
            self.change = nn.Sequential(nn.BatchNorm2d(3))

        def forward(self, input):
            return input + self.change(input)

    def make():
        return nn.Sequential(Residual()).to(torch.float64)

    agree(make, images(6), 1)
    lockstep.require_separable(make(), images(6), 2, 1, torch.Generator())
    with pytest.raises(ValueError, match="Residual: .*--shards"):
        agree(make, images(6), 2)
    with pytest.raises(ValueError, match="Residual: .*--shards"):
        lockstep.require_separable(make(), images(6), 2, 2, torch.Generator())


@settings(max_examples=40)
@given(total=st.integers(1, 12), count=counts)
def test_augmentation_draws_for_all_and_moves_some(tiny, total, count):
    ours = data.Augmentation(rotation=10, shift=2, scale=0.1, shear=0.1)
    rows, training = torch.arange(total).flip(0), build.start(RECIPES["net1"], 1)
    for function in ours, lambda *arguments: ours(*arguments), None:  # the second: one's own
        training.augmentation = function
        images, labels = make_batch(training, tiny, rows)
        for part in cut(total, count):
            own_images, own_labels = part_of_batch(training, tiny, rows, part.rows)
            torch.testing.assert_close(own_images, images[part.rows], rtol=0, atol=1e-5)
            assert torch.equal(own_labels, labels[part.rows])


@pytest.mark.parametrize("fails", [False, True])
def test_layers_get_their_forward_back(fails):
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Sequential(nn.Dropout2d(0.5)))
    replicas, parts = [net, lockstep.replica(net)], cut(6, 2)
    for one in replicas:
        one.set_generator(streams.generator(1, "masks"))
    inputs = [images(6, 4 if fails else 3)[part.rows].float() for part in parts]
    with pytest.raises(ValueError) if fails else contextlib.nullcontext():
        lockstep.forward(replicas, inputs, parts)
    assert not any("forward" in vars(module) for one in replicas for module in one.modules())
    assert len(net(images(5).float())) == 5  # a whole batch again


class Own(nn.Module):
    """A layer that does `change` to its input."""

    buffer_names = ("seen",)

    def __init__(self, change):
        self.change, self.seen = change, torch.zeros(())

    def forward(self, input):
        return self.change(self, input)


class OwnNorm(nn.BatchNorm2d):
    def forward(self, input):
        return super().forward(input) + input.mean()


WHOLE_BATCH = {
    "mean": Own(lambda layer, input: input - input.mean(0)),
    "std": Own(lambda layer, input: input / input.square().mean(0).sqrt()),
    "only in training": Own(lambda layer, input: input - layer.training * input.mean()),
    "softmax over images": Own(lambda layer, input: input.softmax(0)),
    "another order": Own(lambda layer, input: input.flip(0)),
    "in place": Own(lambda layer, input: input.sub_(input.mean(0))),
    "a running mean": Own(lambda layer, input: input + 0 * layer.seen.add_(input.mean())),
    "a count of batches": Own(lambda layer, input: input + 0 * layer.seen.add_(1)),
    "one shape": Own(lambda layer, input: input.view(6, 3, 4, 4)),
    "noise": Own(lambda layer, input: input + torch.rand_like(input)),
    "more than batch norm": OwnNorm(3).to(torch.float64),
}
EACH_IMAGE = {
    "its own mean": Own(lambda layer, input: input - input.mean(1, keepdim=True)),
    "rounded": Own(lambda layer, input: input.bfloat16().to(input)),
    "infinite and NaN": Own(lambda layer, input: input / 0),
    "batch norm": nn.BatchNorm2d(3).to(torch.float64),
    "dropout": nn.Dropout2d(0.5),
}


@pytest.mark.parametrize("kind", [*WHOLE_BATCH, *EACH_IMAGE])
@pytest.mark.parametrize("here", [1, 4])
def test_layers_that_need_the_whole_batch_are_named(kind, here, global_generator_untouched):
    layer = (WHOLE_BATCH | EACH_IMAGE)[kind]
    net = nn.Sequential(nn.ReLU(), nn.Sequential({"own": layer}), nn.Flatten()).eval()
    known = contextlib.nullcontext()
    if kind in WHOLE_BATCH and (here, kind) != (1, "a count of batches"):
        known = pytest.raises(ValueError, match=rf"^1\.own \({type(layer).__name__}\): .*--shards")
    stream, seen = streams.generator(1, "masks"), net.state_dict()
    seen = {name: tensor.clone() for name, tensor in seen.items()}
    with known, global_generator_untouched(), streams.seeded(stream, torch.device("cpu")):
        lockstep.require_separable(net, images(6), 4, here, stream)
    assert all(torch.equal(tensor, seen[name]) for name, tensor in net.state_dict().items())
    assert not net[0].training and not any("forward" in vars(one) for one in net.modules())
