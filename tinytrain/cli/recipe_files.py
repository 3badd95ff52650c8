"""Recipes in files: a file names a base and the fields that it changes.

    {"base": "final", "lr": 0.02}

That is all of mine.json for `--recipe mine.json`; the base is `final` where none is named, and
"about" may hold a note. A file is not Python: it can say nothing but values, and each is checked
against its field of `recipes.Recipe`, as a flag is, before anything starts.
"""

import json
import re
from collections.abc import Sequence
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
        """Whether it stands in a file."""
        return is_file(self.word)


def named(word: str, place: str = "--recipe") -> NamedRecipe:
    """The recipe of a name, or of a file, which is told by .json or a slash. Raises UsageError.

    A file is read here, and only here: it may be a pipe.
    """
    if is_file(word):
        return NamedRecipe(word, *read(Path(word)))
    require_recipe(word, place, word)
    return NamedRecipe(word, word, {})


def is_file(word: str) -> bool:
    """Whether the word means a file; a recipe's name never does."""
    return word not in RECIPES and (word.endswith(".json") or "/" in word or "\\" in word)


def require_recipe(name: object, place: str, found: str) -> None:
    """Raise UsageError, which says what was found in `place`, where no recipe has the name."""
    if not isinstance(name, str) or name not in RECIPES:
        expected = "a recipe's name (python -m tinytrain recipe list) or FILE.json"
        close = did_you_mean(str(name), RECIPES)
        raise UsageError(f"{place}: expected {expected}, found {found}{close}")


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
    require_recipe(base, f"{path}: base", shown(base))
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


def flag_words(values: dict[str, Any]) -> list[str]:
    """The flags that give these values: --lr=0.02."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def self_contained(words: Sequence[str], recipe: NamedRecipe) -> list[str]:
    """Replace the name of a recipe's file in a command by what the file says, as flags.

    That comes first, since of a flag that is given twice the last counts.
    """
    if not recipe.in_file:
        return list(words)
    command, *rest = words
    rest = [word for word in rest if not word.startswith("--recipe=")]
    while "--recipe" in rest:
        place = rest.index("--recipe")
        del rest[place : place + 2]
    return [command, *flag_words({"recipe": recipe.base} | recipe.changes), *rest]


def label(named: NamedRecipe, recipe: Recipe) -> str:
    """The recipe's part of a folder's name, such as final-lr0.02 for final with another rate.

    What `recipe` has other than the one that was named stands after the name.
    """
    parts = []
    for name in FIELDS:
        value, words = getattr(recipe, name), name.replace("_", "-")
        if value == getattr(named.recipe, name):
            continue
        if isinstance(value, bool):
            parts.append(words if value else f"no-{words}")
        else:
            parts.append(value if isinstance(value, str) else f"{words}{value:g}")
    if len(parts) > MOST_OVERRIDES:
        parts[MOST_OVERRIDES:] = [f"{len(parts) - MOST_OVERRIDES}more"]
    return "-".join(plain(part) for part in [named.word.removesuffix(".json"), *parts])


def tested_on(holdout: int, fold: str) -> str:
    """The part of a folder's name that says which training images play the test set, if any."""
    return f"-fold{fold.replace('/', 'of')}" if fold else f"-holdout{holdout}" if holdout else ""


def plain(text: str) -> str:
    """The last part of a path, with - for what is no letter, digit, dot or sign: for a name."""
    last = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:40] or "own"
