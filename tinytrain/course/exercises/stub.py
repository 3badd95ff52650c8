"""A stub is the shipped function without its body, so the two cannot drift apart.

The source is read as a tree, which knows where a body begins and ends and which names it needs;
what is kept is kept as it was written. Names that the function takes from its own file are
imported from there, and said in a line each: they are help, not the answer.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType

from tinytrain.course.exercises.exercise import Exercise

Definition = ast.FunctionDef | ast.ClassDef
UNWRITTEN = "raise NotImplementedError"


def module_of(exercise: Exercise) -> ModuleType:
    """The file that the function is shipped in."""
    module = inspect.getmodule(exercise.shipped)
    assert module is not None
    return module


def definition(exercise: Exercise) -> ast.FunctionDef | ast.ClassDef:
    """The shipped function or class, in the tree of its file."""
    tree = ast.parse(inspect.getsource(module_of(exercise)))
    return named(tree, exercise.shipped.__name__)


def named(tree: ast.Module | ast.ClassDef, name: str) -> Definition:
    """The function or class of that name, right below `tree`."""
    found = (node for node in tree.body if isinstance(node, Definition) and node.name == name)
    return next(found)


def written(exercise: Exercise, node: Definition) -> ast.FunctionDef:
    """The function whose body is the answer: `node`, or the method of the class."""
    inner = named(node, exercise.method) if isinstance(node, ast.ClassDef) else node
    assert isinstance(inner, ast.FunctionDef)
    return inner


def with_body(exercise: Exercise, body: str) -> str:
    """The source of the function or class, with `body` in place of the shipped one."""
    node = definition(exercise)
    inner = written(exercise, node)
    lines = inspect.getsource(module_of(exercise)).splitlines()
    documented = ast.get_docstring(inner) is not None
    start = inner.body[0].end_lineno if documented else inner.body[0].lineno - 1
    assert start is not None and inner.end_lineno is not None and node.end_lineno is not None
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    new = textwrap.indent(body.rstrip(), " " * inner.body[0].col_offset).splitlines()
    kept = lines[first - 1 : start] + new + lines[inner.end_lineno : node.end_lineno]
    return "\n".join(kept) + "\n"


def shipped_source(exercise: Exercise) -> str:
    """The shipped function or class, as it is."""
    node = definition(exercise)
    lines = inspect.getsource(module_of(exercise)).splitlines()
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno]) + "\n"


def answer(exercise: Exercise) -> str:
    """The function or class with a body that is right, and is not one call of torch's."""
    return with_body(exercise, exercise.by_hand) if exercise.by_hand else shipped_source(exercise)


def imports(exercise: Exercise, withheld: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The import statements that the source needs, and what it takes from its own file."""
    module = module_of(exercise)
    tree, node = ast.parse(inspect.getsource(module)), definition(exercise)
    bodies = node, ast.parse(exercise.by_hand)
    used = {one.id for body in bodies for one in ast.walk(body) if isinstance(one, ast.Name)}
    used |= {"torch", "Tensor"} if "torch" in vars(module) else set()
    used -= {*withheld, node.name}
    groups: list[list[str]] = [[], [], []]  # Python's, others', the package's
    own: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            wanted = [one for one in statement.names if (one.asname or one.name) in used]
            if wanted:
                statement.names = wanted
                first = getattr(statement, "module", wanted[0].name) or ""
                groups[group(first.partition(".")[0])].append(ast.unparse(statement))
        elif isinstance(statement, Definition):
            own += [statement.name] if statement.name in used else []
        else:
            own += [name for name in assigned(statement) if name in used]
    groups[2] += [f"from {module.__name__} import {name}" for name in own]
    return ["from __future__ import annotations", *("\n".join(one) for one in groups if one)], own


def group(package: str) -> int:
    """Where an import stands: 0 for what comes with Python, 2 for what is tinytrain's."""
    return 2 if package == "tinytrain" else int(package not in sys.stdlib_module_names)


def assigned(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a file gives to values."""
    for one in ast.walk(statement):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            yield one.id


def help_lines(exercise: Exercise, own: list[str]) -> list[str]:
    """What the functions are that the file offers: a comment each."""
    lines = []
    for name in own:
        value = getattr(module_of(exercise), name)
        if inspect.isroutine(value) or inspect.isclass(value):
            said = (inspect.getdoc(value) or "").partition("\n")[0]
            text = f"{name}{plain_signature(value)}: {said}"
            lines += textwrap.wrap(text, 97, initial_indent="# ", subsequent_indent="#   ")
    return lines


def plain_signature(function: object) -> str:
    """The names of a function's arguments."""
    assert callable(function)
    return f"({', '.join(inspect.signature(function).parameters)})"


def stub(exercise: Exercise) -> str:
    """The learner's file at the start."""
    return as_file(exercise, with_body(exercise, UNWRITTEN), exercise.withheld)


def as_file(exercise: Exercise, source: str, withheld: tuple[str, ...] = ()) -> str:
    """A file that has `source`, what it imports, and the task above it."""
    lines, own = imports(exercise, withheld)
    task = f"Write the body of {exercise.function}, then: "
    task += f"python -m tinytrain exercise check {exercise.name}"
    opening = "\n\n".join([f"{exercise.title}.", textwrap.fill(exercise.why, 99), task])
    there = help_lines(exercise, own)
    parts = [f'"""{opening}\n"""', *lines, *(["\n".join(there)] if there else [])]
    return "\n\n".join(parts) + "\n\n\n" + source
