"""Rules about the source: raw primitives only, imports one way down, short files, plain names."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import tinytrain

PACKAGE = Path(tinytrain.__file__).parent
REPOSITORY = Path(__file__).parent.parent

# From the ground up: a file imports only from rooms before its own, and from its own.
GROUND = ["signals", "errors", "streams", "recipes"]
ROOMS = [*GROUND, "nn", "data", "optim", "nets", "train", "course", "cli"]
DOORS = {"tinytrain", "tinytrain.__main__"}  # they open on every room
FORBIDDEN = ("torch.nn", "torch.optim", "torch.utils", "torch._C", "torch.ops", "torchvision")


def module(path):
    """tinytrain.nn.layers for nn/layers.py, tinytrain.nn for nn/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


SOURCES = {module(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
every_module = pytest.mark.parametrize("name", SOURCES)


def imported(tree):
    """The full names that a file imports: a.b for "import a.b" and for "from a import b"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_imported(name):
    """The modules of the package that a module imports: nn.layers for nn.layers.Conv2d."""
    for other in imported(TREES[name]):
        while other and other not in TREES:
            other = other.rpartition(".")[0]
        if other:
            yield other


def floor(name):
    """How far a module's room is from the ground."""
    return ROOMS.index(name.split(".")[1])


@every_module
def test_raw_primitives_only(name):
    expressions = (ast.unparse(n) for n in ast.walk(TREES[name]) if isinstance(n, ast.Attribute))
    for used in {*imported(TREES[name]), *expressions}:
        assert not f"{used}.".startswith(tuple(f"{forbidden}." for forbidden in FORBIDDEN))


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - DOORS))
def test_imports_point_down(name):
    assert all(floor(other) <= floor(name) for other in {*modules_imported(name)} - DOORS)


def test_imports_go_one_way():
    graph = {name: {*modules_imported(name)} for name in SOURCES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@every_module
def test_a_file_opens_with_its_lesson_and_is_short(name):
    lines = SOURCES[name].splitlines()
    assert ast.get_docstring(TREES[name])
    assert len(lines) <= 250 and max(map(len, lines)) < 100


def defined(tree):
    """The names that a file gives to something: a function, class, argument, variable, field."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or ""
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@every_module
def test_no_name_is_private(name):
    own = [*defined(TREES[name]), name.rpartition(".")[2]]
    assert not [one for one in own if re.fullmatch("_.+(?<!__)", one)]  # __init__ is Python's


def test_the_top_shows_the_rooms_and_few_files():
    top = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert {path.name for path in top if path.is_dir()} <= {*ROOMS}
    assert len([path for path in top if path.is_file()]) <= 7


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    path = REPOSITORY / page
    targets = re.findall(r"\]\(([^)#]+)", path.read_text())
    assert targets
    for target in targets:
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_the_page_has_little_script():
    lines = [line for path in PACKAGE.rglob("*.js") for line in path.read_text().splitlines()]
    assert 0 < len(lines) <= 900 and max(map(len, lines)) < 100
