"""Mutation testing of what trains and reports: for each small mistake in it, does a test fail?

    pip install -e ".[test,check,mutate]"
    python tests/mutate.py --sample 200 --seed 1

cosmic-ray makes the mutants (a number one larger, `<` for `<=`, a loop that never runs). What its
own configuration cannot do is done here: draw a sample by a seed, and run only those tests that
reach a mutant's lines, the quickest first. It works in a copy of the repository, build/mutate, and
prints the mutants that no test notices, and how many of each room were noticed. Those that no test
can notice are listed in equivalent_mutants.txt, with the reason.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

import hypothesis
import pytest
import torch  # noqa: F401  so that the forked processes need not import it
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB
from coverage import CoverageData

REPOSITORY = Path(__file__).resolve().parent.parent
COPY = REPOSITORY / "build" / "mutate"
ROOMS = ("nn", "optim", "data", "train", "recipes", "report")
# The tests of the engine and of what it stands on and is used by; not those that start processes.
TESTS = [f"tests/{name}" for name in (*ROOMS, "store", "test_streams.py")]
TESTS += ["tests/runs/test_run_folder.py", "tests/runs/test_user_file.py"]
TESTS += ["tests/workers/test_parts.py", "tests/results/test_records.py"]
SECONDS = 20  # of tests a mutant meets at most
PYTEST = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"]
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
FORKED = multiprocessing.get_context("fork")
hypothesis.settings.register_profile(
    "mutation",
    hypothesis.settings(deadline=None, derandomize=True, max_examples=30, database=None),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)

# Of an operator's replacements the likely mistakes. Most of the others (`a % b` and `a >> b` for
# `a + b`, `is` for `<`) are TypeErrors in whatever test comes first, which proves nothing; `&` for
# `|` is nearly always in a type, which nobody evaluates.
MISTAKES = {
    "ReplaceBinary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div FloorDiv_Mul Mod_FloorDiv "
    "Pow_Mul BitAnd_BitOr LShift_RShift RShift_LShift",
    "ReplaceComparison": "Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_NotEq "
    "Eq_LtE Eq_GtE NotEq_Eq NotEq_Lt NotEq_Gt Is_IsNot IsNot_Is",
}


def copy():
    """Enter a fresh copy of what the tests need."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in ("tinytrain", "tests"):
        shutil.copytree(REPOSITORY / name, COPY / name)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, COPY / name)
    os.chdir(COPY)
    os.environ |= {"PYTHONPATH": str(COPY), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True  # a mutant's would be believed for the next of the same second
    sys.path.insert(0, str(COPY))


def run(arguments, seconds):
    """Whether pytest passes, in a forked process that has imported torch, but not tinytrain."""

    def child():
        output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os._exit(pytest.main([*PYTEST, *arguments]))

    process = FORKED.Process(target=child)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == 0


def reach():
    """Of every file and line the tests that reach it, and the seconds that each test takes."""
    watch = ["--cov=tinytrain", "--cov-context=test", "--cov-report=", "--junitxml=times.xml"]
    if not run([*watch, *TESTS], 3600):
        sys.exit(f"the tests fail without a mutant: see {COPY / 'output'}")
    seconds = {}
    for case in ElementTree.parse("times.xml").iter("testcase"):
        place = case.get("classname").replace(".", "/")
        seconds[f"{place}.py::{case.get('name')}"] = float(case.get("time"))
    data, lines = CoverageData(), defaultdict(lambda: defaultdict(set))
    data.read()
    for file in data.measured_files():
        for line, contexts in data.contexts_by_lineno(file).items():
            tests = {context.rpartition("|")[0] for context in contexts} & set(seconds)
            lines[str(Path(file).relative_to(COPY))][line] |= tests
    return lines, seconds


def mutants():
    """The likely mutants of the engine's files, in an order that is always the same."""
    paths = [path for room in ROOMS for path in sorted(Path("tinytrain", room).glob("*.py"))]
    session = WorkDB("session.sqlite", WorkDB.Mode.create)
    init(paths, session, {})
    found = [item.mutations[0] for item in session.work_items]
    for one in sorted(found, key=lambda one: (one.module_path, one.operator_name, one.occurrence)):
        kind, _, change = one.operator_name.removeprefix("core/").partition("Operator_")
        if change in MISTAKES.get(kind, change).split(" "):
            yield one


def outcome(mutant, known, lines, seconds):
    """Whether a mutant is "killed", "equivalent" or "survived", and the mutant as text."""
    operator = get_operator(mutant.operator_name)(**dict(mutant.operator_args or {}))
    with use_mutation(mutant.module_path, operator, mutant.occurrence) as (before, after):
        pairs = zip(before.splitlines(), after.splitlines(), strict=False)
        old, new = next((old.strip(), new.strip()) for old, new in pairs if old != new)
        place = f"{mutant.module_path}:{mutant.start_pos[0]}"
        shown = f"{place}\n  - {old}\n  + {new}"
        if any(f"{mutant.module_path}: {new}".startswith(one.rstrip("…")) for one in known):
            return "equivalent", shown
        reached = lines[str(mutant.module_path)]
        span = range(mutant.start_pos[0], mutant.end_pos[0] + 1)
        tests = set().union(*(reached[line] for line in span)) or set().union(*reached.values())
        own, chosen, total = f"test_{mutant.module_path.stem}.py", [], 0.0
        for test in sorted(tests, key=lambda test: (own not in test, seconds[test], test)):
            total += seconds[test]
            if chosen and total > SECONDS:
                break
            chosen.append(test)
        survived = bool(chosen) and run(["-x", *chosen], 180)
    return "survived" if survived else "killed", shown


def main():
    parser = argparse.ArgumentParser(description="Mutation testing of tinytrain's engine.")
    parser.add_argument("--sample", type=int, default=200, help="the number of mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn")
    flags = parser.parse_args()
    copy()
    listed = Path("tests/equivalent_mutants.txt").read_text().splitlines()
    known = [line.partition("  # ")[0].strip() for line in listed]
    lines, seconds = reach()
    drawn = list(mutants())
    random.Random(flags.seed).shuffle(drawn)
    counts = Counter()
    for number, mutant in enumerate(drawn[: flags.sample], 1):
        what, shown = outcome(mutant, known, lines, seconds)
        counts[mutant.module_path.parts[1], what] += 1
        if what == "survived":
            print(f"{number}: {shown}", flush=True)
    for room in ROOMS:
        killed, survived = counts[room, "killed"], counts[room, "survived"]
        equivalent = counts[room, "equivalent"]
        print(f"{room}: {killed} of {killed + survived} noticed, {equivalent} equivalent")


if __name__ == "__main__":
    main()
