"""A training step here is the step of torch.nn and torch.optim: 25 steps, the same losses."""

import torch
from against_torch import final_net

from tinytrain import nets, optim, streams
from tinytrain.data.batches import normalise

STEPS = 25


def losses(tiny, net, optimizer):
    """The loss of every step, float64 (STEPS,), of training on the same batches of 32 digits."""
    dtype = next(net.parameters()).dtype
    result = []
    for step in range(STEPS):
        rows = torch.randint(100, (32,), generator=streams.generator(1, "peer", step))
        images = normalise(tiny.train.images[rows].to(dtype), tiny.mean, tiny.std)
        log_probabilities = torch.log_softmax(net(images).flatten(1), 1)
        loss = -log_probabilities.gather(1, tiny.train.labels[rows, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        result.append(loss.item())
    return torch.tensor(result, dtype=torch.float64)


def test_the_same_losses_in_float64_and_as_near_to_them_in_float32_as_torch_is(tiny):
    def ours(dtype):
        net = nets.net9_3(generator=streams.generator(1, "weights")).to(dtype)
        return losses(tiny, net, optim.Adam(net.parameters(), 0.01))

    def theirs(dtype, layout=torch.contiguous_format):
        net = final_net(torch.nn)
        net.load_state_dict(nets.net9_3(generator=streams.generator(1, "weights")).state_dict())
        net = net.to(dtype, memory_format=layout)
        return losses(tiny, net, torch.optim.Adam(net.parameters(), 0.01))

    exact = theirs(torch.float64)
    assert exact[-1] < exact[0] / 2 and (ours(torch.float64) - exact).abs().max() < 1e-8
    peers = theirs(torch.float32), theirs(torch.float32, torch.channels_last)
    furthest = max((losses - exact).abs().max() for losses in peers)
    assert (ours(torch.float32) - exact).abs().max() < 2 * furthest
