"""Recipes: the settings of a run, by name; each states only what it changes in another.

`recipe`: the settings; `ladder`: the curriculum's rungs; `variations`: other recipes; `changes`:
how two differ, in words; `build`: a `Training` from a recipe. Only `build` loads torch.
"""

from dataclasses import replace

from tinytrain.recipes.ladder import LADDER
from tinytrain.recipes.recipe import OLD_NAMES, OWN, Recipe, checked, shown
from tinytrain.recipes.variations import ABLATION, FRONTIER, OTHER_DATA, VIEWS

__all__ = ["BASES", "CHANGES", "LADDER", "OLD_NAMES", "OWN", "RECIPES"]
__all__ += ["Recipe", "checked", "shown"]

# All named recipes: what each changes, in which other (net1 in none), and the recipe itself.
CHANGES = LADDER | ABLATION | VIEWS | FRONTIER | OTHER_DATA
BASES: dict[str, str | None] = dict.fromkeys(CHANGES, "final")
BASES |= dict(zip(LADDER, [None, *LADDER], strict=False))
BASES |= dict.fromkeys(("net9-dilation-2", "net9-dilation-3"), "net9")
RECIPES: dict[str, Recipe] = {}
for name, base in BASES.items():
    RECIPES[name] = replace(RECIPES[base] if base else Recipe(), **CHANGES[name])
# One of your own: RECIPES["mine"] = replace(RECIPES["final"], lr=0.02)
