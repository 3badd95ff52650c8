"""A net is tested on all images, and decides by the mean over the views that it is given."""

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from against_torch import normal
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain import nets, nn
from tinytrain.data import Split
from tinytrain.errors import UsageError
from tinytrain.recipes import RECIPES, build
from tinytrain.streams import generator
from tinytrain.train import Score, evaluate, fit
from tinytrain.train.evaluation import predict, views


@given(st.integers(1, 9), st.integers(3, 9))
def test_views_are_the_image_moved_turned_and_resized(count, side):
    """What a shift moves out comes in at the other side; torch turns counter-clockwise for us."""
    images = 255 * normal(3, 2, side, side).float()
    shifts = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]  # down, right
    expected = [np.roll(images.numpy(), shift, (2, 3)) for shift in shifts]
    for degrees, size in [(8, 1), (-8, 1), (0, math.exp(0.08)), (0, math.exp(-0.08))]:
        cosine, sine = (
            math.cos(math.radians(degrees)) / size,
            math.sin(math.radians(degrees)) / size,
        )
        back = torch.tensor([[cosine, -sine, 0], [sine, cosine, 0]]).expand(3, 2, 3)
        grid = torch.nn.functional.affine_grid(back, images.shape, align_corners=False)
        expected.append(torch.nn.functional.grid_sample(images, grid, align_corners=False))
    found = views(images, count).numpy()
    np.testing.assert_allclose(found, np.concatenate(expected[:count]), atol=1e-2)


@given(st.integers(1, 9), st.integers(2, 5), st.integers(2, 5))
def test_the_scores_of_the_views_are_averaged(tta, height, width):
    """Those before they become probabilities, and normalised with the rest."""
    draw = generator(1, "images")
    images = torch.randint(256, (3, 1, height, width), generator=draw).to(torch.uint8)
    net = nn.Sequential(nn.Flatten(), Cube(), nn.LogSoftmax(1))
    scores = ((views(images.float(), tta) / 255 - 0.13) / 0.31).view(tta, 3, -1) ** 3
    expected = torch.log_softmax(scores.mean(0), 1)
    torch.testing.assert_close(predict(net, images, 0.13, 0.31, tta), expected)


@given(st.integers(1, 9), st.integers(0, 99))
def test_the_scores_of_a_net_that_gives_scores_are_averaged(tta, seed):
    """And stay scores: a loss of one's own may be made for them."""
    images = torch.randint(256, (3, 1, 4, 4), generator=generator(seed, "images")).to(torch.uint8)
    scores = ((views(images.float(), tta) / 255 - 0.13) / 0.31).view(tta, 3, -1) ** 3
    net = nn.Sequential(nn.Flatten(), Cube())
    torch.testing.assert_close(predict(net, images, 0.13, 0.31, tta), scores.mean(0))


@pytest.mark.parametrize("tta", [-1, 0, 10])
def test_views_that_there_are_not_are_refused(tta, tiny):
    with pytest.raises(UsageError, match="^tta: "):
        predict(nets.net1(), tiny.test.images, tiny.mean, tiny.std, tta)


class Cube(nn.Module):
    def forward(self, input):
        return input**3


@settings(max_examples=30)
@given(st.integers(1, 120), st.integers(0, 99), st.sampled_from([1, 9]))
def test_a_score_is_what_torch_makes_of_all_images(count, seed, tta):
    draw = generator(seed, "images")
    images = torch.randint(256, (count, 1, 28, 28), generator=draw).to(torch.uint8)
    labels = torch.randint(10, (count,), generator=draw)
    net = nets.net1(generator(seed, "weights"))
    score = evaluate(net, Split(images, labels), 0.13, 0.31, tta)
    seen = (views(images.float(), tta) / 255 - 0.13) / 0.31
    said = torch.log_softmax(net.eval()(seen).view(tta, count, 10).mean(0), 1).detach()
    expected = torch.nn.functional.nll_loss(said, labels)
    assert score.loss == pytest.approx(float(expected), rel=1e-4)
    assert (score.correct, score.total) == (int((said.argmax(1) == labels).sum()), count)
    assert score.accuracy == 100 * score.correct / count
    torch.testing.assert_close(predict(net, images, 0.13, 0.31, tta), said)


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


def test_views_change_the_test_of_a_run_and_nothing_else(tiny):
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
    raw = evaluate(looking.net, tiny.test, tiny.mean, tiny.std, tta=5)
    assert (line.test_accuracy, line.raw_test_accuracy) == (expected.accuracy, raw.accuracy)
    assert line.test_loss != plain.history[0].test_loss
