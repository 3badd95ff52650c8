"""The command `exercise`: build the engine yourself, function by function, checked.

The learner works in a folder of their own, with an editor of their own. What the words do is told
here; what a check is, in `course/exercises`.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from tinytrain.cli.options import (
    Parser,
    add_path,
    number,
)
from tinytrain.errors import UsageError, did_you_mean
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain.course.exercises import Exercise, apart
    from tinytrain.course.exercises.folder import Folder

HELP = """\
Build the engine yourself, function by function: you get the signature, the docstring and why it is
needed, and write the body. A check compares values and gradients with the shipped function's over
drawn cases, shows the smallest that differs, and trains with your function in the engine.

  list      the exercises in the order of the engine, and which are done
  start     write the stub of one into your folder, to be filled in with your editor
  check     one, or all that are started; exit status 0 where passed, 1 where not yet, 2 where the
            file cannot be checked. What your file prints is shown, its first 20 lines
  watch     check each file when it is saved, until Ctrl-C
  hint      the first of three hints, then the second, then the third
  solution  the shipped function; diff: what differs from your file. After success, or --give-up
  reset     a new stub; what you had stays beside it

Your folder (exercises, or --folder) is yours: nothing in it is ever written over. progress.json
there can be deleted; a check says again what it said.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `exercise`."""
    words = parser.add_subparsers(dest="what", metavar="WORD", required=True)

    def word(name: str, help: str, one: bool = True) -> argparse.ArgumentParser:
        added = words.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(parser=added)
        if one:
            several = "?" if name == "check" else None
            named = "the exercise, as `list` names it"
            added.add_argument("name", metavar="NAME", help=named, nargs=several)
        add_path(added, "--folder", "your folder", "exercises")
        return added

    listed = word("list", "the exercises, and which are done", one=False)
    listed.add_argument("--json", action="store_true", help="as JSON, for tools")
    answers = "for teachers: every exercise with its hints and its answer"
    listed.add_argument("--answers", action="store_true", help=answers)
    add_path(listed, "--output", "with --answers: as a page, FILE.html")
    word("start", "write the stub of an exercise into your folder")
    check = word("check", "check an exercise, or all that are started")
    check.add_argument("--json", action="store_true", help="as JSON, for tools")
    watch = word("watch", "check each file when it is saved", one=False)
    for added in check, watch:
        limit = "seconds after which a check is stopped (default: 60)"
        added.add_argument("--limit", type=number(float, 0.1, 86400), default=60.0, help=limit)
    word("hint", "the next of three hints")
    anyway = "show it though the exercise is not passed"
    for name, help in (("diff", "your file against the answer"), ("solution", "the answer")):
        word(name, help).add_argument("--give-up", action="store_true", help=anyway)
    word("reset", "a new stub; the old file stays beside it")


def run(options: argparse.Namespace) -> None:
    """Do one of the things that the command can."""
    from tinytrain.cli.glance import glance

    glance(options)
    WORDS[options.what](options)


def chosen(options: argparse.Namespace) -> Exercise:
    """The exercise of that name. Raises UsageError."""
    from tinytrain.cli.glance import command, written_name
    from tinytrain.course.exercises import EXERCISES

    name = written_name(options.name)
    if name not in EXERCISES:
        all_of_them = f"; {command(options, 'list')} shows which there are"
        close = did_you_mean(name, EXERCISES)
        raise UsageError(f"exercise {options.name}: no such exercise{close}{all_of_them}")
    return EXERCISES[name]


def there(folder: Folder, one: Exercise, options: argparse.Namespace) -> Exercise:
    """The exercise. Raises UsageError where it has no file in the folder."""
    from tinytrain.cli.glance import command

    if not os.path.lexists(folder.file(one)):
        made = command(options, "start", one.name)
        raise UsageError(f"{folder.file(one)}: is not there; {made} makes it")
    return one


def show_list(options: argparse.Namespace) -> None:
    """List the exercises, with what is done; or all answers."""
    from tinytrain.cli.glance import command
    from tinytrain.course import page
    from tinytrain.course.exercises import EXERCISES
    from tinytrain.course.exercises.folder import Folder

    if options.answers:
        if options.output:
            make_folder(options.output.parent)
            write_file(options.output, page.answers_as_html())
            print(f"All answers are in {options.output}")
        else:
            print("\n\n".join(with_answer(one) for one in EXERCISES.values()))
        return
    if options.output:
        raise UsageError(f"--output {options.output}: goes with --answers")
    folder = Folder(options.folder)
    progress = folder.progress()
    states = {one: folder.state(one, progress) for one in EXERCISES.values()}
    if options.json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "function": f"{one.shipped.__module__}.{one.function}",
                "file": str(folder.file(one)),
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


def with_answer(one: Exercise) -> str:
    """An exercise with its hints and its answer."""
    from tinytrain.course.exercises.stub import answer

    where = f"{one.name}: {one.title} ({one.shipped.__module__}.{one.function})"
    hints = [f"  hint {number}: {hint}" for number, hint in enumerate(one.hints, 1)]
    return "\n".join([where, one.why, *hints, "", answer(one).rstrip()])


def start(options: argparse.Namespace) -> None:
    """Write the stub of an exercise."""
    from tinytrain.cli.glance import command
    from tinytrain.course.exercises.folder import Folder

    one, folder = chosen(options), Folder(options.folder)
    if os.path.lexists(folder.file(one)):
        advice = f"go on with it, or: {command(options, 'reset', one.name)}"
        raise UsageError(f"{folder.file(one)}: is there already; {advice}")
    path = folder.start(one)
    print(textwrap.fill(f"{one.title}: {one.why}", 99), end="\n\n")
    print(
        f"Write the body of {one.function} in {path}, then: {command(options, 'check', one.name)}"
    )
    print(f"Stuck: {command(options, 'hint', one.name)}")


def check(options: argparse.Namespace) -> None:
    """Check one exercise, or all that are started. Raises NotYet where one is not passed."""
    from tinytrain.cli.glance import NotYet, command, not_passed
    from tinytrain.course.exercises.folder import Folder

    folder = Folder(options.folder)
    ones = [chosen(options)] if options.name else folder.started()
    if not ones:
        raise UsageError(f"{folder.path}: nothing started; {command(options, 'list')} shows what")
    reports = [check_one(folder, there(folder, one, options), options) for one in ones]
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=1, ensure_ascii=False))
    if failed := [report.name for report in reports if not report.passed]:
        raise NotYet(not_passed(options, *failed))


def check_one(folder: Folder, one: Exercise, options: argparse.Namespace) -> apart.Report:
    """Check an exercise, say what came of it, and note where it passed."""
    from tinytrain.cli.glance import command
    from tinytrain.course.exercises import apart

    digest = folder.digest(one)  # of what is checked, not of what is saved meanwhile
    report = apart.check(one, folder.file(one), options.limit)
    if report.passed:
        folder.note(one, passed=digest)
    if not options.json:
        print(report.as_text(), flush=True)
        if report.passed:
            print(f"The shipped one: {command(options, 'solution', one.name)}", flush=True)
    return report


def watch(options: argparse.Namespace) -> None:
    """Check an exercise whenever its file is saved, until Ctrl-C."""
    from tinytrain.course.exercises.folder import Folder

    folder = Folder(options.folder)
    options.json = False
    print(
        f"Watching {folder.path}: each file is checked when it is saved. Ctrl-C ends.", flush=True
    )
    for one in saved(folder, lambda: time.sleep(0.5)):
        print(f"\n{time.strftime('%H:%M:%S')} {folder.file(one)}", flush=True)
        try:
            check_one(folder, one, options)
        except UsageError as error:
            print(error, flush=True)


def saved(folder: Folder, wait: Callable[[], object]) -> Iterator[Exercise]:
    """The exercises whose files change, as they do; `wait` is called before each look.

    A file that is saved as it was has not changed.
    """
    seen = digests(folder)
    while True:
        wait()
        now = digests(folder)
        yield from (one for one, digest in now.items() if seen.get(one) != digest)
        seen |= now


def digests(folder: Folder) -> dict[Exercise, str]:
    """Of each file as it is; "" of one that cannot be read."""
    found = {}
    for one in folder.started():
        try:
            found[one] = folder.digest(one)
        except UsageError:
            if os.path.lexists(folder.file(one)):  # not just between two writes of an editor
                found[one] = ""
    return found


def hint(options: argparse.Namespace) -> None:
    """Give the next hint; after the last, all of them."""
    from tinytrain.cli.glance import command
    from tinytrain.course.exercises.folder import Folder

    one, folder = chosen(options), Folder(options.folder)
    given = folder.progress().get(one.name, {}).get("hints", 0)
    count = given + 1 if isinstance(given, int) and 0 <= given < len(one.hints) else 0
    shown = range(count - 1, count) if count else range(len(one.hints))
    for index in shown:
        said = f"Hint {index + 1} of {len(one.hints)}: {one.hints[index]}"
        print(textwrap.fill(said, 99))
    if count:
        folder.note(one, hints=count)
    else:
        print(f"Those were all. The answer: {command(options, 'solution', one.name, '--give-up')}")


def solution(options: argparse.Namespace) -> None:
    """Print the answer, after success."""
    from tinytrain.course.exercises.stub import answer, shipped_source

    one = after_success(options)
    print(f"# tinytrain: {one.shipped.__module__}.{one.function}\n")
    print(shipped_source(one), end="")
    if one.by_hand:
        print(f"\n# By hand, which is the exercise:\n\n{answer(one)}", end="")


def diff(options: argparse.Namespace) -> None:
    """Print what differs between the learner's file and one with the answer, after success."""
    from tinytrain.course.exercises import apart
    from tinytrain.course.exercises.folder import Folder
    from tinytrain.course.exercises.stub import answer, as_file

    one = after_success(options)
    path = Folder(options.folder).file(one)
    yours = apart.read(path).decode(errors="replace").splitlines()
    right = as_file(one, answer(one)).splitlines()
    lines = list(difflib.unified_diff(yours, right, str(path), "tinytrain", lineterm=""))
    print("\n".join(lines) or "no difference")


def after_success(options: argparse.Namespace) -> Exercise:
    """The exercise. Raises UsageError where it is not done and nobody gave up."""
    from tinytrain.course.exercises.folder import Folder

    one, folder = chosen(options), Folder(options.folder)
    if not options.give_up and not folder.progress().get(one.name, {}).get("passed"):
        raise UsageError(
            f"{one.name}: not passed yet; add --give-up to see the answer all the same"
        )
    return one


def reset(options: argparse.Namespace) -> None:
    """Begin an exercise again; the old file stays beside the new one."""
    from tinytrain.course.exercises.folder import Folder

    folder = Folder(options.folder)
    path, kept = folder.reset(there(folder, chosen(options), options))
    print(f"{path} is new; what you had is in {kept}")


WORDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": show_list,
    "start": start,
    "check": check,
    "watch": watch,
    "hint": hint,
    "diff": diff,
    "solution": solution,
    "reset": reset,
}
