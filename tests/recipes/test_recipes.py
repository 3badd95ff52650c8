"""Named recipes, and what is built from one."""

import pytest

from tinytrain.recipes import BASES, Recipe, build, changes


def test_the_base_of_a_recipe():
    assert (BASES["net1"], BASES["net2"], BASES["without-shift"]) == (None, "net1", "final")


def test_a_recipes_one_cycle_begins_and_ends_as_torchs():
    schedule = build.new_schedule(Recipe(schedule="one-cycle", epochs=3))
    assert (schedule(0), schedule(3)) == pytest.approx((1 / 25, 1 / 25e4), rel=1e-9)


def test_a_change_is_told_either_way():
    little, much = Recipe(lr=0.01), Recipe(lr=0.03)
    assert changes.changed(little, much).endswith(": 0.01 → 0.03")
    assert changes.changed(much, little).endswith(": 0.03 → 0.01")
