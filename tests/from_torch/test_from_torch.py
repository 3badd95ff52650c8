"""Nets, optimizers, schedulers and data sets of torch's own: its numbers, our seeds and resume."""

import copy
import inspect
import io
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

from tinytrain import from_torch, nn, train
from tinytrain.errors import DataError, UsageError

N = torch.nn
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adamw": torch.optim.AdamW,
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "rmsprop": partial(torch.optim.RMSprop, momentum=0.5, centered=True),
    "adagrad": torch.optim.Adagrad,
    "nadam": torch.optim.NAdam,
}
SCHEDULERS = {
    "cosine": partial(lr_scheduler.CosineAnnealingLR, T_max=4),
    "step": partial(lr_scheduler.StepLR, step_size=2),
    "warm": partial(lr_scheduler.LinearLR, start_factor=0.25, total_iters=2),
    "lambda": partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 1 / (1 + epoch)),
    "restarts": partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2),
    "plateau": partial(lr_scheduler.ReduceLROnPlateau, patience=0, threshold=1.0),
}


def torch_net(dropout=0.2):
    torch.manual_seed(3)
    first = N.Conv2d(1, 4, 3, stride=2), N.BatchNorm2d(4), N.ReLU(), N.Dropout(dropout)
    return N.Sequential(*first, N.Flatten(), N.Linear(676, 10), N.LogSoftmax(1))


def training(optimizer="adamw", scheduler=None, epochs=4, net=None, wrapped_first=False):
    """A training whose optimizer has two groups, the second at half the rate of the first.

    `wrapped_first`: the optimizer is made tinytrain's before a scheduler sets its first rates.
    """
    net = net or torch_net()
    first, *others = net.parameters()
    groups = [{"params": [first]}, {"params": others, "lr": 0.005}]
    made = OPTIMIZERS[optimizer](groups, lr=0.01)
    more = {}
    wrapped = from_torch.Optimizer(made) if wrapped_first else None
    if scheduler:
        more["schedule"] = from_torch.Schedule(SCHEDULERS[scheduler](made))
    ours = from_torch.Net(net), wrapped or from_torch.Optimizer(made)
    return train.Training(*ours, epochs=epochs, batch_size=25, **more)


def saved(state):
    """The state as it comes out of a checkpoint."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("moved", [True, False])
def test_a_net_computes_what_it_computes_in_torch(mode, moved):
    theirs, net = torch_net(0.0).train(mode), from_torch.Net(torch_net(0.0)).train(mode)
    net = copy.deepcopy(net).to(torch.float64) if moved else net
    theirs = theirs.double() if moved else theirs
    images = torch.randn(5, 1, 28, 28, dtype=torch.float64 if moved else torch.float32)
    outputs = net(images), theirs(images)
    assert torch.equal(*outputs)
    gradients = (
        torch.autograd.grad(o.square().sum(), m.parameters())
        for o, m in zip(outputs, (net, theirs), strict=True)
    )
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    ours, expected = net.state_dict(), theirs.state_dict()
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name], expected[name]) for name in ours)


class Counting(N.Module):
    """Puts another tensor in the place of a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, input):
        self.seen = self.seen + 1
        return input * self.seen


def test_a_buffer_that_is_replaced_is_kept():
    net = from_torch.Net(Counting())
    assert [float(net(torch.ones(1))) for _ in range(3)] == [1, 2, 3]
    assert float(net.state_dict()["seen"]) == 3


def test_a_layer_of_torchs_stands_among_tinytrains():
    inner, images = torch.nn.Conv2d(1, 2, 3), torch.randn(3, 1, 8, 8)
    net = nn.Sequential(from_torch.Net(inner), nn.ReLU(), from_torch.Net(torch.nn.LeakyReLU()))
    assert torch.equal(net(images), inner(images).relu())
    assert [*net.state_dict()] == ["0.weight", "0.bias"]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("optimizer", "first"), [("momentum", True), ("adamw", False)])
def test_a_training_takes_the_steps_of_a_loop_in_torch(optimizer, first, scheduler, tiny):
    ours = training(optimizer, scheduler, net=torch_net(0.0), wrapped_first=first)
    net = torch_net(0.0)
    first, *others = net.parameters()
    made = OPTIMIZERS[optimizer]([{"params": [first]}, {"params": others, "lr": 0.005}], lr=0.01)
    steps = SCHEDULERS[scheduler](made)
    batches = capture(ours, tiny)
    for epoch in range(4):
        total = 0.0
        for images, labels in batches[epoch]:
            made.zero_grad()
            loss = N.functional.nll_loss(net.train()(images), labels)
            loss.backward()
            made.step()
            total += float(loss.detach() * len(labels))
        assert ours.history[epoch].train_loss == pytest.approx(total / 100, rel=1e-5)
        metric = [total / 100] * ("metrics" in inspect.signature(steps.step).parameters)
        steps.step(*metric)


