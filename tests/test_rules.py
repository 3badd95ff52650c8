"""Rules about the source: raw primitives only, imports one way down, the parser without torch."""

import ast
from pathlib import Path

import pytest

import tinytrain

PACKAGE = Path(tinytrain.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# From the ground up: a file imports only from rows above its own.
ROOMS = [
    ["__init__", "errors"],
    ["arguments"],
    ["streams", "files", "memory", "recipes"],
    ["idx", "options"],
    ["download", "synthetic"],
    ["sources"],
    ["mnist", "augment", "batches"],
    ["deskew"],
    ["nn.functional", "nn.normalise", "nn.module"],
    ["nn.layers", "nn.looks"],
    ["nn.__init__"],
    [
        "nn.flat",
        "nn.fold",
        "nn.inspect",
        "nn.receptive_field",
        "optim.optimizers",
        "optim.schedules",
        "optim.average",
    ],
    ["optim.__init__", "bricks"],
    ["beyond"],
    ["nets"],
    ["training"],
    ["loop", "build", "runs", "log"],
    ["plots", "seeds"],
    ["course.__init__", "course.lessons"],
    ["course.records"],
    ["course.ladder", "course.variations", "course.published"],
    ["course.figures", "course.tables", "course.markup"],
    ["course.page"],
    ["course.render"],
    ["flags"],
    ["train"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
ROOM = {file: number for number, files in enumerate(ROOMS) for file in files}
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
    inner = name.removeprefix("tinytrain").strip(".")
    candidates = [inner, f"{inner}.__init__", inner.rpartition(".")[0]]
    candidates += [f"{candidates[-1]}.__init__".strip(".")]
    return next(candidate for candidate in candidates if candidate in ROOM)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    for name in imported(ast.parse((PACKAGE / path).read_text())):
        if name.startswith("tinytrain"):
            assert ROOM[file_of(name)] < ROOM[module(path)], f"{path} imports {name}"


def test_every_file_has_a_room_and_opens_with_its_lesson():
    for path in FILES:
        assert module(path) in ROOM
        assert max(map(len, (PACKAGE / path).read_text().splitlines())) < 100
        assert ast.get_docstring(ast.parse((PACKAGE / path).read_text()))
