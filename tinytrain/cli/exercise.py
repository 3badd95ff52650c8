"""The command `exercise`: build the engine yourself, function by function, checked."""

from __future__ import annotations

import argparse
import difflib
import json
import shlex
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_path, number
from tinytrain.errors import TinytrainError, UsageError, did_you_mean
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain.course.exercises.checking.exercise import Exercise
    from tinytrain.course.exercises.checking.folder import Folder
    from tinytrain.course.exercises.checking.report import Report

HELP = """\
Build the engine yourself, function by function: you get the signature, the docstring and why it is
needed, and write the body. A check compares values and gradients with the shipped function's over
drawn cases, shows the smallest that differs, and trains with your function in the engine.

  list      the exercises in the order of the engine, and which are done
  start     write the file of one into your folder, to be completed with your editor
  check     one, or all that are started; exit status 0 if passed, 1 if not yet, 2 if the file
            cannot be checked. What your file prints is shown, its first 20 lines
  hint      the first of three hints, then the second, then the third
  solution  the shipped function; diff: how your file differs. After success, or with --give-up
  reset     begin again; what you had stays beside the new file

Your folder (exercises, or --folder) is yours: no file in it is ever overwritten. progress.json
there can be deleted; a check says again what it said.
"""


class NotYet(TinytrainError):
    """A check that was not passed."""


def add_flags(parser: Parser) -> None:
    """Add the flags of `exercise`."""
    words = parser.add_subparsers(dest="what", metavar="WORD", required=True)

    def add_word(name: str, help: str, names: str | None = None) -> argparse.ArgumentParser:
        """A word; `names` is how many exercises it takes, as argparse's nargs, "" for one."""
        word = words.add_parser(name, help=help, description=help, allow_abbrev=False)
        word.set_defaults(parser=word)
        if names is not None:
            named = "the exercise, as `list` names it"
            word.add_argument("name", metavar="NAME", help=named, nargs=names or None)
        add_path(word, "--folder", "your folder", "exercises")
        return word

    listed = add_word("list", "the exercises, and which are done")
    listed.add_argument("--json", action="store_true", help="as JSON, for tools")
    answers = "for teachers: every exercise with its hints and its answer"
    listed.add_argument("--answers", action="store_true", help=answers)
    add_path(listed, "--output", "with --answers: as a page, FILE.html")
    add_word("start", "write the file of an exercise into your folder", "")
    check = add_word("check", "check an exercise, or all that are started", "?")
    check.add_argument("--json", action="store_true", help="as JSON, for tools")
    limit = "seconds after which a check is stopped (default: 60)"
    check.add_argument("--limit", type=number(float, 0.1, 86400), default=60.0, help=limit)
    add_word("hint", "the next of three hints", "")
    anyway = "show it though the exercise is not passed"
    for name, help in (("diff", "your file against the answer"), ("solution", "the answer")):
        add_word(name, help, "").add_argument("--give-up", action="store_true", help=anyway)
    add_word("reset", "a new file; the old one stays beside it", "")


def run(options: argparse.Namespace) -> None:
    """Run the subcommand `options.what`."""
    from tinytrain.course.exercises import exercise
    from tinytrain.course.exercises.checking.folder import Folder

    if options.what == "list" and (options.answers or options.output):
        show_answers(options)
        return
    if getattr(options, "name", None) is not None:
        options.name = known_name(options)
    folder = Folder(options.folder)
    if options.what == "list":
        show_list(options, folder)
    elif options.what == "check":
        check(options, folder)
    else:
        words = {"start": start, "hint": hint, "diff": diff, "solution": solution, "reset": reset}
        words[options.what](options, folder, exercise(options.name))


def known_name(options: argparse.Namespace) -> str:
    """The exercise's name, also if it was given as its file's. Raises UsageError."""
    from tinytrain.course.exercises import NAMES

    name: str = options.name.removesuffix(".py").replace("_", "-")
    if name not in NAMES:
        advice = f"{command(options, 'list')} shows which there are"
        close = did_you_mean(name, NAMES)
        raise UsageError(f"exercise {options.name}: no such exercise{close}; {advice}")
    return name


def command(options: argparse.Namespace, *words: str) -> str:
    """A command to go on with, for the learner's folder."""
    folder = [] if options.folder == Path("exercises") else ["--folder", str(options.folder)]
    return shlex.join(["python", "-m", "tinytrain", "exercise", *words, *folder])


def show_answers(options: argparse.Namespace) -> None:
    """Print all exercises with their answers, or write them as a page."""
    if not options.answers:
        raise UsageError(f"--output {options.output}: goes with --answers")
    if options.output:
        from tinytrain.course import page

        make_folder(options.output.parent)
        write_file(options.output, page.answers_as_html())
        print(f"All answers are in {options.output}")
        return
    from tinytrain.course.exercises import exercises
    from tinytrain.course.exercises.checking.template import answer

    for one in exercises():
        print(f"{one.name}: {one.title} ({one.shipped.__module__}.{one.function})\n{one.why}")
        for count, text in enumerate(one.hints, 1):
            print(f"  hint {count}: {text}")
        print(f"\n{answer(one)}\n")