def capture(ours, tiny):
    """Train to the end; the batches that were trained on, epoch by epoch."""
    from tinytrain.train.compute import InProcess, make_batch

    batches = {}

    class Noting(InProcess):
        def step(self, training, dataset, rows, steps):
            batches.setdefault(training.epoch - 1, []).append(make_batch(training, dataset, rows))
            return super().step(training, dataset, rows, steps)

    for _ in train.fit(ours, tiny, Noting()):
        pass
    return batches


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@settings(max_examples=3)
@given(steps=st.integers(0, 11), scheduler=st.sampled_from([None, *SCHEDULERS]))
def test_a_training_goes_on_from_any_step_with_the_same_bits(tiny, optimizer, steps, scheduler):
    whole, begun, resumed = (training(optimizer, scheduler, epochs=3) for _ in range(3))
    events = train.fit(begun, tiny)
    while (begun.epoch - 1) * 4 + begun.batch < steps:
        next(events)
    state = saved(begun.state_dict())
    assert state["optimizer"]["state"].keys() == whole.state_dict()["optimizer"]["state"].keys()
    resumed.load_state_dict(state)
    for each in whole, resumed:
        for _ in train.fit(each, tiny):
            pass
    assert [(e.lr, e.train_loss) for e in resumed.history] == [
        (e.lr, e.train_loss) for e in whole.history
    ]
    pairs = zip(whole.net.parameters(), resumed.net.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def by_groups(optimizer):
    return lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0, lambda epoch: 0.5**epoch])


def test_what_cannot_be_right_is_refused(tiny):
    net = torch_net()
    one_rate = torch.optim.SGD(net.parameters(), lr=0.1)
    a_tensor = torch.optim.Adam(net.parameters(), torch.tensor(0.1))
    for make in (
        lambda: from_torch.Net(N.LazyLinear(10)),
        lambda: from_torch.Optimizer(torch.optim.LBFGS(net.parameters())),
        lambda: from_torch.Optimizer(torch.optim.SparseAdam(net.parameters())),
        lambda: from_torch.Optimizer(a_tensor),
        lambda: from_torch.Schedule(lr_scheduler.OneCycleLR(one_rate, 0.1, total_steps=9)),
        lambda: from_torch.Schedule(lr_scheduler.CyclicLR(one_rate, 0.1, 0.2)),
        lambda: train.Training(net, one_rate),
        lambda: train.Training(from_torch.Net(net), one_rate),
    ):
        with pytest.raises(UsageError):
            make()
    ours = training("sgd")
    ours.schedule = from_torch.Schedule(by_groups(ours.optimizer.optimizer))
    with pytest.raises(UsageError, match="groups"):
        list(train.fit(ours, tiny))


class Drawn(TensorDataset):
    """Images of which one in ten is turned over each time they are read, or labels are."""

    def __init__(self, *tensors, of=0):
        super().__init__(*tensors)
        self.of = of

    def __getitem__(self, row):
        pair = [*super().__getitem__(row)]
        pair[self.of] = pair[self.of] if torch.rand(()) > 0.1 else 9 - pair[self.of]
        return pair


class Stream(IterableDataset):
    def __iter__(self):
        yield from ()


def loader(images, labels, **how):
    return DataLoader(TensorDataset(images, labels), **how)


def of_mode(mode, images, labels):
    return [(Image.fromarray(image[0].numpy()).convert(mode), 1) for image in images]


def picture(image, label):
    return Image.fromarray(image[0].numpy()), label


FORMS = {
    "bytes": TensorDataset,
    "grey": lambda images, labels: TensorDataset(images[:, 0], labels),
    "ToTensor": lambda images, labels: TensorDataset(images.float() / 255, labels),
    "float64": lambda images, labels: TensorDataset(images.double() / 255, labels),
    "pictures": lambda images, labels: [*map(picture, images, labels)],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "wrap", [lambda each: each, partial(DataLoader, batch_size=7, shuffle=True)]
)
def test_a_data_set_is_read_whole_in_its_order(tiny, form, wrap):
    before = torch.get_rng_state()
    sets = (FORMS[form](split.images, split.labels) for split in (tiny.train, tiny.test))
    found = from_torch.dataset(*map(wrap, sets))
    for split, expected in (found.train, tiny.train), (found.test, tiny.test):
        assert torch.equal(split.images, expected.images)
        assert torch.equal(split.labels, expected.labels)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "make",
    [
        lambda i, k: TensorDataset((i / 255 - 0.13) / 0.31, k),
        lambda i, k: TensorDataset(i.float(), k),
        lambda i, k: Drawn(i, k),
        lambda i, k: Drawn(i, k, of=1),
        lambda i, k: loader(i, k, sampler=WeightedRandomSampler(torch.ones(100), 100)),
        lambda i, k: loader(i, k, sampler=WeightedRandomSampler(torch.ones(100), 60, False)),
        lambda i, k: loader(i, k, batch_sampler=[[0, 1, 2], [3, 4, 5]]),
        lambda i, k: loader(i, k, collate_fn=lambda pairs: pairs),
        lambda i, k: DataLoader(Stream()),
        lambda i, k: [i, k],
        lambda i, k: TensorDataset(i, k, k),
        lambda i, k: [{"image": image, "label": 1} for image in i],
        lambda i, k: [(image / 255 * torch.ones((), requires_grad=True), 1) for image in i],
        *(partial(of_mode, mode) for mode in ("P", "1", "HSV", "CMYK", "RGBA")),
        lambda i, k: [(image[:, :row], 1) for row, image in enumerate(i, 3)],
        lambda i, k: [],
        lambda i, k: TensorDataset(i, k / 2),
    ],
)
def test_a_data_set_that_would_be_misread_is_refused(tiny, make):
    with pytest.raises(DataError):
        from_torch.dataset(
            make(tiny.train.images, tiny.train.labels), TensorDataset(*vars(tiny.test).values())
        )
