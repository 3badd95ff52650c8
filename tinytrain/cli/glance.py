"""What a look at a learner's file tells is told at once: to import torch takes seconds.

That a file is no Python program, and that the body is still to be written, is seen in its tree.
"""

from __future__ import annotations

import argparse
import ast
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tinytrain.errors import TinytrainError, no_program


class NotYet(TinytrainError):
    """A check that was not passed."""


def command(options: argparse.Namespace, *words: str) -> str:
    """A command to go on with, in the learner's folder."""
    folder = [] if options.folder == Path("exercises") else ["--folder", str(options.folder)]
    return shlex.join(["python", "-m", "tinytrain", "exercise", *words, *folder])


def written_name(name: str) -> str:
    """An exercise's name, also where it was given as that of its file."""
    return name.removesuffix(".py").replace("_", "-")


def glance(options: argparse.Namespace) -> None:
    """Look at the file that is to be checked. Raises UsageError or NotYet for what is seen."""
    if options.what != "check" or options.name is None or options.json:
        return
    name = written_name(options.name)
    path = options.folder / f"{name.replace('-', '_')}.py"
    with suppress(OSError, MemoryError, RecursionError):  # a whole check says why
        source = path.read_bytes() if path.is_file() else b""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:
            raise no_program(path, error) from error
        for function in unwritten(tree):
            print(f"{name}: not yet; the body of {function} is still to be written")
            raise NotYet(not_passed(options, name))


def not_passed(options: argparse.Namespace, *names: str) -> str:
    """What to say of exercises that are not passed."""
    return f"not yet passed: {', '.join(names)}; {command(options, 'hint', names[0])}"


def unwritten(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    """The functions and methods that do nothing but raise NotImplementedError."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{method}" for method in unwritten(node))
        elif isinstance(node, ast.FunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            if body and ast.unparse(body[0]).startswith("raise NotImplementedError"):
                yield node.name
