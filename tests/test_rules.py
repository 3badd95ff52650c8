"""Rules about the source: raw primitives only, imports one way down, the parser without torch."""

import ast
from pathlib import Path

import pytest

import tinytrain

PACKAGE = Path(tinytrain.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# From the ground up: a file imports only from rooms before its own, and from its own.
ROOMS = ["errors", "streams", "recipes", "nn", "data", "optim", "nets", "train", "course", "cli"]
FORBIDDEN = ("torch.nn", "torch.optim", "torch.utils", "torch._C", "torch.ops", "torchvision")


def module(path):
    return ".".join(path.with_suffix("").parts)


def imported(tree):
    """The full names that a file imports: a.b for "import a.b" and for "from a import b"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node):
    """ "torch.nn.functional" for the expression that says so."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join(reversed([*names, node.id])) if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", FILES, ids=str)
def test_raw_primitives_only(path):
    tree = ast.parse((PACKAGE / path).read_text())
    used = {*imported(tree), *(dotted(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute))}
    assert not [name for name in used if f"{name}.".startswith(tuple(f"{f}." for f in FORBIDDEN))]


def file_of(name):
    """The file of the package that a full name belongs to: itself a file, or defined in one."""
    path = Path(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py", path.with_suffix(".py")):
        if name.count(".") and candidate in FILES:
            return candidate
    return file_of(name.rpartition(".")[0]) if name.count(".") > 1 else Path("__init__.py")


def imports():
    """For every file the files of the package that it imports."""
    return {
        path: {
            file_of(name)
            for name in imported(ast.parse((PACKAGE / path).read_text()))
            if name.split(".")[0] == "tinytrain"
        }
        for path in FILES
    }


def test_imports_point_down():
    for path, others in imports().items():
        room = path.parts[0].removesuffix(".py")
        if room.startswith("__"):
            continue  # the two doors: `import tinytrain` and `python -m tinytrain`
        below = ROOMS[: ROOMS.index(room) + 1]
        for other in others:
            assert other.parts[0].removesuffix(".py") in ["__init__", *below], (path, other)


def test_imports_within_a_room_go_one_way():
    left = {path: others - {path} for path, others in imports().items()}
    # A room's face names its files, and they do not look back at it.
    left = {p: {o for o in others if o.name != "__init__.py"} for p, others in left.items()}
    while free := [path for path, others in left.items() if not others]:
        for path in free:
            del left[path]
        left = {path: others.difference(free) for path, others in left.items()}
    assert not left, "these import each other"


def test_every_file_opens_with_its_lesson():
    for path in FILES:
        assert max(map(len, (PACKAGE / path).read_text().splitlines())) < 100
        assert ast.get_docstring(ast.parse((PACKAGE / path).read_text()))
