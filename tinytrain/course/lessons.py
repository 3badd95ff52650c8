"""Read the lessons of the rungs and the other texts of the course from their Markdown files.

A lesson, `rungs/NAME.md`, begins with settings between two lines of `---`, a `name: value` a line;
then each `## Heading` begins a section. The fields of `Lesson` say which there are. A lesson
contains no measured number; that something gains or costs is said only where the interval leaves
out zero.
"""

import inspect
import pydoc
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
STEPS = {
    1: "The right skeleton",
    2: "Lighter",
    3: "Batch norm",
    4: "Regularisation",
    5: "Capacity in the right place",
    6: "Augmentation",
    7: "The optimizer",
    8: "Holding the target",
    9: "More use of each parameter",
}


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """The lesson of a rung; its texts are Markdown.

    `concept` is the title of the new idea, `drawing` a function of `course.drawings`, `code` the
    full name of a function, of which `lines` names the first and the last line to show, by their
    beginnings: `first … last`. `command` is what to type after `python -m tinytrain` to try it.
    `against` names the rung that it is compared with where that is not the one before, `compare`
    further ones. `settings` are those of the
    training in the page that shows the rung's point, such as net=net1&lr=0.003, as `live` says.
    """

    title: str
    step: int
    concept: str
    drawing: str
    code: str
    command: str
    lines: str = ""
    against: str = ""
    compare: tuple[str, ...] = ()
    settings: str = ""
    # The sections.
    idea: str
    formula: str
    caption: str
    try_it: str
    question: str
    answer: str
    change: str
    target: str
    analysis: str
    live: str = ""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that `code` names."""
        found: Any = pydoc.locate(self.code)
        assert inspect.isfunction(found), self.code
        return found

    @property
    def place(self) -> str:
        """The file and the name of the function."""
        return f"{self.function.__module__.replace('.', '/')}.py, {self.function.__qualname__}"

    @property
    def source(self) -> str:
        """The source of the function without its docstring, or the `lines` of it."""
        source = textwrap.dedent(inspect.getsource(self.function))
        lines = re.sub(r'(?s)^ *""".*?"""\n', "", source, count=1, flags=re.M).splitlines()
        if self.lines:
            stripped = [line.strip() for line in lines]
            first, last = (
                next(number for number, line in enumerate(stripped) if line.startswith(part))
                for part in self.lines.split(" … ")
            )
            lines = lines[first : last + 1]
        return textwrap.dedent("\n".join(lines))


@cache
def read_lesson(name: str) -> Lesson | None:
    """Read the lesson of a rung; None where it has none."""
    path = FOLDER / "rungs" / f"{name}.md"
    return parse_lesson(path.read_text("utf-8")) if path.exists() else None


def parse_lesson(text: str) -> Lesson:
    """Parse a lesson. Raises TypeError for settings or sections that are missing or unknown."""
    _, settings, body = text.split("---\n", 2)
    values: dict[str, Any] = dict(line.split(": ", 1) for line in settings.splitlines())
    values["step"] = int(values["step"])
    values["compare"] = tuple(values.get("compare", "").split())
    for name, section in sections(body).items():
        values[name.lower().replace(" ", "_")] = section
    return Lesson(**values)


def sections(text: str) -> dict[str, str]:
    """Split Markdown at its `## Heading`s; every paragraph becomes one line."""
    parts = re.split(r"(?m)^## (.+)\n", text)[1:]
    return {name: unwrapped(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def read_text(name: str) -> str:
    """Read a text of the course, `texts/NAME.md`."""
    return (FOLDER / "texts" / f"{name}.md").read_text("utf-8")
