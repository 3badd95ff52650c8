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

from tinytrain.cli.glance import NotYet, command, not_passed, written_name
from tinytrain.course import page
from tinytrain.course.exercises import EXERCISES, Exercise, apart
from tinytrain.course.exercises.folder import Folder
from tinytrain.course.exercises.stub import answer, as_file, shipped_source
from tinytrain.errors import UsageError, did_you_mean
from tinytrain.store.files import make_folder, write_file


def exercise(options: argparse.Namespace) -> None:
    """Do one of the things that the command can."""
    WORDS[options.what](options)


def chosen(options: argparse.Namespace) -> Exercise:
    """The exercise of that name. Raises UsageError."""
    name = written_name(options.name)
    if name not in EXERCISES:
        all_of_them = f"; {command(options, 'list')} shows which there are"
        close = did_you_mean(name, EXERCISES)
        raise UsageError(f"exercise {options.name}: no such exercise{close}{all_of_them}")
    return EXERCISES[name]


def there(folder: Folder, one: Exercise, options: argparse.Namespace) -> Exercise:
    """The exercise. Raises UsageError where it has no file in the folder."""
    if not os.path.lexists(folder.file(one)):
        made = command(options, "start", one.name)
        raise UsageError(f"{folder.file(one)}: is not there; {made} makes it")
    return one


def show_list(options: argparse.Namespace) -> None:
    """List the exercises, with what is done; or all answers."""
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
    where = f"{one.name}: {one.title} ({one.shipped.__module__}.{one.function})"
    hints = [f"  hint {number}: {hint}" for number, hint in enumerate(one.hints, 1)]
    return "\n".join([where, one.why, *hints, "", answer(one).rstrip()])


def start(options: argparse.Namespace) -> None:
    """Write the stub of an exercise."""
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
    one = after_success(options)
    print(f"# tinytrain: {one.shipped.__module__}.{one.function}\n")
    print(shipped_source(one), end="")
    if one.by_hand:
        print(f"\n# By hand, which is the exercise:\n\n{answer(one)}", end="")


def diff(options: argparse.Namespace) -> None:
    """Print what differs between the learner's file and one with the answer, after success."""
    one = after_success(options)
    path = Folder(options.folder).file(one)
    yours = apart.read(path).decode(errors="replace").splitlines()
    right = as_file(one, answer(one)).splitlines()
    lines = list(difflib.unified_diff(yours, right, str(path), "tinytrain", lineterm=""))
    print("\n".join(lines) or "no difference")


def after_success(options: argparse.Namespace) -> Exercise:
    """The exercise. Raises UsageError where it is not done and nobody gave up."""
    one, folder = chosen(options), Folder(options.folder)
    if not options.give_up and not folder.progress().get(one.name, {}).get("passed"):
        raise UsageError(
            f"{one.name}: not passed yet; add --give-up to see the answer all the same"
        )
    return one


def reset(options: argparse.Namespace) -> None:
    """Begin an exercise again; the old file stays beside the new one."""
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