def show_list(options: argparse.Namespace, folder: Folder) -> None:
    """List the exercises, and which are done."""
    from tinytrain.course.exercises import exercises

    progress = folder.progress()
    states = {one: folder.state(one.name) for one in exercises()}
    if options.json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "function": f"{one.shipped.__module__}.{one.function}",
                "file": str(folder.file(one.name)),
                "state": state,
                "hints": progress.get(one.name, {}).get("hints", 0),
                "rungs": list(one.rungs),
            }
            for one, state in states.items()
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for one, state in states.items():
        print(f"{state:<9}{one.name:<21}{one.title}")
    done = list(states.values()).count("done")
    bar = "█" * done + "░" * (len(states) - done)
    print(f"\n{bar} {done} of {len(states)} done")
    if left := [one for one, state in states.items() if state != "done"]:
        word = "start" if states[left[0]] == "open" else "check"
        print(f"Next: {command(options, word, left[0].name)}")


def start(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Write the file of an exercise."""
    from tinytrain.course.exercises.checking.template import template

    if folder.has(one.name):
        advice = f"go on with it, or: {command(options, 'reset', one.name)}"
        raise UsageError(f"{folder.file(one.name)}: is there already; {advice}")
    path = folder.write(one.name, template(one))
    print(textwrap.fill(f"{one.title}: {one.why}", 99), end="\n\n")
    print(
        f"Write the body of {one.function} in {path}, then: {command(options, 'check', one.name)}"
    )
    print(f"Stuck: {command(options, 'hint', one.name)}")


def require_file(options: argparse.Namespace, folder: Folder, name: str) -> None:
    """Raise UsageError where the exercise has no file in the folder."""
    if not folder.has(name):
        begin = command(options, "start", name)
        raise UsageError(f"{folder.file(name)}: is not there; {begin} makes it")


def check(options: argparse.Namespace, folder: Folder) -> None:
    """Check one exercise, or all that are started. Raises NotYet where one is not passed."""
    from tinytrain.course.exercises import NAMES

    names = [options.name] if options.name else [name for name in NAMES if folder.has(name)]
    if not names:
        raise UsageError(f"{folder.path}: nothing started; {command(options, 'list')} shows what")
    reports = [check_one(options, folder, name) for name in names]
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=1, ensure_ascii=False))
    if failed := [report.name for report in reports if not report.passed]:
        advice = command(options, "hint", failed[0])
        raise NotYet(f"not yet passed: {', '.join(failed)}; {advice}")


def check_one(options: argparse.Namespace, folder: Folder, name: str) -> Report:
    """Check an exercise, print the report, and note it where it passed."""
    from tinytrain.course.exercises.checking import process

    require_file(options, folder, name)
    digest = folder.digest(name)  # of what is checked, not of what is saved meanwhile
    report = process.check(name, folder.file(name), options.limit)
    if report.passed:
        folder.note(name, passed=digest)
    if not options.json:
        print(report.as_text(), flush=True)
        if report.passed:
            print(f"The shipped one: {command(options, 'solution', name)}", flush=True)
    return report


def hint(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Give the next hint; after the last, all of them."""
    given = folder.progress().get(one.name, {}).get("hints", 0)
    count = given + 1 if isinstance(given, int) and 0 <= given < len(one.hints) else 0
    for index in range(count - 1, count) if count else range(len(one.hints)):
        print(textwrap.fill(f"Hint {index + 1} of {len(one.hints)}: {one.hints[index]}", 99))
    if count:
        folder.note(one.name, hints=count)
    else:
        print(f"Those were all. The answer: {command(options, 'solution', one.name, '--give-up')}")


def require_success(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Raise UsageError where the exercise is not passed and the learner did not give up."""
    if not options.give_up and not folder.progress().get(one.name, {}).get("passed"):
        raise UsageError(f"{one.name}: not passed yet; add --give-up to see the answer anyway")


def solution(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Print the shipped function, and an answer by hand where that one calls torch's."""
    from tinytrain.course.exercises.checking.template import answer, shipped_source

    require_success(options, folder, one)
    print(f"# tinytrain: {one.shipped.__module__}.{one.function}\n\n{shipped_source(one)}", end="")
    if one.body:
        print(f"\n# By hand, which is the exercise:\n\n{answer(one)}", end="")


def diff(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Print how the learner's file differs from one with the answer."""
    from tinytrain.course.exercises.checking.folder import read
    from tinytrain.course.exercises.checking.template import answer, as_file

    require_success(options, folder, one)
    path = folder.file(one.name)
    yours = read(path).decode(errors="replace").splitlines()
    right = as_file(one, answer(one)).splitlines()
    lines = difflib.unified_diff(yours, right, str(path), "tinytrain", lineterm="")
    print("\n".join(lines) or "no difference")


def reset(options: argparse.Namespace, folder: Folder, one: Exercise) -> None:
    """Begin an exercise again; the old file stays beside the new one."""
    from tinytrain.course.exercises.checking.template import template

    require_file(options, folder, one.name)
    kept = folder.put_aside(one.name)
    print(f"{folder.write(one.name, template(one))} is new; what you had is in {kept}")
