"""HTML by hand: a page that stands alone, tables, code, pictures that take the page's colour.

Style and pictures are inside the page; a content security policy sees to it that nothing is
fetched. It suits light and dark, a phone and paper: what is too wide for a phone scrolls alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinytrain.train.plots import as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --page: #fdfdfc; --soft: #7773; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e2; --page: #17181a; --link: #8ab4f8 } }
* { box-sizing: border-box }
body { color: var(--ink); background: var(--page); font: 17px/1.55 system-ui, sans-serif;
  max-width: 46rem; margin: 0 auto; padding: 1rem }
a { color: var(--link) }
h1, h2, h3 { line-height: 1.2; margin: 2.2em 0 .5em }
h1 { margin-top: 1em }
h2 { border-bottom: 1px solid var(--soft); padding-bottom: .2em }
pre, .wide { overflow-x: auto }
pre, code { font: 13px/1.45 ui-monospace, monospace }
pre { background: var(--soft); padding: .8em; border-radius: 6px }
table { border-collapse: collapse; font-size: 14px }
th, td { padding: .2em .7em; border-bottom: 1px solid var(--soft); text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap }
th { vertical-align: bottom }
td:first-child, th:first-child { text-align: left; font-weight: inherit }
svg { width: 100%; height: auto }
svg text { fill: currentColor }
svg text[style*="fill"] { fill: revert-layer }
.wide svg { min-width: 34rem }
dt { font-weight: 600 } dd { margin: 0 0 .6em }
details { margin: .8em 0 } summary { cursor: pointer }
@media print {
  section { break-inside: avoid }
  details::details-content { content-visibility: visible }
  pre, .wide { overflow: visible; white-space: pre-wrap }
}
"""


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page with these parts, HTML already, in its body."""
    head = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
        "style-src 'unsafe-inline'; img-src data:\">",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
    ]
    return "\n".join([*head, *parts, "</body></html>\n"])


def table(cells: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the first one the header, as an HTML table; cells are HTML already."""
    head, *body = cells
    lines = ["<table><tr>", *(f"<th scope='col'>{cell}</th>" for cell in head), "</tr>"]
    for name, *row in body:
        lines += [f"<tr><th scope='row'>{name}</th>", *(f"<td>{cell}</td>" for cell in row)]
        lines.append("</tr>")
    return "".join(lines) + "</table>"


def escape(text: str) -> str:
    """Text as HTML."""
    return html.escape(text, quote=False)


def wide(content: str) -> str:
    """Something that may be wider than a phone: it scrolls by itself."""
    return f"<div class='wide' tabindex='0'>{content}</div>"


def listing(text: str) -> str:
    """Code, as it is."""
    return f"<pre tabindex='0'>{escape(text)}</pre>"


def picture(title: str, figure: Figure) -> str:
    """A figure as part of a page: its lines and its text take the page's colour."""
    svg = as_svg(figure)
    drawing = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    drawing = re.sub(
        r' id="(figure|axes|patch|matplotlib|xtick|ytick|text|line2d)[^"]*"', "", drawing
    )
    label = html.escape(title, quote=True)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return drawing.replace("#000000", "currentColor")
