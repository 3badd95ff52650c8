"""SGD, Adam, the schedules and the average take the path that torch's take, step by step."""

from functools import partial

import pytest
import torch
from against_torch import STEPS, normal, parameters, reloaded, same_path
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from tinytrain import nn, optim
from tinytrain.runs.checkpoints import tensors_in

SEEDS = st.integers(0, 2**31)
few = settings(max_examples=30)
DECAYS = st.just(0.0) | st.floats(0.001, 0.5)
SHARES = st.floats(0.05, 0.95)
both_kinds = pytest.mark.parametrize("name", ["SGD", "Adam"])


def chosen(**values):
    """Arguments of an optimizer, each drawn from its own strategy."""
    return st.fixed_dictionaries({"lr": st.floats(1e-4, 0.5), "weight_decay": DECAYS} | values)


PLAIN = chosen(momentum=st.just(0.0) | SHARES, dampening=st.floats(0, 1))
NESTEROV = chosen(momentum=SHARES, nesterov=st.just(True))
ADAM = chosen(betas=st.tuples(*[st.just(0.0) | SHARES] * 2), eps=st.floats(1e-10, 1e-2))
ADAMW = partial(optim.Adam, decoupled_weight_decay=True)
SGDS = [(optim.SGD, torch.optim.SGD, strategy) for strategy in (PLAIN, NESTEROV)]
ADAMS = [(optim.Adam, torch.optim.Adam, ADAM), (ADAMW, torch.optim.AdamW, ADAM)]


@pytest.mark.parametrize("ours, theirs, strategy", SGDS + ADAMS)
@few
@given(st.data(), SEEDS, st.integers(0, STEPS))
def test_step_by_step(ours, theirs, strategy, data, seed, save_at):
    values = data.draw(strategy)
    same_path(partial(ours, **values), partial(theirs, **values), seed, save_at)


@both_kinds
def test_defaults(name):
    ours, theirs = getattr(optim, name), getattr(torch.optim, name)
    same_path(ours, theirs, seed=0)
    expected = theirs(parameters(0)).defaults
    found = {name: value for name, value in vars(ours(parameters(0))).items() if name in expected}
    assert found == {name: expected[name] for name in found} and "lr" in found


@both_kinds
def test_zero_grad(name):
    for library in optim, torch.optim:
        params = parameters(0)
        params[1].grad = torch.ones(4, dtype=torch.float64)
        optimizer = getattr(library, name)(params)
        optimizer.zero_grad(set_to_none=False)
        assert not params[1].grad.any() and params[0].grad is None
        optimizer.zero_grad()
        assert params[1].grad is None


