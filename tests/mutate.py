"""Mutation testing: for every small mistake in the source, is there a test that fails?

    make mutate                          # 200 mutants, drawn by seed 1
    make mutate SAMPLE=all               # every one: hours; stopped, the same command goes on
    make mutate SAMPLE=all ONLY=nn/fast  # those of the files with this in their name

cosmic-ray makes the mutants: a number one larger, `<` for `<=`, a loop that never runs. What is
done here is what it leaves open: which tests a mutant meets, and how they start quickly. In a copy
of the repository, build/mutate, every test runs once, and the lines that it reaches are noted. A
mutant meets the tests that reach its lines, those named after its file and the quickest first,
until one fails. They run in a process forked from this one, which has imported torch, but not
tinytrain.

Killed stays killed until the file changes; what survived is tried again when a test has changed.
Mutants that no test can tell from the source are in equivalent_mutants.txt, with the reason.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import coverage
import hypothesis
import pytest
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

REPOSITORY = Path(__file__).resolve().parent.parent
COPY = REPOSITORY / "build" / "mutate"
COPIED = ("tinytrain", "tests", "examples", "README.md", ".github", "setup.cfg", "pyproject.toml")
EQUIVALENT = Path("tests/equivalent_mutants.txt")
ROOMS = ("nn", "optim", "data", "train")

# Tests of what stands above the rooms, and those that start processes, where nothing is watched.
ABOVE = "at_work convert course doctor example export faults ladder peer predict readme"
ABOVE += " recipe_files rules spread time_to_target"

# Of an operator's replacements the likely mistakes. Most of the others (`a % b` and `a >> b` for
# `a + b`, `is` for `<`) are TypeErrors in whatever test comes first, which proves nothing.
MISTAKES = {
    "ReplaceBinary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div FloorDiv_Mul Mod_FloorDiv "
    "Pow_Mul BitOr_BitAnd BitAnd_BitOr LShift_RShift RShift_LShift",
    "ReplaceComparison": "Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_NotEq "
    "Eq_LtE Eq_GtE NotEq_Eq NotEq_Lt NotEq_Gt Is_IsNot IsNot_Is",
}

# A mutant meets the quickest tests that take so long together, the first few before the others are
# even imported; what hangs is ended.
SECONDS_OF_TESTS, FIRST, SECONDS_TO_HANG = 20.0, 20, 60
hypothesis.settings.register_profile(
    "mutation",
    hypothesis.settings(deadline=None, derandomize=True, max_examples=30, database=None),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
PYTEST = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"]
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]

# What tests import at the cost of seconds and is not tinytrain's.
PRELOADED = ["torch", "torch.distributed", "torch.testing", "sympy", "numpy.random"]
PRELOADED += ["hypothesis.strategies", "jinja2", "requests", "tqdm"]


def digest(*paths):
    """Twelve digits of the sha256 of these files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def copy():
    """A fresh copy of what the tests need: a run that was killed has left a mutant behind."""
    for name in COPIED:
        source, target = REPOSITORY / name, COPY / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def forked(function, seconds):
    """The exit status that `function` gives in a process of its own; None if it takes longer."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with contextlib.suppress(OSError):  # on Linux: where memory ends, this process goes first
            Path("/proc/self/oom_score_adj").write_text("1000")
        output = os.open(COPY / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os._exit(function())
    end, ended = time.monotonic() + seconds, 0
    try:
        while not ended and time.monotonic() < end:
            time.sleep(0.01)
            ended, status = os.waitpid(child, os.WNOHANG)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and what the tests have started
    if ended:
        return os.waitstatus_to_exitcode(status)
    os.waitpid(child, 0)
    return None


class Watch:
    """A pytest plugin that notes the time of every test, and tells coverage its name."""

    def __init__(self, coverage):
        self.coverage, self.seconds = coverage, Counter()

    def pytest_runtest_logstart(self, nodeid):
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration


def watch(path, notes):
    """Run the tests in `path`, and note how long each takes and which lines it reaches."""
    watching = coverage.Coverage(data_file=None, source=["tinytrain"], config_file=False)
    plugin = Watch(watching)
    watching.start()
    status = pytest.main([*PYTEST, str(path)], plugins=[plugin])
    watching.stop()
    data = watching.get_data()
    names = {str(Path(name).relative_to(COPY)): name for name in data.measured_files()}
    lines = {name: data.contexts_by_lineno(full) for name, full in names.items()}
    if status == 0:
        notes.write_text(json.dumps({"seconds": plugin.seconds, "lines": lines}))
    return int(status)


def reach():
    """The seconds of every test; of every file and line of a function the tests that reach it.

    Under None are, for a file's other lines, all tests that stand beside one that reaches it.
    """
    seconds, lines = {}, defaultdict(lambda: defaultdict(set))
    bodies = {str(path): inside_of_functions(path) for path in Path("tinytrain").rglob("*.py")}
    source = digest(*sorted(Path("tinytrain").rglob("*.py")), Path("tests/conftest.py"))
    for path in sorted(Path("tests").glob("test_*.py")):
        if path.stem.removeprefix("test_") in ABOVE.split():
            continue
        notes = Path("reach") / f"{path.stem}-{digest(path)}-{source}.json"
        if not notes.exists():
            print(f"Watching {path} …", flush=True)
            if (status := forked(lambda path=path, notes=notes: watch(path, notes), 600)) != 0:
                sys.exit(f"{path} fails without a mutant ({status}): see {COPY / 'output'}")
        found = json.loads(notes.read_text())
        seconds |= found["seconds"]
        for file, tests in found["lines"].items():
            inside = {int(line): set(names) - {""} for line, names in tests.items()}
            inside = {line: names for line, names in inside.items() if line in bodies[file]}
            for line, names in inside.items():
                lines[file][line] |= names
            lines[file][None] |= set(found["seconds"]) if any(inside.values()) else set()
    return seconds, lines


def inside_of_functions(path):
    """The numbers of those lines; the others run when the file is imported, by whatever test."""
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return {line for f in functions for line in range(f.body[0].lineno, f.end_lineno + 1)}


def chosen(mutation, seconds, lines):
    """The tests for a mutant: those that reach its lines, or else its file.

    First those that are named after the file, then the others, the quickest first.
    """
    reached = lines[str(mutation.module_path)]
    span = range(mutation.start_pos[0], mutation.end_pos[0] + 1)
    names = set().union(*(reached[line] for line in span)) or reached[None]
    tests, total = [], 0.0
    own = f"tests/test_{mutation.module_path.stem}.py"
    for name in sorted(names, key=lambda name: (not name.startswith(own), seconds[name], name)):
        total += seconds[name]
        if tests and total > SECONDS_OF_TESTS:
            break
        tests.append(name)
    return tests


def annotations(source):
    """Where types are annotated, as ((line, column), (line, column)): nothing runs there."""
    for node in ast.walk(ast.parse(source)):
        for part in getattr(node, "annotation", None), getattr(node, "returns", None):
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def likely(mutation, types):
    """Whether a mutant could be written by mistake, and is run."""
    kind, _, change = mutation.operator_name.removeprefix("core/").partition("Operator_")
    inside = any(a <= mutation.start_pos and mutation.end_pos <= b for a, b in types)
    return not inside and change in MISTAKES.get(kind, change).split(" ")


def mutants(only):
    """The mutants of all files, in an order that is always the same, each with its session."""
    for path in (path for room in ROOMS for path in sorted(Path("tinytrain", room).glob("*.py"))):
        if only not in str(path):
            continue
        file = Path("sessions") / f"{path.parent.name}.{path.stem}-{digest(path)}.sqlite"
        session = WorkDB(file, WorkDB.Mode.create)
        if not session.num_work_items:
            init([path], session, {})
        found = ((item.job_id, item.mutations[0]) for item in session.work_items)
        types = list(annotations(path.read_text()))
        for job, mutation in sorted(
            found, key=lambda one: (one[1].operator_name, one[1].occurrence)
        ):
            if likely(mutation, types):
                yield session, job, mutation


def listed(text, known):
    """Whether a mutant's "file: line" is in a list, in which "…" stands for any end."""
    return text in known or any(text.startswith(one[:-1]) for one in known if one.endswith("…"))


