"""Muon against torch's own, and its Newton-Schulz iteration against the SVD."""

import math
from dataclasses import replace
from functools import partial
from unittest import mock

import pytest
import torch
from against_torch import STEPS, normal, parameters, same_path
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import optim
from tinytrain.optim import muon
from tinytrain.optim.muon import orthogonalized, size
from tinytrain.recipes import RECIPES, build

few = settings(max_examples=30)
SEEDS = st.integers(0, 2**31)
SIDES = st.integers(2, 9)
OTHERS = st.sampled_from([(), (3,), (1, 7), (5, 1), (1, 2, 3, 3), (4, 1, 1, 1)])
CONVERGING = (1.875, -1.25, 0.375)
NET = [(8, 1, 3, 3), (11, 8, 3, 3), (10, 11, 1, 1), (12, 10, 3, 3), (31, 14, 3, 3), (10, 31, 1, 1)]


def set_gradients(params, seed):
    for place, param in enumerate(params):
        param.grad = param.detach() + normal(*param.shape, seed=seed, place=place)


def in_full_precision():
    """Torch's Muon without its bfloat16."""
    return mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone)


SETTINGS = st.fixed_dictionaries(
    {
        "lr": st.just(0.0) | st.floats(1e-4, 0.5),
        "weight_decay": st.just(0.0) | st.floats(0.001, 0.5),
        "momentum": st.just(0.0) | st.floats(0.05, 0.95),
        "nesterov": st.booleans(),
        "ns_coefficients": st.sampled_from([muon.JORDAN, CONVERGING]),
        "eps": st.floats(1e-10, 1e-5),
        "ns_steps": st.integers(1, 7),
        "adjust_lr_fn": st.sampled_from([None, "original", "match_rms_adamw"]),
    }
)


FLAT = [(rows, math.prod(others)) for rows, *others in NET]


@few
@given(
    st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5),
    SETTINGS,
    SEEDS,
    st.integers(0, STEPS),
    st.sampled_from([1.5, 5, 1000]),
)
def test_step_by_step_as_torch(shapes, values, seed, save_at, padded):
    """Which orthogonalizes one matrix after another; ours are padded, and taken together."""
    kinds = (partial(kind, **values) for kind in (optim.Muon, torch.optim.Muon))
    with in_full_precision(), mock.patch.object(muon, "PADDED", padded):
        same_path(*kinds, seed, save_at, shapes, rtol=1e-9, atol=1e-9)


def test_as_near_to_torch_as_bfloat16_goes():
    """Its numbers have three digits, so a step of 0.03 is off by some thousandths of it."""
    kinds = (partial(kind, lr=0.03) for kind in (optim.Muon, torch.optim.Muon))
    same_path(*kinds, 0, shapes=FLAT, rtol=0, atol=0.01)


def test_defaults_are_those_of_torch():
    expected = torch.optim.Muon(parameters(0, [(3, 2)])).defaults
    assert expected.items() <= vars(optim.Muon(parameters(0, [(3, 2)]))).items()
    with in_full_precision():
        same_path(optim.Muon, torch.optim.Muon, 0, shapes=FLAT, rtol=1e-9, atol=1e-9)


def test_kernels_step_as_their_rows():
    """In channels_last, too."""
    plain = parameters(0, NET)
    flat = [param.detach().flatten(1).clone().requires_grad_() for param in plain]
    last = [param.detach().clone(memory_format=torch.channels_last) for param in plain]
    for params in plain, flat, [param.requires_grad_() for param in last]:
        optimizer = optim.Muon(params, 0.1)
        for step in range(3):
            for place, param in enumerate(params):
                grad = param.detach().flatten(1) + normal(*FLAT[place], seed=step, place=place)
                param.grad = grad.view_as(param)
            optimizer.step()
    for params in plain, last:
        found = [param.flatten(1) for param in params]
        torch.testing.assert_close(found, flat, rtol=1e-12, atol=1e-12)


