"""Make the learner's file from the shipped function, so that the two cannot drift apart.

Names that the function takes from its own file are imported from there and described in a comment
each: they are help, not the answer.
"""

import ast
import inspect
import sys
import textwrap
from types import ModuleType
from typing import Any

from tinytrain.course.exercises.checking.exercise import Exercise
from tinytrain.course.exercises.checking.folder import UNWRITTEN


def with_body(exercise: Exercise, body: str) -> str:
    """The source of the function or class, with `body` in place of the shipped one."""
    source = inspect.getsource(exercise.shipped)
    lines = source.splitlines()
    node: Any = ast.parse(source)
    for name in exercise.function.split("."):  # the function, or the class and its method
        node = next(part for part in node.body if getattr(part, "name", "") == name)
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    start = first.end_lineno if documented else first.lineno - 1
    lines[start : node.end_lineno] = [textwrap.indent(body.rstrip(), " " * first.col_offset)]
    return "\n".join(lines) + "\n"


def answer(exercise: Exercise) -> str:
    """The function or class with a right body that is not a single call of torch's."""
    if exercise.body:
        return with_body(exercise, exercise.body)
    return inspect.getsource(exercise.shipped)


def with_mistake(exercise: Exercise, name: str) -> str:
    """The answer with one of the exercise's known mistakes in it."""
    return answer(exercise).replace(*exercise.known_mistakes[name])


def template(exercise: Exercise) -> str:
    """The learner's file at the start."""
    return as_file(exercise, with_body(exercise, UNWRITTEN))


def as_file(exercise: Exercise, source: str) -> str:
    """A file with the task, the imports that the answer needs, and `source`."""
    command = f"python -m tinytrain exercise check {exercise.name}"
    task = f"Write the body of {exercise.function}, then: {command}"
    opening = "\n\n".join([f"{exercise.title}.", textwrap.fill(exercise.why, 99), task])
    parts = [f'"""{opening}\n"""', "from __future__ import annotations", *imports(exercise)]
    return "\n\n".join(parts) + "\n\n\n" + source


def imports(exercise: Exercise) -> list[str]:
    """The import statements that the answer needs, in groups, and comments on what they give."""
    module = sys.modules[exercise.shipped.__module__]
    nodes = ast.walk(ast.parse(answer(exercise)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)} | {"torch", "Tensor"}
    groups: list[list[str]] = [[], [], []]  # Python's library, others, this package
    comments = []
    for name in sorted(used & vars(module).keys() - {exercise.shipped.__name__}):
        value = vars(module)[name]
        if isinstance(value, ModuleType):
            home, _, last = value.__name__.rpartition(".")
            imported = last if last == name else f"{last} as {name}"
        else:
            defined = getattr(value, "__name__", "") == name  # a function or class, no constant
            home, imported = value.__module__ if defined else module.__name__, name
            if defined and home == module.__name__:
                arguments = ", ".join(inspect.signature(value).parameters)
                summary = (inspect.getdoc(value) or "").partition("\n")[0]
                text = f"# {name}({arguments}): {summary}"
                comments += textwrap.wrap(text, 99, subsequent_indent="#   ")
        package = (home or imported).partition(".")[0].partition(" ")[0]
        group = 2 if package == "tinytrain" else package not in sys.stdlib_module_names
        groups[group].append(f"from {home} import {imported}" if home else f"import {imported}")
    ordered = [sorted(lines, key=lambda line: (line.startswith("from"), line)) for lines in groups]
    return ["\n".join(lines) for lines in (*ordered, comments) if lines]