def tried(mutation, known, tests_digest, seconds, lines):
    """What becomes of a mutant; `known` are the equivalent ones."""
    operator = get_operator(mutation.operator_name)()
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as (before, after):
        pairs = zip(before.splitlines(), after.splitlines(), strict=False)
        number, (old, new) = next(
            (number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]
        )
        shown = f"{mutation.module_path}:{number}\n  - {old.strip()}\n  + {new.strip()}"
        if listed(f"{mutation.module_path}: {new.strip()}", known):
            return WorkResult(WorkerOutcome.SKIPPED, tests_digest, None, shown)
        tests = chosen(mutation, seconds, lines)
        limit, status = SECONDS_TO_HANG + 5 * sum(seconds[name] for name in tests), 0
        for part in tests[:FIRST], tests[FIRST:]:
            if part and status == 0:
                status = forked(lambda part=part: int(pytest.main([*PYTEST, *part])), limit)
    outcome = TestOutcome.SURVIVED if status == 0 else TestOutcome.KILLED
    return WorkResult(WorkerOutcome.NORMAL, tests_digest, outcome, shown)


def enter_copy():
    """Enter a fresh copy of the repository, with all imported but tinytrain."""
    copy()
    os.chdir(COPY)
    os.environ.pop("TINYTRAIN_DATA", None)
    os.environ |= {"PYTHONPATH": str(COPY), "OMP_NUM_THREADS": "1"}
    sys.path.insert(0, str(COPY))
    for name in PRELOADED:
        import_module(name)


