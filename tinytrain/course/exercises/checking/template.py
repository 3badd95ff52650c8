"""Make the learner's file from the shipped function, so that the two cannot drift apart.

The source is read as a tree, which knows where a body begins and ends and which names it needs.
Names that the function takes from its own file are imported from there and described in a comment
each: they are help, not the answer.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import ModuleType

from tinytrain.course.exercises.checking.exercise import Exercise

Definition = ast.FunctionDef | ast.ClassDef
UNWRITTEN = "raise NotImplementedError"


def module_of(exercise: Exercise) -> ModuleType:
    """The module of the shipped function."""
    module = inspect.getmodule(exercise.shipped)
    assert module is not None
    return module


def definition(exercise: Exercise) -> Definition:
    """The shipped function or class, in the tree of its file."""
    tree = ast.parse(inspect.getsource(module_of(exercise)))
    return find(tree, exercise.shipped.__name__)


def find(tree: ast.Module | ast.ClassDef, name: str) -> Definition:
    """The function or class of that name at the top of `tree`."""
    return next(node for node in tree.body if isinstance(node, Definition) and node.name == name)


def function_in(exercise: Exercise, node: Definition) -> ast.FunctionDef:
    """The function whose body is the answer: `node`, or a method of it."""
    inner = find(node, exercise.method) if isinstance(node, ast.ClassDef) else node
    assert isinstance(inner, ast.FunctionDef)
    return inner


def shipped_source(exercise: Exercise) -> str:
    """The shipped function or class."""
    return with_body(exercise, None)


def with_body(exercise: Exercise, body: str | None) -> str:
    """The source of the function or class, with `body` in place of the shipped one."""
    node = definition(exercise)
    inner = function_in(exercise, node)
    lines = inspect.getsource(module_of(exercise)).splitlines()
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    documented = ast.get_docstring(inner) is not None
    body_starts = inner.body[0].end_lineno if documented else inner.body[0].lineno - 1
    new = lines[body_starts : inner.end_lineno]
    if body is not None:
        new = textwrap.indent(body.rstrip(), " " * inner.body[0].col_offset).splitlines()
    kept = lines[first - 1 : body_starts] + new + lines[inner.end_lineno : node.end_lineno]
    return "\n".join(kept) + "\n"


def answer(exercise: Exercise) -> str:
    """The function or class with a right body that is not a single call of torch's."""
    return with_body(exercise, exercise.body or None)


def template(exercise: Exercise) -> str:
    """The learner's file at the start."""
    return as_file(exercise, with_body(exercise, UNWRITTEN), exercise.hidden)


def as_file(exercise: Exercise, source: str, hidden: tuple[str, ...] = ()) -> str:
    """A file with the task, the imports that the answer needs, and `source`."""
    imports, own = imported(exercise, hidden)
    command = f"python -m tinytrain exercise check {exercise.name}"
    task = f"Write the body of {exercise.function}, then: {command}"
    opening = "\n\n".join([f"{exercise.title}.", textwrap.fill(exercise.why, 99), task])
    parts = [f'"""{opening}\n"""', "from __future__ import annotations", *imports]
    if helpers := [line for name in own for line in helper_lines(exercise, name)]:
        parts.append("\n".join(helpers))
    return "\n\n".join(parts) + "\n\n\n" + source


def imported(exercise: Exercise, hidden: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The import statements that the answer needs, in groups, and its names from its own file."""
    module = module_of(exercise)
    tree = ast.parse(inspect.getsource(module))
    needing = definition(exercise), ast.parse(exercise.body)
    used = {node.id for part in needing for node in ast.walk(part) if isinstance(node, ast.Name)}
    used |= {"torch", "Tensor"} if "torch" in vars(module) else set()
    used -= {*hidden, exercise.shipped.__name__}
    others: list[str] = []
    package: list[str] = []
    own: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            statement.names = [
                name for name in statement.names if (name.asname or name.name) in used
            ]
            if statement.names:
                line = ast.unparse(statement)
                (package if line.startswith("from tinytrain") else others).append(line)
        elif isinstance(statement, Definition):
            own += [statement.name] if statement.name in used else []
        else:
            own += [
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Store)
                and node.id in used
            ]
    package += [f"from {module.__name__} import {name}" for name in own]
    return ["\n".join(group) for group in (others, package) if group], own


def helper_lines(exercise: Exercise, name: str) -> list[str]:
    """A comment that describes a function or class which the answer may use."""
    value = getattr(module_of(exercise), name)
    if not (inspect.isroutine(value) or inspect.isclass(value)):
        return []
    arguments = ", ".join(inspect.signature(value).parameters)
    summary = (inspect.getdoc(value) or "").partition("\n")[0]
    text = f"{name}({arguments}): {summary}"
    return textwrap.wrap(text, 97, initial_indent="# ", subsequent_indent="#   ")