BAD = [
    *((optim.SGD, {name: -0.1}) for name in ("lr", "momentum", "weight_decay")),
    *((optim.Adam, {name: -0.1}) for name in ("lr", "eps", "weight_decay")),
    (optim.SGD, {"nesterov": True}),
    *((optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": d}) for d in (0.1, -0.1)),
    *((optim.Adam, {"betas": betas}) for betas in ((1.0, 0.9), (0.9, -0.1))),
]


@pytest.mark.parametrize("kind, values", BAD)
def test_values_out_of_range(kind, values):
    for optimizer in kind, getattr(torch.optim, kind.__name__):
        with pytest.raises(ValueError):
            optimizer(parameters(0), **values)


FIRST, SECOND = parameters(0)[:2]
REFUSED = [  # by both optimizers: their arguments, the error, and what it names
    ([[]], ValueError, "empty"),
    ([FIRST], TypeError, "iterable"),
    ([[FIRST, SECOND, FIRST]], ValueError, "twice"),
    ([{FIRST, SECOND}], TypeError, "set"),
    ([[{"params": [FIRST]}]], TypeError, "dict"),
    ([[FIRST], torch.tensor([0.1, 0.1])], ValueError, "lr"),
]


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("arguments, error, named", REFUSED)
def test_what_has_no_meaning_is_refused(kind, arguments, error, named):
    with pytest.raises(error, match=named):
        kind(*arguments)


@pytest.mark.parametrize("arguments", [(0,), (5, 1.5), (5, -0.1)])
def test_a_schedule_without_meaning_is_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        optim.WarmupLinear(*arguments)
    with pytest.raises(ValueError, match="step_size"):
        optim.StepLR(0)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_an_average_without_meaning_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        optim.ExponentialMovingAverage(nn.ReLU(), decay)


def rates_of_torch(schedule, steps, **values):
    """The factors that a scheduler of torch gives at steps 0 … `steps`."""
    optimizer = torch.optim.SGD(parameters(0), lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, schedule)(optimizer, **values)
    factors = scheduler.get_last_lr()
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        factors += scheduler.get_last_lr()
    return factors


@few
@given(st.integers(1, 10), st.floats(0.05, 1), st.floats(0, 0.99))
def test_step_lr(step_size, gamma, fraction):
    expected = rates_of_torch("StepLR", 15, step_size=step_size, gamma=gamma)
    schedule = optim.StepLR(step_size, gamma)
    for epoch, factor in enumerate(expected):
        assert schedule(epoch) == pytest.approx(factor)
        assert schedule(epoch + fraction) == schedule(epoch)


LINES = {"anneal_strategy": "linear", "div_factor": 1e12, "final_div_factor": 1e12}
ENDS = {"first": 1 / 25, "last": 1 / 25e4}  # torch's own
CYCLES = {"linear": (optim.WarmupLinear, LINES, {}), "cosine": (optim.Cosine, {}, ENDS)}


@pytest.mark.parametrize("line", CYCLES)
@few
@given(st.integers(1, 10), st.integers(1, 10), st.integers(1, 20))
def test_one_cycle(line, up, down, total):
    """Torch's one-cycle policy, in steps of a fraction of an epoch."""
    (kind, of_torch, of_ours), steps = CYCLES[line], up + down
    oracle = {"total_steps": steps + 1, "pct_start": (up + 1) / (steps + 1)} | of_torch
    oracle = rates_of_torch("OneCycleLR", steps, max_lr=1.0, cycle_momentum=False, **oracle)
    schedule = kind(total, up / steps, **of_ours)
    found = [schedule(total * step / steps) for step in range(steps + 1)]
    assert found == pytest.approx(oracle, abs=1e-9)
    oracle = rates_of_torch("CosineAnnealingLR", total, T_max=total)
    assert [*map(optim.Cosine(total), range(total + 1))] == pytest.approx(oracle, abs=1e-9)


@given(st.floats(0.1, 100), st.floats(0, 1), st.floats(-1, 2))
def test_schedules_stay_between_0_and_1(total, warmup, progress):
    schedule = optim.WarmupLinear(total, warmup)
    assert 0 <= schedule(progress * total) <= 1
    assert max(schedule(total * step / 1000) for step in range(1001)) > 0.99
    assert optim.Constant()(progress * total) == 1
    assert optim.WarmupLinear(total, 0.0)(0) == optim.WarmupLinear(total, 1.0)(total) == 1
    assert optim.StepLR(3) == optim.StepLR(3, gamma=0.1)  # as torch's
    assert optim.WarmupLinear(5) == optim.WarmupLinear(5, warmup=0.2)


def normed(library):
    return library.Sequential(library.Conv2d(1, 2, 3), library.BatchNorm2d(2)).to(torch.float64)


@few
@given(st.floats(0.3, 0.7), SEEDS)
def test_exponential_average(decay, seed):
    """Torch's average takes over where ours is past its early phase."""
    source, twin = normed(nn), normed(torch.nn)
    average = optim.ExponentialMovingAverage(source, decay)
    images = [normal(2, 1, 4, 4, seed=seed, place=step) for step in range(35)]
    for image in images[:25]:
        source(image)  # which moves its statistics
        average.update()
    twin.load_state_dict(average.net.state_dict())
    oracle = AveragedModel(twin, avg_fn=get_ema_avg_fn(decay), use_buffers=True)
    oracle.n_averaged += 1  # else its first update only copies
    for step, image in enumerate(images[25:], 26):
        source(image)
        twin.load_state_dict(source.state_dict())
        before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
        average.update()
        oracle.update_parameters(twin)
        found, expected = average.net.state_dict(), dict(oracle.module.state_dict())
        assert found.pop("1.num_batches_tracked") == step
        del expected["1.num_batches_tracked"]
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(source.state_dict(), before, rtol=0, atol=0)
    assert source.training and not average.net.training


@few
@given(st.floats(0, 0.999), st.lists(st.floats(-9, 9), min_size=1, max_size=30))
def test_exponential_average_forgets_the_first_weights(decay, values):
    source = nn.Linear(1, 1, bias=False).to(torch.float64)
    average = optim.ExponentialMovingAverage(source, decay)
    expected = float(source.weight.detach())
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            source.weight.fill_(value)
        average.update()
        expected += max(1 - decay, 9 / (10 + step)) * (value - expected)
        assert float(average.net.weight.detach()) == pytest.approx(expected)
    assert float(source.weight.detach()) == values[-1]


def test_an_average_is_taken_up_again():
    source = normed(nn)
    one, other = (optim.ExponentialMovingAverage(source, 0.9) for _ in range(2))
    source(normal(2, 1, 4, 4))
    one.update()
    reloaded(one, other)
    torch.testing.assert_close(other.state_dict(), one.state_dict(), rtol=0, atol=0)


def test_whom_an_average_follows():
    source = normed(nn)
    assert optim.ExponentialMovingAverage(source, 0.9).follows(source)
    for one, other in (source, source[:1]), (source[:1], source), (source, normed(nn)):
        assert not optim.ExponentialMovingAverage(one, 0.9).follows(other)


DTYPES = st.sampled_from([torch.float32, torch.float64])
TENSORS = st.lists(st.tuples(st.sampled_from([(2, 3), (4,), ()]), DTYPES), min_size=1, max_size=6)
DAMPED = {"momentum": 0.9, "dampening": 0.2}


def step_both(ours, theirs, step, ready):
    """A step of both along the same gradients; parameters that are not `ready` have none."""
    found, expected = ours.params, theirs.param_groups[0]["params"]
    for params in found, expected:
        for place, (param, has) in enumerate(zip(params, ready, strict=True)):
            noise = normal(*param.shape, seed=step + 1, place=place).to(param.dtype)
            param.grad = noise if has else None
    ours.step()
    theirs.step()
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        tolerance = {} if one.dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-12}
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize(("name", "values"), [("SGD", DAMPED), ("Adam", {})])
@few
@given(TENSORS, SEEDS, st.data())
def test_any_mix_of_dtypes_and_of_gradients_that_come_and_go(name, values, tensors, seed, data):
    """Which parameters have a gradient, and so how many steps they took, changes every step."""
    ours, theirs = (
        getattr(library, name)(
            [normal(*shape, seed=seed).to(dtype) for shape, dtype in tensors], 0.05, **values
        )
        for library in (optim, torch.optim)
    )
    for step in range(8):
        ready = st.lists(st.booleans(), min_size=len(tensors), max_size=len(tensors))
        step_both(ours, theirs, seed + step, data.draw(ready))


@pytest.mark.parametrize("momenta", [[0, 0, 0.9, 0.9], [0.9, 0, 0, 0.5], [0, 0.5, 0, 0.9]])
def test_a_momentum_that_changes_on_the_way(momenta):
    """The first step with momentum begins the velocity, undampened, at whatever step it comes."""
    ours, theirs = (kind.SGD(parameters(0), 0.1, dampening=0.4) for kind in (optim, torch.optim))
    for step, momentum in enumerate(momenta):
        ours.momentum = theirs.param_groups[0]["momentum"] = momentum
        step_both(ours, theirs, step, [True] * len(ours.params))


@both_kinds
@pytest.mark.parametrize("shapes", [[(3, 4)], [(3, 4), (4,), (2,)], [(4,), (4,)], [(3, 4), (1,)]])
def test_a_state_of_other_parameters_is_refused(name, shapes):
    """Also where it could be broadcast."""
    optimizer, other = (
        getattr(optim, name)(parameters(0, each)) for each in ([(3, 4), (4,)], shapes)
    )
    with pytest.raises(ValueError):
        optimizer.load_state_dict(other.state_dict())


@pytest.mark.parametrize("name", ["SGD", "Adam", "Muon"])
def test_a_state_that_is_taken_over_is_a_copy(name):
    shapes = [(3, 2), (4,)]  # the second is Adam's in Muon
    one, other = (getattr(optim, name)(parameters(0, shapes)) for _ in range(2))
    other.load_state_dict(one.state_dict())
    places = [{id(value) for value in tensors_in(each.state_dict())} for each in (one, other)]
    assert places[0] and not places[0] & places[1]
