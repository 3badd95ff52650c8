"""Training and test are divided class by class, always alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytrain.errors import DataError
from tinytrain.store.labelled import Labelled, divided


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.floats(0.001, 0.999))
def test_a_share_of_every_class_is_for_the_test(labels, share):
    labels = np.array(labels, np.uint8)
    found = Labelled(np.arange(len(labels)), labels, "images")
    counts = np.bincount(labels)
    wanted = [min(round(share * count), count - 1) if count else 0 for count in counts]
    if not sum(wanted):
        with pytest.raises(DataError, match="images: .*--test-share"):
            divided(found, share)
        return
    (train, test), (_, again) = (divided(found, share).values() for _ in range(2))
    assert sorted([*train.images, *test.images]) == [*range(len(labels))]
    assert np.bincount(test.labels, minlength=len(counts)).tolist() == wanted
    for split in train, test:
        assert (labels[split.images] == split.labels).all()
        assert (np.diff(split.images) > 0).all()
    assert (again.images == test.images).all()


def test_a_share_is_drawn_and_not_the_first_ones():
    found = Labelled(np.arange(100), np.zeros(100, np.uint8), "")
    assert 20 < sum(divided(found, 0.5)["test"].images < 50) < 30