@few
@given(SIDES, st.integers(0, 9), SEEDS, st.floats(-3, 3))
def test_jordans_five_steps_come_near(rows, more, seed, exponent):
    left, _, right = torch.linalg.svd(normal(1, rows, rows + more, seed=seed), full_matrices=False)
    values = torch.linspace(1, 0.01, rows, dtype=torch.float64) * 10**exponent
    found = orthogonalized(left @ (values[:, None] * right))
    singular = torch.linalg.svdvals(found)
    assert float(singular.min()) > 0.68 and float(singular.max()) < 1.21
    between = left.mT @ found @ right.mT
    torch.testing.assert_close(between, torch.diag_embed(between.diagonal(dim1=1, dim2=2)))
    single = orthogonalized((left @ (values[:, None] * right)).float())
    torch.testing.assert_close(single, found.float(), rtol=1e-4, atol=1e-4)


def test_zeros_stay_zeros():
    zero = torch.zeros(2, 3, 5)
    assert torch.equal(orthogonalized(zero), zero)


def test_the_final_net_takes_two_stacks():
    recipe = replace(RECIPES["final"], optimizer="muon")
    optimizer = build.start(recipe, 1).optimizer
    sizes = [[size(optimizer.matrices[index]) for index in group] for group in optimizer.groups]
    large, small = [(31, 126), (14, 108), (12, 90), (11, 72)], [(10, 31), (10, 11), (8, 9)]
    assert sizes == [large, small]


@few
@given(st.lists(OTHERS, min_size=1, max_size=4), SEEDS, st.none() | st.floats(0.001, 1))
def test_the_rest_goes_as_adam(shapes, seed, adam_lr):
    settings = {"betas": (0.8, 0.9), "eps": 1e-3}
    params, expected = parameters(seed, [*shapes, (2, 3)]), parameters(seed, [*shapes, (2, 3)])
    named = {f"adam_{name}": value for name, value in settings.items()}
    optimizer = optim.Muon(params, 0.1, 0.5, adam_lr=adam_lr, **named)
    adam = optim.Adam(expected[:-1], 0.1 if adam_lr is None else adam_lr, **settings)
    for step in range(5):
        optimizer.lr *= 0.9
        adam.lr *= 0.9
        for held in params, expected:
            set_gradients(held, seed + step + 1)
        optimizer.step()
        adam.step()
    torch.testing.assert_close(params[:-1], expected[:-1], rtol=1e-12, atol=1e-12)


BAD = [
    *({name: -0.1} for name in ("lr", "momentum", "weight_decay", "eps", "adam_eps", "adam_lr")),
    *({"momentum": value} for value in (1.0, 1.5, math.nan)),
    *({"ns_steps": steps} for steps in (0, -1, 100)),
    {"ns_coefficients": (1.0, 2.0)},
    {"adjust_lr_fn": "another"},
    {"adam_betas": (1.0, 0.9)},
    {"adam_betas": (0.9,)},
    {"lr": 0.0, "adam_lr": 0.1},
]


@pytest.mark.parametrize("sizes", [[(2, 2)], [(2, 2), (3,)]])
@pytest.mark.parametrize("values", BAD)
def test_values_out_of_range(values, sizes):
    with pytest.raises(ValueError, match=f"^{[*values][-1]}: "):
        optim.Muon(parameters(0, sizes), **values)


@pytest.mark.parametrize("shapes", [[(3,)], [()], [(1, 9), (9, 1), (1, 4, 3, 3), (0, 3)]])
def test_a_net_without_a_matrix(shapes):
    with pytest.raises(ValueError, match="matrix"):
        optim.Muon(parameters(0, shapes))


def test_matrices_of_several_dtypes():
    with pytest.raises(ValueError, match="one dtype"):
        optim.Muon([torch.zeros(3, 3), torch.zeros(3, 3, dtype=torch.float64)])


@pytest.mark.parametrize(("momentum", "taken"), [(0.0, 0.95), (0.8, 0.8)])
def test_momentum_of_a_recipe(momentum, taken):
    recipe = replace(RECIPES["final"], optimizer="muon", momentum=momentum, weight_decay=0.02)
    optimizer = build.start(recipe, 1).optimizer
    assert (optimizer.momentum, optimizer.weight_decay) == (taken, 0.02)
    assert optimizer.nesterov and optimizer.adam_ratio == 1


def test_the_iteration_has_the_optimizers_defaults():
    matrices = normal(1, 3, 5)
    held = optim.Muon([torch.zeros(2, 2, requires_grad=True)])
    named = orthogonalized(matrices, held.ns_coefficients, held.ns_steps, held.eps)
    assert torch.equal(orthogonalized(matrices), named)
