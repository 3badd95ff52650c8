"""The template for a class: its commands are ours, and its files name the same exercises."""

import json
import re
from pathlib import Path

from tinytrain.cli.main import parse

CLASSROOM = Path(__file__).parents[2] / "examples" / "classroom"


def commands(text):
    """What is parsed of each command of ours in a text."""
    found = re.findall(r"python -m tinytrain ([^`\n]+)", text)
    return [parse(words.split()) for words in found]


def test_workflow_tests_and_page_name_the_same_exercises():
    workflow = (CLASSROOM / ".github/workflows/exercises.yml").read_text()
    setup, *tests = json.loads((CLASSROOM / "tests.json").read_text())
    page = (CLASSROOM / "README.md").read_text()
    assert setup["points"] == 0 and "OWNER/tinytrain" in setup["run"] and "OWNER" in workflow
    checks = commands("\n".join(test["run"] for test in tests))
    names = [options.name for options in checks]
    assert [options.name for options in commands(workflow)] == names
    assert {options.what for options in checks} == {"check"}
    limits = [options.limit for options in checks]
    assert all(test["timeout"] > limit for test, limit in zip(tests, limits, strict=True))
    (grade,) = (options for options in commands(page) if options.what == "grade")
    assert grade.worth == [(test["name"], test["points"]) for test in tests]
    assert [name for name, _ in grade.worth] == names
