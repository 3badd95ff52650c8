"""The verdict: every condition by itself, and every reason not to judge."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinytrain.report.target import holds, reason_not_judged, verdict

# Mostly just enough, so that each condition is met and missed by the least there is.
accuracy = st.sampled_from([99.4] * 9 + [99.39, 99.41])
lengths = st.sampled_from([0, 1, 4, 5, 6, 15, 16]) | st.integers(0, 20)
histories = lengths.flatmap(lambda count: st.lists(accuracy, min_size=count, max_size=count))


@given(histories, st.sampled_from([1, 7999, 8000, 8001]))
@example([99.4] * 15, 7999)
@example([99.4] * 16, 7999)
@example([99.39] + [99.4] * 5, 7999)
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
    ],
)
def test_reasons_not_to_judge(dataset, holdout, epochs, word):
    reason = reason_not_judged(dataset, holdout, epochs)
    assert (reason is None) if word is None else (word in reason)
    judged = verdict([100.0] * epochs, 1, reason)
    with pytest.raises(FrozenInstanceError):
        judged.met = True
    assert judged.met == (word is None) and (word or "met") in judged.text
