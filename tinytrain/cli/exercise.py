"""The command `exercise`: build the engine yourself, function by function, checked."""

from __future__ import annotations

import argparse
import csv
import inspect
import io
import json
import shlex
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tinytrain.cli.options import Parser, add_path, natural, number
from tinytrain.errors import TinytrainError, UsageError, did_you_mean
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain.course.exercises.checking.folder import Folder
    from tinytrain.course.exercises.checking.report import Report

HELP = """\
Build the engine yourself, function by function: you get the signature, the docstring and why it is
needed, and write the body. A check compares values and gradients with the shipped function's over
drawn cases and shows the smallest that differs; where none does, your function is used in a
training.

Your folder (exercises, or --folder) is yours: no file in it is ever overwritten. progress.json
there can be deleted; a check says again what it said.
"""


class NotYet(TinytrainError):
    """A check that was not passed."""


def add_flags(parser: Parser) -> None:
    """Add the flags of `exercise`."""
    words = parser.add_subparsers(dest="what", metavar="WORD", title="words", required=True)

    def add_word(
        name: str, action: Callable[[argparse.Namespace, Folder], None], help: str, names: str = ""
    ) -> argparse.ArgumentParser:
        """A word; `names` is how many exercises it takes: "" for none, "1", or "?" for any."""
        word = words.add_parser(name, help=help, description=help, allow_abbrev=False)
        word.set_defaults(parser=word, action=action, name=None)
        if names:
            named = "the exercise, as `list` names it"
            word.add_argument("name", metavar="NAME", help=named, nargs=names.strip("1") or None)
        add_path(word, "--folder", "your folder", "exercises")
        return word

    listed = add_word("list", show_list, "the exercises in order, and which are done")
    answers = "for teachers: every exercise with its hints and its answer"
    listed.add_argument("--answers", action="store_true", help=answers)
    add_word("start", start, "write the file of an exercise, to be completed by you", "1")
    checks = "check an exercise, or all that are started: exit status 0 if passed, 1 if not yet, "
    checks += "2 if the file cannot be checked; of what your file prints the beginning is shown"
    tested = add_word("check", check, checks, "?")
    grades = "for teachers: a row for each student, with points and mistakes; nothing is written "
    grades += "into their folders, but their code runs with your rights: do it in a container"
    graded = words.add_parser("grade", help=grades, description=grades, allow_abbrev=False)
    graded.set_defaults(parser=graded, name=None, folder=Path("exercises"))
    add_path(graded, "students", "a folder, or a clone, for each student in it", metavar="FOLDER")
    named = "an exercise that counts, and its points (default: all, one point each)"
    graded.add_argument("worth", type=worth, nargs="*", metavar="NAME[=POINTS]", help=named)
    add_path(graded, "--csv", "a file for the rows as well", metavar="FILE")
    limit = "seconds after which a check is stopped (default: 60)"
    for word in (tested, graded):
        word.add_argument("--json", action="store_true", help="a JSON object in a line for each")
        word.add_argument("--limit", type=number(float, 0.1, 86400), default=60.0, help=limit)
    add_word("hint", hint, "the first of three hints, then the second, then the third", "1")
    answer = add_word("solution", solution, "the shipped function, once yours has passed", "1")
    anyway = "show it though the exercise is not passed"
    answer.add_argument("--give-up", action="store_true", help=anyway)


def run(options: argparse.Namespace) -> None:
    """Run the word of the command, such as `start`."""
    from tinytrain.course.exercises.checking.folder import Folder

    if options.what == "grade":
        grade_class(options)
        return
    if options.name is not None:
        options.name = known_name(options, options.name)
    options.action(options, Folder(options.folder))


def known_name(options: argparse.Namespace, text: str) -> str:
    """The exercise's name, also if it was given as its file's. Raises UsageError."""
    from tinytrain.course.exercises import NAMES

    name = text.removesuffix(".py").replace("_", "-")
    if name not in NAMES:
        advice = f"{command(options, 'list')} shows which there are"
        close = did_you_mean(name, NAMES)
        raise UsageError(f"exercise {text}: no such exercise{close}; {advice}")
    return name


def worth(text: str) -> tuple[str, int]:
    """The argparse type of "adam=5", or "adam" for one point."""
    name, _, points = text.partition("=")
    return name, int(natural(points or "1"))


def command(options: argparse.Namespace, *words: str) -> str:
    """A command to go on with, for the learner's folder."""
    folder = [] if options.folder == Path("exercises") else ["--folder", str(options.folder)]
    return shlex.join(["python", "-m", "tinytrain", "exercise", *words, *folder])


def show_list(options: argparse.Namespace, folder: Folder) -> None:
    """List the exercises, and which are done; with --answers their answers."""
    from tinytrain.course.exercises import exercises
    from tinytrain.course.exercises.checking.template import answer

    if options.answers:
        for one in exercises():
            print(f"{one.name}: {one.title} ({one.shipped.__module__}.{one.function})\n{one.why}")
            for count, text in enumerate(one.hints, 1):
                print(f"  hint {count}: {text}")
            print(f"\n{answer(one)}\n")
        return
    states = {one: folder.state(one.name) for one in exercises()}
    for one, state in states.items():
        print(f"{state:<9}{one.name:<21}{one.title}")
    done = list(states.values()).count("done")
    bar = "█" * done + "░" * (len(states) - done)
    print(f"\n{bar} {done} of {len(states)} done")
    if left := [one for one, state in states.items() if state != "done"]:
        word = "start" if states[left[0]] == "open" else "check"
        print(f"Next: {command(options, word, left[0].name)}")