def run(sample, seed, only):
    """Try the mutants, print those that survive, and count: room -> outcome -> how many."""
    enter_copy()
    known = {line.partition("  # ")[0].strip() for line in EQUIVALENT.read_text().splitlines()}
    tests = [*sorted(Path("tests").glob("test_*.py")), Path("tests/conftest.py"), EQUIVALENT]
    tests_digest = digest(*tests)
    seconds, lines = reach()
    if forked(lambda: int(pytest.main([*PYTEST, "--collect-only", *seconds])), 600) != 0:
        sys.exit(f"not every test is found by its name alone: see {COPY / 'output'}")
    # By now all bytecode is there. A mutant's would be believed for the next of the same second.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    drawn = list(mutants(only))
    random.Random(seed).shuffle(drawn)  # so that a larger sample has the smaller one in it
    drawn = drawn if sample == "all" else drawn[: int(sample)]
    sessions = {session for session, *_ in drawn}
    earlier = {job: result for session in sessions for job, result in session.results}
    rooms = {room: Counter() for room in ROOMS}
    for number, (session, job, mutation) in enumerate(drawn, 1):
        result = earlier.get(job)
        if not result or (
            result.test_outcome != TestOutcome.KILLED and result.output != tests_digest
        ):
            result = tried(mutation, known, tests_digest, seconds, lines)
            session.set_result(job, result)
        outcome = result.test_outcome.value if result.test_outcome else "equivalent"
        rooms[mutation.module_path.parts[1]][outcome] += 1
        if outcome == "survived":
            print(f"{result.diff}  ({number} of {len(drawn)})", flush=True)
    return rooms


def report(rooms):
    """The rate of every room and of all."""
    for room, counts in [*rooms.items(), ("all", sum(rooms.values(), Counter()))]:
        killed, equivalent = counts["killed"], counts["equivalent"]
        others = counts.total() - equivalent
        rate = f"{killed} of {others} killed, {100 * killed / max(others, 1):.1f} %"
        print(f"{room:<6} {rate} (and {equivalent} equivalent)")


def main():
    parser = argparse.ArgumentParser(description="Mutation testing of tinytrain's inner rooms.")
    parser.add_argument("--sample", default="200", help="how many mutants, or all")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn")
    parser.add_argument("--only", default="", help="of files with this in their name")
    parser.add_argument("--record", type=Path, help="a file to note the counts in")
    flags = parser.parse_args()
    record = flags.record and flags.record.resolve()
    for folder in "sessions", "reach":
        (COPY / folder).mkdir(parents=True, exist_ok=True)
    with open(COPY / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{COPY}: another run is at work there, and would see this one's mutants")
        rooms = run(flags.sample, flags.seed, flags.only)
    report(rooms)
    if record:
        made = {name: version(name) for name in ("cosmic-ray", "torch")}
        drawn = {"sample": flags.sample, "seed": flags.seed, "only": flags.only}
        content = {"date": str(datetime.date.today()), **drawn, "versions": made, "rooms": rooms}
        record.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
