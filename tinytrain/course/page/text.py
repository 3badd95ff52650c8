"""Markdown as HTML, formulas as MathML, and links to the glossary."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape


class Renderer:
    """Renders texts in the order of the page; links each glossary word where it first appears."""

    def __init__(self, glossary: Mapping[str, str]) -> None:
        self.glossary = glossary
        self.unused = sorted(glossary, key=len, reverse=True)  # "held out" before "held"
        self.markdown = MarkdownIt("commonmark", {"html": False})
        self.markdown.renderer.rules["text"] = self._text  # type: ignore[attr-defined]

    def block(self, text: str) -> Markup:
        """Render paragraphs and lists; what stands between two `$$` is a LaTeX formula."""
        parts = re.split(r"(?s)\$\$(.+?)\$\$", text)
        return Markup(
            "".join(
                convert(part.strip(), display="block") if index % 2 else self.markdown.render(part)
                for index, part in enumerate(parts)
            )
        )

    def inline(self, text: str) -> Markup:
        """Render one paragraph, without a tag around it."""
        return Markup(self.markdown.renderInline(text))

    def unlinked(self, text: str) -> Markup:
        """Render one paragraph, without a tag around it or links to the glossary."""
        return Markup(self.markdown.renderInline(text, {"unlinked": True}))

    def _text(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Escape a run of text and link the words of the glossary that were not yet used."""
        shown = str(escape(tokens[index].content))
        in_link = sum(one.nesting for one in tokens[:index] if one.type.startswith("link_"))
        for word in [] if in_link or env.get("unlinked") else list(self.unused):
            said = escape(self.glossary[word])
            linked = f'<a class="word" href="#{anchor(word)}" title="{said}">{word}</a>'
            shown, found = re.subn(rf"\b{word}\b(?![^<]*</a>)", linked, shown, count=1)
            if found:
                self.unused.remove(word)
        return shown


def anchor(word: str) -> str:
    """The id of a word's entry in the glossary."""
    return f"glossary-{word.replace(' ', '-')}"
