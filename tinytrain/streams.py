"""Named streams of random numbers: one generator for each (seed, purpose, epoch, batch).

With one shared generator every draw depends on all draws before it, so evaluating one more batch
changes the rest of the run. Here the name of a draw, such as (seed 1, "augment", epoch 3, batch
17), alone decides its numbers. So evaluating or inspecting changes nothing, workers agree without
communication, and a run resumes at any batch with no generator state to save. The idea is that of
counter-based generators (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), with
a hash in front of torch's own generator.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generator(
    seed: int, purpose: str, *counters: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A torch generator whose numbers depend only on the name (seed, purpose, *counters).

    `purpose` says what is drawn ("weights", "shuffle", "augment", "dropout"), `counters` where in
    the run (epoch, batch). The stream is the same on every machine for one kind of `device`.
    torch's CPU generator keeps 32 of the seed's bits, so two of the ~20,000 streams of a run
    coincide once in about 20 runs, in purposes and places that have nothing to do with each other.
    """
    name = "/".join(str(part) for part in (seed, purpose, *counters))
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


@contextmanager
def seeded(stream: torch.Generator, device: torch.device) -> Iterator[None]:
    """Seed torch's own generators, the CPU's and the device's, as `stream`; then put them back.

    So layers that draw with `torch.rand` and know nothing of streams repeat, too.
    """
    defaults = [torch.default_generator]
    if device.type == "cuda":
        defaults.append(torch.cuda.default_generators[device.index or 0])
    states = [generator.get_state() for generator in defaults]
    try:
        for generator in defaults:
            generator.manual_seed(stream.initial_seed())
        yield
    finally:
        for generator, state in zip(defaults, states, strict=True):
            generator.set_state(state)
