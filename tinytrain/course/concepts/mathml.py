"""A formula as a browser shows it, without a library or a font: MathML.

MathML is a tree: a row of letters, numbers and signs, of which some are fractions, roots or sums
with something above and below. The functions here are those parts; a text among them is taken
apart at its spaces. W3C, "MathML Core", 2024.
"""

from __future__ import annotations

from html import escape

Part = str  # of a formula: words that are still to be marked up, or a part that begins with "<"


def formula(*parts: Part) -> str:
    """A formula in a line of its own."""
    return f'<math display="block">{row(*parts)}</math>'


def row(*parts: Part) -> str:
    """Parts beside one another."""
    return f"<mrow>{''.join(map(marked, parts))}</mrow>"


def marked(part: Part) -> str:
    """A part as MathML: "2 x +" are a number, a name and a sign."""
    if part.startswith("<"):
        return part
    return "".join(token(one) for one in part.split())


def token(text: str) -> str:
    """One word: a number, a name or a sign."""
    kind = "mn" if text[0].isdigit() else "mi" if text[0].isalpha() else "mo"
    return f"<{kind}>{escape(text)}</{kind}>"


def fraction(above: Part, below: Part) -> str:
    """One part over another."""
    return f"<mfrac>{row(above)}{row(below)}</mfrac>"


def root(part: Part) -> str:
    """The square root of a part; in brackets, since few fonts have a sign that spans it."""
    return row(f"<mo>√</mo><mo>(</mo>{marked(part)}<mo>)</mo>")


def low(base: Part, index: Part) -> str:
    """A part with an index below it, at its right."""
    return f"<msub>{row(base)}{row(index)}</msub>"


def high(base: Part, exponent: Part) -> str:
    """A part with an exponent."""
    return f"<msup>{row(base)}{row(exponent)}</msup>"


def total(index: Part) -> str:
    """A sum over an index."""
    return f"<munder><mo>∑</mo>{row(index)}</munder>"


def hat(part: Part) -> str:
    """A part with a hat."""
    return f"<mover>{row(part)}<mo>^</mo></mover>"
