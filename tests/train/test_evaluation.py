"""Looking five times at an image costs no parameter and no training, and their mean decides."""

import contextlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinytrain import nets, nn
from tinytrain.data import Split, augment
from tinytrain.nn import functional
from tinytrain.results.variations import RECIPES
from tinytrain.streams import generator
from tinytrain.train import Score, build, evaluate, fit
from tinytrain.train.evaluation import SHIFTS, log_probabilities, predict


def digits(count, size=28):
    """Random images (count, 1, size, size) in float64, with a margin of background."""
    images = torch.rand(
        count, 1, size, size, generator=generator(0, "digits"), dtype=torch.float64
    )
    images[:, :, [0, -1]] = images[:, :, :, [0, -1]] = 0
    return images


def moved(images, down, right):
    """The images, moved by whole pixels as augmentation moves them."""
    numbers = torch.zeros(len(images), dtype=torch.float64)
    shift = torch.tensor([[right, down]], dtype=torch.float64).expand(len(images), 2)
    return augment.apply(images, augment.Transform(numbers, shift, numbers, numbers))


@pytest.mark.parametrize("name", ["net9_3", "framed2791"])
@pytest.mark.parametrize("looks", [1, 5])
def test_looks_are_the_image_and_its_four_neighbours(name, looks):
    net = nets.build(name, generator=generator(2, "weights")).to(torch.float64)
    net.train()(digits(5))  # so that its norms have seen something
    images = digits(3)
    scores = [net.eval()(moved(images, *move)) for move in SHIFTS[:looks]]
    expected = torch.log_softmax(sum(scores) / looks, 1)
    torch.testing.assert_close(log_probabilities(net, images, looks), expected)


def test_moves_are_by_one_pixel_and_come_in_on_the_other_side():
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 0] = 1
    places = []

    def note(images):
        places.extend(look.nonzero()[0, 1:].tolist() for look in images)
        return images.flatten(1)

    log_probabilities(note, image, 5)
    assert places == [[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]]


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 99), st.sampled_from([1, 5]))
def test_a_score_is_what_torch_makes_of_all_images(count, batch_size, seed, looks):
    draw = generator(seed, "images")
    images = torch.randint(256, (count, 1, 28, 28), generator=draw).to(torch.uint8)
    labels = torch.randint(10, (count,), generator=draw)
    net = nets.net1(generator(seed, "weights"))
    score = evaluate(net, Split(images, labels), 0.13, 0.31, batch_size, looks)
    said = log_probabilities(net.eval(), (images / 255 - 0.13) / 0.31, looks).detach()
    assert score.loss == pytest.approx(float(functional.nll_loss(said, labels)), rel=1e-4)
    assert (score.correct, score.total) == (int((said.argmax(1) == labels).sum()), count)
    assert score.accuracy == 100 * score.correct / count


def test_a_score_in_known_numbers():
    """The pixels are the scores of three classes: the loss is torch's, and 3 of 4 are right."""
    images = torch.tensor([[3, 1, 0], [0, 2, 1], [1, 0, 4], [5, 0, 0]], dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 1])
    net = nn.Sequential(nn.Flatten(), nn.LogSoftmax(1))
    score = evaluate(net, Split(images[:, None, :, None], labels), 0.0, 1 / 255, batch_size=3)
    expected = torch.nn.functional.cross_entropy(images.double(), labels)
    said = predict(net, images[:, None, :, None], 0.0, 1 / 255)
    torch.testing.assert_close(said, torch.log_softmax(images.float(), 1))
    assert score.loss == pytest.approx(float(expected), rel=1e-6)
    assert (score.correct, score.total, score.accuracy) == (3, 4, 75.0)


def test_the_batch_size_does_not_matter(tiny):
    net = nets.net9_3(0.1, generator(1, "weights"))
    whole = evaluate(net, tiny.test, tiny.mean, tiny.std)
    pieces = evaluate(net, tiny.test, tiny.mean, tiny.std, batch_size=7)
    assert pieces.correct == whole.correct and pieces.loss == pytest.approx(whole.loss, rel=1e-5)


def refuse(*_):
    raise ArithmeticError


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("score", [predict, evaluate])
def test_every_module_keeps_its_mode(tiny, score, fails):
    """Also where a stage of the net was put into evaluation mode, and after an exception."""
    net = nets.net9_3(0.1, generator(1, "weights")).train()
    net.conv2.eval()
    net.conv2[0].train()
    modes = [module.training for module in net.modules()]
    seen = set()
    net.flatten.forward = lambda input: (
        seen.update(m.training for m in net.modules()) or (refuse() if fails else input.flatten(1))
    )
    images = tiny.test if score is evaluate else tiny.test.images
    with pytest.raises(ArithmeticError) if fails else contextlib.nullcontext():
        score(net, images, tiny.mean, tiny.std)
    assert seen == {False}
    assert [module.training for module in net.modules()] == modes


def test_looks_change_the_test_of_a_run_and_nothing_else(tiny):
    recipe = replace(RECIPES["five-looks"], epochs=1, batch_size=20)
    looking, plain = build.start(recipe, 1), build.start(replace(recipe, tta=1), 1)
    for training in (looking, plain):
        list(fit(training, tiny))
    states = looking.net.state_dict(), plain.net.state_dict()
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert looking.history[0].train_loss == plain.history[0].train_loss
    net = looking.tested_net
    expected = evaluate(net, tiny.test, tiny.mean, tiny.std, tta=5)
    line = looking.history[0]
    assert Score(line.test_loss, line.test_correct, line.test_total) == expected
    assert line.test_loss != plain.history[0].test_loss
