"""Rules about the source: raw primitives only, imports one way down, an engine read whole."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import tinytrain

PACKAGE = Path(tinytrain.__file__).parent
REPOSITORY = Path(__file__).parent.parent

# From the ground up: a file imports only from rooms before its own, and from its own.
ENGINE = ["errors", "streams", "nn", "store", "data", "optim", "nets", "train"]
ABOVE = ["recipes", "report", "from_torch", "graph", "runs", "workers", "results", "plots"]
ROOMS = [*ENGINE, *ABOVE, "course", "cli"]
PROMISED = 3300  # lines that README promises: the engine, with docstrings, without `store`
DOORS = {"tinytrain", "tinytrain.__main__"}  # they open on every room
FORBIDDEN = ("torch.nn", "torch.optim", "torch.utils", "torch._C", "torch.ops", "torchvision")


def module(path):
    """tinytrain.nn.layers for nn/layers.py, tinytrain.nn for nn/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


SOURCES = {module(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}


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


def room(name):
    return name.split(".")[1]


def test_raw_primitives_only():
    for name, tree in TREES.items():
        expressions = (ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute))
        for used in {*imported(tree), *expressions}:
            forbidden = f"{used}.".startswith(tuple(f"{place}." for place in FORBIDDEN))
            assert not forbidden, (name, used)


def test_imports_point_down():
    upward = [
        (name, other)
        for name in SOURCES.keys() - DOORS
        for other in {*modules_imported(name)} - DOORS
        if ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not upward


def test_imports_go_one_way():
    graph = {name: {*modules_imported(name)} for name in SOURCES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_only_two_commands_know_the_course():
    known = {
        name
        for name in SOURCES
        if room(f"{name}.") == "cli"
        and "tinytrain.course"
        in {".".join(other.split(".")[:2]) for other in modules_imported(name)}
    }
    assert known <= {f"tinytrain.cli.{name}" for name in ("course", "exercise")}


def test_the_engine_stays_small_enough_to_be_read():
    rooms = {*ENGINE} - {"store"}
    counted = [name for name in SOURCES if name in DOORS or room(f"{name}.") in rooms]
    lines = {name: len(SOURCES[name].splitlines()) for name in counted}
    assert sum(lines.values()) < PROMISED, lines


def test_every_file_says_what_it_is():
    for name, tree in TREES.items():
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        assert first and not re.match("(Who|What|Where|That|Whoever|Whatever)\\b", first), name


def test_the_top_shows_the_rooms_and_few_files():
    top = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert {path.name for path in top if path.is_dir()} <= {*ROOMS}
    assert len([path for path in top if path.is_file()]) <= 6


PAGES = (
    "README.md",
    ".github/CONTRIBUTING.md",
    "examples/README.md",
    "examples/classroom/README.md",
    "tinytrain/course/records/README.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = REPOSITORY / page
    targets = re.findall(r"\]\(([^)#]+)", path.read_text())
    assert targets
    for target in targets:
        assert target.startswith("http") or (path.parent / target).exists(), target
