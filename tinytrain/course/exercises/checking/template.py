"""Make the learner's file from the shipped function, so that the two cannot drift apart.

The source is read as a tree, which knows where a body begins and ends and which names it needs.
Names that the function takes from its own file are imported from there and described in a comment
each: they are help, not the answer.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap

from tinytrain.course.exercises.checking.exercise import Exercise

Definition = ast.FunctionDef | ast.ClassDef
UNWRITTEN = "raise NotImplementedError"


def find(node: ast.Module | ast.ClassDef, name: str) -> Definition:
    """The function or class of that name at the top of `node`."""
    found = (part for part in node.body if isinstance(part, Definition) and part.name == name)
    return next(found)


def function_in(exercise: Exercise, source: str) -> ast.FunctionDef:
    """The function to be written, in a source that has it or its class at the top."""
    node = find(ast.parse(source), exercise.shipped.__name__)
    inner = find(node, exercise.method) if isinstance(node, ast.ClassDef) else node
    assert isinstance(inner, ast.FunctionDef)
    return inner


def shipped_source(exercise: Exercise) -> str:
    """The shipped function or class."""
    return inspect.getsource(exercise.shipped)


def with_body(exercise: Exercise, body: str) -> str:
    """The source of the function or class, with `body` in place of the shipped one."""
    source = shipped_source(exercise)
    lines = source.splitlines()
    function = function_in(exercise, source)
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    start = first.end_lineno if documented else first.lineno - 1
    lines[start : function.end_lineno] = [textwrap.indent(body.rstrip(), " " * first.col_offset)]
    return "\n".join(lines) + "\n"


def answer(exercise: Exercise) -> str:
    """The function or class with a right body that is not a single call of torch's."""
    return with_body(exercise, exercise.body) if exercise.body else shipped_source(exercise)


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
    module = sys.modules[exercise.shipped.__module__]
    tree = ast.parse(inspect.getsource(module))
    needing = ast.parse(shipped_source(exercise)), ast.parse(exercise.body)
    used = {node.id for part in needing for node in ast.walk(part) if isinstance(node, ast.Name)}
    used |= {"torch", "Tensor"} if "torch" in vars(module) else set()
    used -= {*hidden, exercise.shipped.__name__}
    groups: tuple[list[str], ...] = [], [], []  # from Python's library, others, this package
    known: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            known |= {name.asname or name.name for name in statement.names}
            wanted = [name for name in statement.names if (name.asname or name.name) in used]
            if wanted:
                statement.names = wanted
                line = ast.unparse(statement)
                package = line.split()[1].partition(".")[0]
                other = package not in sys.stdlib_module_names
                groups[2 if package == "tinytrain" else other].append(line)
    own = [name for name in vars(module) if name in used - known]
    groups[2].extend(f"from {module.__name__} import {name}" for name in own)
    return ["\n".join(group) for group in groups if group], own


def helper_lines(exercise: Exercise, name: str) -> list[str]:
    """A comment that describes a function or class which the answer may use."""
    value = getattr(sys.modules[exercise.shipped.__module__], name)
    if not (inspect.isroutine(value) or inspect.isclass(value)):
        return []
    arguments = ", ".join(inspect.signature(value).parameters)
    summary = (inspect.getdoc(value) or "").partition("\n")[0]
    text = f"{name}({arguments}): {summary}"
    return textwrap.wrap(text, 97, initial_indent="# ", subsequent_indent="#   ")
