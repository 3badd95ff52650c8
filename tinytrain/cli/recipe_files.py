"""Recipes in files: a file names a base and the fields that it changes.

    {"base": "final", "lr": 0.02}

That is all of mine.json for `--recipe mine.json`; the base is `final` where none is named, and
"about" may hold a note. A file is not Python: it can say nothing but values, and each is checked
against its field of `recipes.Recipe`, as a flag is, before anything starts.
"""

import argparse
import json
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tinytrain.errors import UsageError, did_you_mean
from tinytrain.recipes import OLD_NAMES, RECIPES, Recipe, checked, shown

BASE = "final"
FIELDS = {field.name: field for field in fields(Recipe)}
LARGEST = 1 << 20  # bytes of a file, which may be a device without end
MOST_OVERRIDES = 6  # that a folder's name says; a name has 255 bytes at most


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe as given on the command line: `word`, a name or a file, which changes `base`."""

    word: str
    base: str
    changes: dict[str, Any]

    def __str__(self) -> str:
        return self.word

    @property
    def recipe(self) -> Recipe:
        """The recipe itself."""
        return replace(RECIPES[self.base], **self.changes)

    @property
    def in_file(self) -> bool:
        """Whether it stands in a file; a recipe's name never looks like one."""
        return self.word.endswith(".json") or "/" in self.word or "\\" in self.word


def named(word: str, expected: str = "--recipe: expected a recipe's name") -> NamedRecipe:
    """The recipe of a name, or of a file, which is told by .json or a slash. Raises UsageError.

    A file is read here, and only here: it may be a pipe.
    """
    recipe = NamedRecipe(word, word, {})
    if recipe.in_file:
        return NamedRecipe(word, *read(Path(word)))
    require_recipe(word, expected, word)
    return recipe


def require_recipe(name: object, expected: str, found: str) -> None:
    """Raise UsageError, which says what was expected and found, where no recipe has the name."""
    if not isinstance(name, str) or name not in RECIPES:
        names = "(python -m tinytrain recipe list) or FILE.json"
        raise UsageError(f"{expected} {names}, found {found}{did_you_mean(str(name), RECIPES)}")


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """The base in a file, and the fields that the file changes in it, each checked."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs = [(OLD_NAMES.get(name, name), value) for name, value in pairs]
        names = [name for name, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"{path}: {twice[0]}: expected once, found {names.count(twice[0])}×")
        return dict(pairs)

    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise UsageError(f"{path}: expected a recipe of at most {LARGEST} bytes, found more")
        content = json.loads(text.decode("utf-8-sig"), object_pairs_hook=once)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a recipe ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: expected JSON, found: {error}") from error
    if not isinstance(content, dict):
        example = '{"base": "final", "lr": 0.02}'
        raise UsageError(f"{path}: expected an object such as {example}, found {shown(content)}")
    base, about = content.pop("base", BASE), content.pop("about", "")
    require_recipe(base, f"{path}: base: expected a recipe's name", shown(base))
    if not isinstance(about, str):
        raise UsageError(f"{path}: about: expected a text, found {shown(about)}")
    for name in content:
        if name not in FIELDS:
            advice = f"python -m tinytrain recipe show has them all{did_you_mean(name, FIELDS)}"
            raise UsageError(f"{path}: {shown(name)}: expected a field of a recipe; {advice}")
    try:
        return base, {name: checked(FIELDS[name], value) for name, value in content.items()}
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def label(options: argparse.Namespace) -> str:
    """The recipe's part of a folder's name, such as final-lr0.02-holdout5000.

    After the name stand what flags change, the frozen layers, the run whose weights it begins
    with, and which training images play the test set.
    """
    parts = []
    for name in FIELDS:
        named, words = getattr(options.recipe.recipe, name), name.replace("_", "-")
        value = getattr(options, name, named)
        if value == named:
            continue
        if isinstance(value, bool):
            parts.append(words if value else f"no-{words}")
        else:
            parts.append(value if isinstance(value, str) else f"{words}{value:g}")
    if len(parts) > MOST_OVERRIDES:
        parts[MOST_OVERRIDES:] = [f"{len(parts) - MOST_OVERRIDES}more"]
    if options.freeze:
        parts.append(f"freeze-{options.freeze}")
    if start := getattr(options, "from"):
        parts.append(f"from-{plain(start)}")
    if options.fold:
        parts.append(f"fold{options.fold.replace('/', 'of')}")
    elif options.holdout:
        parts.append(f"holdout{options.holdout}")
    return "-".join(plain(part) for part in [options.recipe.word.removesuffix(".json"), *parts])


def plain(text: str) -> str:
    """The last part of a path, with - for what is no letter, digit, dot or sign: for a name."""
    last = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:40] or "own"
