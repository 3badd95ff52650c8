"""Curves of runs and of seeds: the lines and bands that stand in the panels."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytrain.train import Epoch

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

from tinytrain.plots.curves import PANELS, by_epoch

EPOCH = Epoch(1, 0.1, 0.5, 98.0, 0.4, 1, 2, 99.0, 97.0, 60.0)


def history(*accuracies, **changes):
    return [
        replace(EPOCH, epoch=number, test_accuracy=accuracy, **changes)
        for number, accuracy in enumerate(accuracies, 1)
    ]


def lines(axes):
    return [[*map(float, line.get_ydata())] for line in axes.lines]


@settings(max_examples=10)
@given(st.lists(st.lists(st.integers(0, 100), max_size=4), min_size=2, max_size=4))
def test_seeds_are_their_mean_in_a_band(seeds):
    (test, *_) = by_epoch({"a": [history(*seed) for seed in seeds]}).axes
    columns = [
        [s[epoch] for s in seeds if len(s) > epoch] for epoch in range(max(map(len, seeds)))
    ]
    assert lines(test) == [pytest.approx([sum(c) / len(c) for c in columns])]
    band = {(x, y) for path in test.collections[0].get_paths() for x, y in path.vertices}
    ends = {(epoch, end(c)) for epoch, c in enumerate(columns, 1) for end in (min, max)}
    assert ends <= band and {y for _, y in band} <= {y for _, y in ends}


def test_each_panel_has_its_numbers():
    groups = {"a": [history(98, 99)], "b": [history(97, 98), history(98, 97)]}
    figure = by_epoch(groups)
    test, training, loss, lr = figure.axes
    assert [axes.get_title() for axes in figure.axes] == [*PANELS.values()]
    assert lines(test) == [[98, 99], [97, 97], [97.5, 97.5]]  # raw weights of the single run
    assert lines(training) == [[98, 98]] * 2 and lines(lr) == [[0.1, 0.1]] * 2
    assert lines(loss) == [[0.4, 0.4], [0.5, 0.5]] * 2 and loss.get_yscale() == "log"
    (legend,) = figure.legends
    one, several = (text.get_text() for text in legend.get_texts())
    assert one == "a" and "mean of 2 seeds" in several


def test_the_target_is_marked_where_it_counts():
    groups = {"a": [history(99.0, 99.1)]}
    assert [99.4, 99.4] in lines(by_epoch(groups, target=True).axes[0])
    assert [99.4, 99.4] not in lines(by_epoch(groups).axes[0])


def test_losses_below_zero_are_drawn_too():
    assert by_epoch({"a": [history(99, test_loss=-1.0)]}).axes[2].get_yscale() == "linear"
