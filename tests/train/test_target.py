"""The verdict: every condition by itself, and every reason not to judge."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.train.target import holds, reason_not_judged, verdict

percent = st.integers(9900, 10000).map(lambda hundredths: hundredths / 100)


@given(st.lists(percent, max_size=20), st.integers(1, 20000))
def test_all_three_conditions(accuracies, parameters):
    conditions = (
        len(accuracies) >= 5 and all(accuracy >= 99.4 for accuracy in accuracies[-5:]),
        len(accuracies) <= 15,
        parameters < 8000,
    )
    assert holds(accuracies) == conditions[0]
    judged = verdict(accuracies, parameters)
    assert judged.met == all(conditions)
    if len(accuracies) < 5:
        assert "not judged" in judged.text and f"({len(accuracies)} epoch" in judged.text
    else:
        _, *lines = judged.text.splitlines()
        assert [line.startswith("met ") for line in lines] == list(conditions)


@pytest.mark.parametrize(
    ("met", "missed"),
    [
        (([99.40] * 5, 7934), ([99.40] * 4 + [99.39], 7934)),
        (([99.40] * 15, 7934), ([99.40] * 16, 7934)),
        (([99.40] * 5, 7999), ([99.40] * 5, 8000)),
        (([99.39] + [99.40] * 5, 7934), ([99.39] + [99.40] * 4, 7934)),
    ],
)
def test_just_met_and_just_missed(met, missed):
    assert verdict(*met).met and not verdict(*missed).met


def test_what_a_verdict_says():
    """The numbers of every condition, and how far the lowest accuracy is from the target."""
    head, accuracy, epochs, parameters = verdict([0.0, 99.5] + [99.41] * 4, 7934).text.splitlines()
    assert head.endswith("the target is met.")
    assert "99.50 99.41 99.41 99.41 99.41" in accuracy and "+0.01" in accuracy
    assert "6 epochs" in epochs and "7,934" in parameters
    head, accuracy, *_ = verdict([99.38] * 16, 7934).text.splitlines()
    assert head.endswith("the target is NOT met.")
    assert accuracy.startswith("NOT met  ") and "-0.02" in accuracy


@pytest.mark.parametrize(
    ("dataset", "holdout", "epochs", "word"),
    [
        ("mnist", 0, 5, None),
        ("synthetic", 0, 15, "drawn by tinytrain"),
        ("fashion-mnist", 0, 15, "fashion-mnist"),
        ("mnist", 5000, 15, "5,000 held-out"),
        ("mnist", 0, 4, "4 epochs"),
        ("mnist", 0, 1, "1 epoch;"),
    ],
)
def test_reasons_not_to_judge(dataset, holdout, epochs, word):
    reason = reason_not_judged(dataset, holdout, epochs)
    assert (reason is None) if word is None else (word in reason)
    judged = verdict([100.0] * epochs, 1, reason)
    with pytest.raises(FrozenInstanceError):
        judged.met = True
    assert judged.met == (word is None) and (word or "met") in judged.text