def start(options: argparse.Namespace, folder: Folder) -> None:
    """Write the file of an exercise."""
    from tinytrain.course.exercises import exercise
    from tinytrain.course.exercises.checking.template import template

    one = exercise(options.name)
    path = folder.file(one.name)
    if folder.has(one.name):
        raise UsageError(f"{path}: is there already; go on with it, or rename it to begin again")
    make_folder(folder.path)
    write_file(path, template(one))
    print(textwrap.fill(f"{one.title}: {one.why}", 99), end="\n\n")
    print(
        f"Write the body of {one.function} in {path}, then: {command(options, 'check', one.name)}"
    )
    print(f"Stuck: {command(options, 'hint', one.name)}")


def check(options: argparse.Namespace, folder: Folder) -> None:
    """Check one exercise, or all that are started. Raises NotYet where one is not passed."""
    from tinytrain.course.exercises import NAMES

    names = [options.name] if options.name else [name for name in NAMES if folder.has(name)]
    if not names:
        raise UsageError(f"{folder.path}: nothing started; {command(options, 'list')} shows what")
    reports = [check_one(options, folder, name) for name in names]
    if reasons := [report.reason for report in reports if not report.checked]:
        raise UsageError("; ".join(reasons))
    if failed := [report.exercise for report in reports if not report.passed]:
        advice = command(options, "hint", failed[0])
        raise NotYet(f"not yet passed: {', '.join(failed)}; {advice}")


def check_one(options: argparse.Namespace, folder: Folder, name: str) -> Report:
    """Check an exercise, print the report, and note it where it passed."""
    from tinytrain.course.exercises.checking import process
    from tinytrain.course.exercises.checking.report import Report

    digest = folder.digest(name)  # of what is checked, not of what is saved meanwhile
    if folder.has(name):
        report = process.check(name, folder.file(name), options.limit)
    else:
        reason = f"{folder.file(name)}: is not there; {command(options, 'start', name)} makes it"
        report = Report(name, checked=False, reason=reason)
    if report.passed:
        folder.note(name, passed=digest)
    if options.json:
        print(json.dumps(asdict(report)), flush=True)
        return report
    if report.printed:
        print(report.printed.removesuffix("\n"), file=sys.stderr, flush=True)
    if report.checked:
        print(report.as_text(), flush=True)
        if report.passed:
            print(f"The shipped one: {command(options, 'solution', name)}", flush=True)
    return report


def grade_class(options: argparse.Namespace) -> None:
    """Print a row for each student; with --csv write them, too."""
    from tinytrain.course.exercises import NAMES
    from tinytrain.course.exercises.checking import grade

    points = {known_name(options, name): count for name, count in options.worth}
    points = points or dict.fromkeys(NAMES, 1)
    students = grade.students(options.students)
    if options.csv:
        make_folder(options.csv.parent)
    line = "{student:<24} {passed} of {exercises} passed, {points} of {possible} points  "
    line += "{mistakes}"
    table = []
    for student in tqdm(students, unit="student", disable=None):
        row = grade.grade(student, points, options.limit)
        table.append(row | {"mistakes": grade.in_words(row["mistakes"])})
        tqdm.write(json.dumps(row) if options.json else line.format(**table[-1]).rstrip())
    if options.csv:
        lines = io.StringIO()
        rows = csv.DictWriter(lines, table[0], lineterminator="\n")
        rows.writeheader()
        rows.writerows(table)
        write_file(options.csv, lines.getvalue())


def hint(options: argparse.Namespace, folder: Folder) -> None:
    """Give the next hint; after the last, all of them."""
    from tinytrain.course.exercises import exercise

    one = exercise(options.name)
    given = folder.progress().get(one.name, {}).get("hints", 0)
    left = isinstance(given, int) and 0 <= given < len(one.hints)
    for index, text in enumerate(one.hints):
        if not left or index == given:
            print(textwrap.fill(f"Hint {index + 1} of {len(one.hints)}: {text}", 99))
    if left:
        folder.note(one.name, hints=given + 1)
    else:
        print(f"Those were all. The answer: {command(options, 'solution', one.name, '--give-up')}")


def solution(options: argparse.Namespace, folder: Folder) -> None:
    """Print the shipped function, and an answer by hand where that one calls torch's.

    Raises UsageError where the exercise is not passed and the learner did not give up.
    """
    from tinytrain.course.exercises import exercise
    from tinytrain.course.exercises.checking.template import answer

    one = exercise(options.name)
    if not options.give_up and not folder.progress().get(one.name, {}).get("passed"):
        raise UsageError(f"{one.name}: not passed yet; add --give-up to see the answer anyway")
    source = inspect.getsource(one.shipped)
    print(f"# tinytrain: {one.shipped.__module__}.{one.function}\n\n{source}", end="")
    if one.body:
        print(f"\n# By hand, which is the exercise:\n\n{answer(one)}", end="")
