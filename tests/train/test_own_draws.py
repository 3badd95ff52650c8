"""Layers that draw from torch's own generator, or with one of their own, repeat or are refused."""

import pytest
import torch

from tinytrain import nets, nn, optim, streams
from tinytrain.errors import UsageError
from tinytrain.train import Batch, Training, fit
from tinytrain.workers.group import Workers


class Noise(nn.Module):
    """Noise from torch's own generator, or from the layer's."""

    def __init__(self, named=False):
        if named:
            self.generator = None

    def forward(self, input):
        if not self.training:
            return input
        generator = getattr(self, "generator", None)
        return input + 0.1 * torch.randn(input.shape, generator=generator)


def training(layer):
    net = nn.Sequential(nn.Flatten(), layer, nets.net1(streams.generator(1, "weights"))[1:])
    return Training(net, optim.Adam(net.parameters(), 0.01), epochs=2, batch_size=30)


@pytest.mark.parametrize("named", [False, True])
def test_two_runs_and_a_resumed_one_are_equal_and_the_callers_generator_is_left_alone(tiny, named):
    states = []
    for seed in 1, 2:
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        whole = training(Noise(named))
        list(fit(whole, tiny))
        assert torch.equal(before, torch.get_rng_state())
        states.append(whole.net.state_dict())
    part = training(Noise(named))
    for event in fit(part, tiny):
        if isinstance(event, Batch) and event.batch == 2:
            break
    resumed = training(Noise(named))
    resumed.load_state_dict(part.state_dict())
    list(fit(resumed, tiny))
    for state in states[1], resumed.net.state_dict():
        torch.testing.assert_close(state, states[0], rtol=0, atol=0)


@pytest.mark.parametrize("named", [False, True])
def test_parts_of_a_batch_that_would_draw_the_same_noise_are_refused(tiny, named):
    workers = Workers()
    workers.cut(4)
    with pytest.raises(UsageError, match="generator.*--shards"):
        next(iter(fit(training(Noise(named)), tiny, workers)))
