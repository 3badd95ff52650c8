"""The fields in which two recipes differ, in words, and the named recipe nearest to one."""

import re
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from tinytrain.recipes import RECIPES, Recipe


def changed(before: Recipe, after: Recipe) -> str:
    """The differences between two recipes, in the words of the fields' own help."""
    differing = changes(before, after)
    return "; ".join(f"{meaning(field)}: {old} → {new}" for field, old, new in differing)


def changes(before: Recipe, after: Recipe) -> list[tuple[Field[Any], str, str]]:
    """The fields that differ between two recipes, with both values as text."""
    return [
        (field, value_text(old), value_text(new))
        for field in fields(Recipe)
        if (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    ]


def value_text(value: object) -> str:
    """A value of a recipe: yes or no, 0.03, warmup-linear."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def meaning(field: Field[Any]) -> str:
    """The meaning of a recipe's field, in a few words."""
    return str(re.split("[,;:]", field.metadata["help"])[0])


def describe(changes: Mapping[str, object]) -> str:
    """Changes of a recipe as words: lr 0.03, deskew yes."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in changes.items())


def nearest(recipe: Recipe) -> tuple[str, dict[str, str]]:
    """The named recipe that differs from `recipe` in the fewest fields, and what is other there.

    Of several equally near it is the first: `final` rather than its variations.
    """
    name = min(RECIPES, key=lambda name: len(changes(RECIPES[name], recipe)))
    return name, {field.name: new for field, _, new in changes(RECIPES[name], recipe)}


def recipe_text(name: str, changed: dict[str, str]) -> str:
    """A recipe and what is other: final, lr 0.02; the first four changes, and how many more."""
    first = [name, *(f"{field} {value}" for field, value in changed.items())][:5]
    return ", ".join(first) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
