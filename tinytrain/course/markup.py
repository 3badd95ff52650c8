"""A page that fetches nothing, and runs nothing but what it was made with.

Its first words to the browser are a policy: nothing from elsewhere, and of styles and scripts only
those with these digests. Whatever else finds its way into the page stays text. For that no element
may carry a style of its own, so what matplotlib writes into its SVG becomes plain attributes. W3C,
"Content Security Policy Level 3".
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tinytrain.plots.drawing import as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """The content security policy of a page with these styles and scripts.

    Pictures are part of the page; a worker is made by a script of it, from text that it has.
    """
    known = f"style-src {digests(styles)}; script-src {digests(scripts)}"
    return f"default-src 'none'; {known}; img-src data:; worker-src blob:"


def digests(texts: Iterable[str]) -> str:
    """The sha256 of each text, as a policy names it; 'none' without any."""
    found = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{one}'" for one in found) or "'none'"


def picture(title: str, figure: Figure) -> dict[str, str]:
    """A figure's title and SVG; lines and text take the page's colour."""
    svg = as_svg(figure)
    svg = re.sub(r"(?s)<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :])
    svg = re.sub(r'id="(light|signed)[^"]*"', r'class="\1"', svg)
    svg = re.sub(r' id="(figure|axes|patch|matplotlib|xtick|ytick|text|line2d)[^"]*"', "", svg)
    svg = re.sub(r' style="([^"]*)"', lambda found: attributes(found[1]), svg)
    return {"title": title, "svg": svg.replace("#000000", "currentColor")}


def attributes(style: str) -> str:
    """The declarations of an SVG style as attributes; of a font only the size."""
    pairs = (one.split(":", 1) for one in style.split(";") if one.strip())
    declared = {name.strip(): value.strip() for name, value in pairs}
    if "font" in declared:
        found = re.search(r"[\d.]+px", declared.pop("font"))
        declared["font-size"] = found[0] if found else "10px"
    return "".join(f' {name}="{value}"' for name, value in declared.items())
