"""A concept is the new idea of a rung, explained once and for all, before anything is measured.

What it says is a teacher's, but its code is the engine's own, read from the source, and its
drawing is made by that code: neither can come to say something else than what runs.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Concept:
    """The idea of a rung.

    `explanation` is three sentences, `formula` MathML, of which `symbols` explains the letters,
    and `caption` says what `drawing` shows. `code`
    is the function that matters, or that part of it whose first and last line begin as `excerpt`
    says. `attempt` says what to try, and `command` how.
    """

    title: str
    explanation: str
    formula: str
    drawing: Callable[[], Figure]
    caption: str
    symbols: str = ""
    code: Callable[..., Any]
    excerpt: tuple[str, str] | None = None
    attempt: str
    command: str
    question: str
    answer: str

    @property
    def place(self) -> str:
        """Where the code stands: file and function."""
        return f"{self.code.__module__.replace('.', '/')}.py, {self.code.__qualname__}"

    @property
    def lines(self) -> str:
        """The code without its docstring, or the excerpt."""
        lines = textwrap.dedent(inspect.getsource(self.code)).splitlines()
        (node,) = ast.parse("\n".join(lines)).body
        assert isinstance(node, ast.FunctionDef)
        if ast.get_docstring(node) is not None:
            del lines[node.body[0].lineno - 1 : node.body[0].end_lineno]
        if self.excerpt:
            ends = [line.strip() for line in lines]
            first, last = (
                next(number for number, line in enumerate(ends) if line.startswith(part))
                for part in self.excerpt
            )
            lines = lines[first : last + 1]
        return textwrap.dedent("\n".join(lines))
