"""The command `recipe`: all recipes with what each changes, and one whole to begin one's own from.

What `recipe show` prints is a recipe's file: keep it, change it, name it with --recipe.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict

from tinytrain.cli.inputs import chosen_recipe
from tinytrain.course.ladder import CHANGES, base_of, changed, said_of
from tinytrain.course.lessons import LESSONS
from tinytrain.recipes import ABLATION, FRONTIER, LADDER, RECIPES, VIEWS, Recipe

GROUPS: dict[str, Mapping[str, object]] = {
    "The ladder, each a change of the one before": LADDER,
    "The final recipe without one of its ingredients": ABLATION,
    "Where a net looks, wider or less wide": VIEWS,
    "Beyond the final recipe": FRONTIER,
    "Others": {name: {} for name in RECIPES if name not in CHANGES},
}


def recipe(options: argparse.Namespace) -> None:
    """List the recipes, or print one whole."""
    print(as_json(options) if options.what == "show" else listed())


def listed() -> str:
    """A line a recipe: its name, and what it changes."""
    lines = []
    for title, names in GROUPS.items():
        if not names:
            continue
        lines += ["", f"{title}:"]
        for name in names:
            said = said_of(LESSONS.get(name), before(name), RECIPES[name])
            lines += textwrap.wrap(f"  {name:<18} {said}", 98, subsequent_indent=21 * " ")
    return "\n".join(lines[1:])


def before(name: str) -> Recipe:
    """The recipe that the named one changes."""
    base = base_of(name)
    return RECIPES[base] if base else Recipe()


def as_json(options: argparse.Namespace) -> str:
    """The recipe of the flags as a file has it, each field; `about` says what it changes."""
    whole, name = chosen_recipe(options), str(options.recipe)
    base = base_of(name) if name in CHANGES else options.recipe.base
    said = changed(RECIPES[base] if base else Recipe(), whole)
    about = f"{base or 'a plain run'}, but {said}" if said else f"{base} as it is"
    content = {"about": about} | ({"base": base} if base else {}) | asdict(whole)
    return json.dumps(content, indent=2, ensure_ascii=False)
