"""Exercises: no stub passes, every answer does, and what is planted in one is said in numbers.

Here the learner's file is run in this process; that it has one of its own is in the tests that are
marked `long`, and in the few that are about what such a file can do.
"""

from __future__ import annotations

import ast
import html
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from test_cli import fails

import tinytrain
from tinytrain.cli import exercise as command
from tinytrain.cli.main import main, parse
from tinytrain.course.exercises import EXERCISES, apart, engine, stub
from tinytrain.course.exercises.compare import Borrowed, Unwritten, compare
from tinytrain.course.exercises.folder import Folder
from tinytrain.course.exercises.printed import SHOWN, Printed
from tinytrain.errors import Diverged
from tinytrain.recipes import LADDER
from tinytrain.runs import net_file

ALL = list(EXERCISES.values())
PLANTED = [(one, name) for one in ALL for name in one.mistakes]
every = pytest.mark.parametrize("one", ALL, ids=EXERCISES)
planted = pytest.mark.parametrize(
    "one, mistake", PLANTED, ids=[f"{one.name}: {name}" for one, name in PLANTED]
)
SHUFFLED = "return torch.split(torch.randperm(count, generator=generator), batch_size)"


VERDICT = "return len(last) == LAST_EPOCHS and min(last) >= TARGET_ACCURACY"
TALKING = f"""\
import torch
print("hello")
def shuffled(count, batch_size, generator):
    print(count)
    {SHUFFLED}
"""


def made(one, source):
    """What a learner's file with this source defines."""
    name = one.shipped.__name__
    text = stub.as_file(one, source).encode()
    return net_file.run(Path(one.file), text)[name]


def with_mistake(one, mistake):
    """The answer with a mistake planted in it, as a source."""
    right, wrong = one.mistakes[mistake]
    source = stub.answer(one)
    assert source.count(right) == 1 or mistake == "rows counted from the top"
    return source.replace(right, wrong)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder of a learner's; commands find it as `exercises`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "exercises"


@pytest.fixture
def here(monkeypatch):
    """Checks run in this process, and the engine does nothing."""

    def check(one, path, limit):
        apart.read(path)
        return apart.report(one, apart.checked(one, path, dict, work=False))

    monkeypatch.setattr(apart, "check", check)


def write(folder, one, body):
    """Write a body into a learner's file."""
    path = folder / one.file
    path.write_text(path.read_text().replace(stub.UNWRITTEN, body))
    return path


@every
def test_a_stub_is_unwritten_and_keeps_what_is_said_of_it(one):
    defined = net_file.run(Path(one.file), stub.stub(one).encode())
    with pytest.raises(Unwritten):
        compare(one, defined[one.shipped.__name__])
    tree = ast.parse(stub.stub(one))
    found = stub.written(one, stub.named(tree, one.shipped.__name__))
    shipped = stub.written(one, stub.definition(one))
    assert ast.unparse(found.args) == ast.unparse(shipped.args)
    assert ast.get_docstring(found) == ast.get_docstring(shipped)
    assert len(found.body) == 1 + (ast.get_docstring(found) is not None)
    assert max(map(len, stub.stub(one).splitlines())) < 100


@every
def test_the_shipped_function_is_right(one, global_generator_untouched):
    with global_generator_untouched():
        assert not compare(one, one.shipped).differing
    if one.kernels and one.by_hand:
        with pytest.raises(Borrowed):
            compare(one, one.shipped, one.kernels)


@every
def test_the_answer_is_right_and_borrows_nothing(one):
    with engine.in_place_of((one.shipped, *one.replaces), engine.out_of_reach(one)):
        found = made(one, stub.answer(one))
        assert not compare(one, found, one.kernels).differing


@planted
def test_a_mistake_shows_in_numbers(one, mistake):
    found = compare(one, made(one, with_mistake(one, mistake)), one.kernels, enough=1)
    assert found.differing and found.arguments
    said = found.as_text()
    if found.error:
        assert re.search(r"\(line \d+: ", said)
    else:
        yours, right = re.search(r": yours (.+), right (.+)", said).groups()
        assert yours != right


@pytest.mark.parametrize(
    "name, mistake, effect",
    [
        ("shuffle", "the only batch is dropped", "number of batches: yours 0, right 1"),
        ("shuffle", "every epoch alike", "share of rows that the next epoch deals to the same"),
        ("shuffle", "from torch's own generator", "an equal generator deals the same order again"),
        ("dropout", "every step alike", "share that the next call leaves alike: yours 1, right"),
        ("sgd", "one count for all", "second parameter after step 2"),
        ("sgd", "not in place", "changed in place, where they lie (1 is yes): yours 0"),
        ("adam", "one count for all", "a second parameter, without a gradient (None) in step 1"),
        ("adam", "one count for all", "second parameter after step 2"),
        ("adam", "not in place", "changed in place, where they lie (1 is yes): yours 0"),
        ("receptive-field", "always along the height", "axis = 1"),
        ("receptive-field", "measured is not carried on", "measured: yours False, right True"),
        ("receptive-field", "its own place is a window", "length of the list: yours 2, right 1"),
        ("receptive-field", "an image that does not fit is made larger", "right ValueError"),
    ],
)
def test_a_message_names_the_effect(name, mistake, effect):
    one = EXERCISES[name]
    assert effect in compare(one, made(one, with_mistake(one, mistake)), one.kernels).as_text()


@every
def test_an_exercise_is_whole(one):
    assert len(one.mistakes) >= 3 and len(set(one.hints)) == 3
    assert set(one.rungs) <= LADDER.keys()
    assert one.name == one.file.removesuffix(".py").replace("_", "-")


@every
def test_commands_in_what_is_said_are_known(one):
    said = " ".join([stub.stub(one), one.why, *one.hints])
    for line in re.findall(r"python -m tinytrain (.*)", said):
        assert parse(shlex.split(line)).command == "exercise"


def test_there_are_about_twenty_in_the_order_of_the_engine():
    assert 18 <= len(ALL) <= 24
    assert ALL[0].name == "idx-header" and ALL[-1].name == "verdict"
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert f"{len(ALL)} of its functions" in readme and f"# {len(ALL)} of them" in readme


@pytest.mark.parametrize("name", ["shuffle", "log-softmax", "adam"])
def test_what_calls_the_shipped_one_is_noticed(name, folder, here, capsys):
    one = EXERCISES[name]
    assert main(["exercise", "start", name]) == 0
    path = folder / one.file
    module = one.shipped.__module__
    path.write_text(f"from {module} import {one.shipped.__name__}\n")
    assert main(["exercise", "check", name]) == 1
    assert f"calls tinytrain's own {one.function}" in capsys.readouterr().out
    assert main(["exercise", "list"]) == 0
    assert "0 of" in capsys.readouterr().out


def test_torchs_own_is_noticed(folder, here, capsys):
    assert main(["exercise", "start", "log-softmax"]) == 0
    write(folder, EXERCISES["log-softmax"], "return input.log_softmax(dim)")
    assert main(["exercise", "check", "log-softmax"]) == 1
    assert "calls torch's own log_softmax" in capsys.readouterr().out


def test_the_engine_is_as_it_was_after_a_check():
    before = {one.name: vars(sys.modules[one.shipped.__module__]).copy() for one in ALL}
    for one in ALL:
        with engine.in_place_of((one.shipped, *one.replaces), None):
            assert vars(sys.modules[one.shipped.__module__])[one.shipped.__name__] is None
    assert before == {one.name: vars(sys.modules[one.shipped.__module__]) for one in ALL}


def test_from_start_to_solution(folder, here, capsys):
    """The way of a learner: every word of the command, and what each says to do next."""

    def said(*words):
        assert main(["exercise", *words]) == 0, capsys.readouterr().err
        text = capsys.readouterr().out
        for line in re.findall(r"python -m tinytrain (exercise [^;\n]*)", text):
            parse(shlex.split(line))
        return text

    one = EXERCISES["shuffle"]
    assert "0 of" in said("list") and "exercise start idx-header" in said("list")
    assert not folder.exists()
    assert str(Path("exercises") / "shuffle.py") in said("start", "shuffle")
    again = "is there already; go on with it, or: python -m tinytrain exercise reset shuffle"
    assert fails(capsys, 2, ["exercise", "start", "shuffle"], again)
    assert fails(capsys, 1, ["exercise", "check", "shuffle"], "exercise hint shuffle")
    for number in (1, 2, 3):
        assert f"Hint {number} of 3" in said("hint", "shuffle")
    assert said("hint", "shuffle").count("of 3: ") == 3
    for word in ("solution", "diff"):
        assert fails(capsys, 2, ["exercise", word, "shuffle"], "--give-up")
        assert "torch.split" in said(word, "shuffle", "--give-up")
    path = write(folder, one, SHUFFLED)
    mine = path.read_text()
    assert "passed" in said("check", "shuffle") and "1 of" in said("list")
    assert said("diff", "shuffle") == "no difference\n"
    assert "def shuffled" in said("solution", "shuffle")
    rows = {row["name"]: row for row in json.loads(said("list", "--json"))}
    assert rows["shuffle"]["state"] == "done" and rows["shuffle"]["hints"] == 3
    assert rows["adam"]["state"] == "open" and len(rows) == len(ALL)
    path.write_text(mine + "# and more\n")
    assert "0 of" in said("list")
    said("reset", "shuffle")
    said("reset", "shuffle")
    assert (folder / "shuffle.old1.py").read_text() == mine + "# and more\n"
    assert path.read_text() == (folder / "shuffle.old2.py").read_text() == stub.stub(one)
    (folder / "progress.json").unlink()
    assert "0 of" in said("list")
    write(folder, one, SHUFFLED)
    assert "passed" in said("check") and "1 of" in said("list")


def test_all_answers_as_one_page(folder, capsys):
    assert main(["exercise", "list", "--answers"]) == 0
    text = capsys.readouterr().out
    assert all(stub.answer(one).rstrip() in text and one.hints[2] in text for one in ALL)
    output = folder.parent / "teacher" / "answers.html"
    assert main(["exercise", "list", "--answers", "--output", str(output)]) == 0
    page = output.read_text()
    assert all(html.escape(stub.answer(one).rstrip(), False) in unquoted(page) for one in ALL)
    assert page.count("<section") == len(ALL) and "://" not in page and "src=" not in page
    assert fails(capsys, 2, ["exercise", "list", "--output", "a.html"], "--answers")


def unquoted(page):
    """The page, with quotation marks as they are in a source."""
    return page.replace("&#34;", '"').replace("&#39;", "'")


BROKEN = {
    "no Python": ("def shuffled(:", "line 1", "not a Python program"),
    "missing": ("x = 1", "expected a function shuffled, found none"),
    "renamed": ("def shufled(): pass", "close to it: shufled"),
    "no function": ("shuffled = 3", "expected a function shuffled"),
    "a class": ("class shuffled: pass", "expected a function shuffled"),
    "a failing import": ("import nothing_of_that_name", "ModuleNotFoundError", "line 1"),
    "an error": ("\n1 / 0", "ZeroDivisionError", "line 2"),
    "an end": ("raise SystemExit(0)", "SystemExit"),
    "no text": ("\0", "not a Python program"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_checked(kind, folder, here, capsys):
    text, *named = BROKEN[kind]
    folder.mkdir()
    (folder / "shuffle.py").write_text(text)
    path = Path("exercises") / "shuffle.py"
    assert fails(capsys, 2, ["exercise", "check", "shuffle"], path, *named)
    assert (folder / "shuffle.py").read_text() == text


def test_a_file_that_cannot_be_read(folder, capsys):
    (folder / "shuffle.py").mkdir(parents=True)
    check = ["exercise", "check", "shuffle"]
    assert fails(capsys, 2, check, "shuffle.py", "not a file")
    (folder / "shuffle.py").rmdir()
    assert fails(capsys, 2, check, "not there", "exercise start shuffle")
    (folder / "shuffle.py").symlink_to("nowhere")
    assert fails(capsys, 2, check, "cannot be read")
    assert fails(capsys, 2, ["exercise", "start", "shuffle"], "is there already")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_rights(folder, capsys):
    folder.mkdir()
    (folder / "shuffle.py").touch(mode=0o000)
    assert fails(capsys, 2, ["exercise", "check", "shuffle"], "cannot be read")


def test_a_folder_that_holds_something_else(folder, capsys):
    folder.mkdir()
    (folder / "holiday.txt").touch()
    for words in (["list"], ["start", "adam"], ["check"], ["reset", "adam"], ["watch"]):
        assert fails(capsys, 2, ["exercise", *words], "exercises", "holiday.txt", "--folder")
    file = str(folder / "holiday.txt")
    assert fails(capsys, 2, ["exercise", "list", "--folder", file], file, "as a folder")
    assert [one.name for one in folder.iterdir()] == ["holiday.txt"]


def test_progress_that_is_none(folder, capsys):
    folder.mkdir()
    for text in ("hello", "[]", '{"adam": 3}'):
        (folder / "progress.json").write_text(text)
        assert fails(capsys, 2, ["exercise", "list"], "progress.json", "delete it")


@pytest.mark.parametrize(
    "words, named",
    [
        ([], "WORD"),
        (["nonsense"], "nonsense"),
        (["start", "shufle"], "close to it: shuffle"),
        (["hint", "nonsense"], "python -m tinytrain exercise list shows which there are"),
        (["check"], "nothing started"),
        (["reset", "adam"], "exercise start adam"),
        (["solution", "adam"], "--give-up"),
    ],
)
def test_words_that_are_wrong(words, named, folder, capsys):
    assert fails(capsys, 2, ["exercise", *words], named)
    assert not folder.exists()


def test_what_is_saved_is_noticed(folder):
    folder.mkdir()
    (folder / "adam.py").write_text("1")

    def save():
        (folder / "adam.py").write_text("1")  # as it was
        text = texts.pop(0)
        (folder / "shuffle.py").write_text(text) if text else (folder / "shuffle.py").unlink()

    texts = ["x", "x", "", "x", "y"]
    seen = command.saved(Folder(folder), save)
    assert next(seen) is EXERCISES["shuffle"] and len(texts) == 4
    assert next(seen) is EXERCISES["shuffle"] and not texts


def test_watching_says_what_is_checked(folder, here, monkeypatch, capsys):
    folder.mkdir()
    (folder / "shuffle.py").write_text("x = 1")
    monkeypatch.setattr(command, "saved", lambda *_: [EXERCISES["shuffle"]])
    assert main(["exercise", "watch"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\n\d\d:\d\d:\d\d exercises.shuffle\.py\n.* expected a function", said)


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "not yet; the body of shuffled is still to be written"),
        ("class Adam:\n def step(self):\n  raise NotImplementedError()", "the body of Adam.step"),
        ("def shuffled(:", "line 1: not a Python program"),
    ],
)
def test_what_is_seen_at_a_glance_needs_no_torch(text, said, folder):
    folder.mkdir()
    (folder / "shuffle.py").write_text(text or stub.stub(EXERCISES["shuffle"]))
    call = "import sys; from tinytrain.cli.main import main; print(main(sys.argv[1:])); "
    call += "print('torch' in sys.modules)"
    words = [sys.executable, "-c", call, "exercise", "check", "shuffle"]
    done = subprocess.run(
        words, cwd=folder.parent, env=here_first(), capture_output=True, text=True
    )
    assert said in done.stdout + done.stderr
    assert done.stdout.split()[-2:] == ["2" if "program" in said else "1", "False"]


def here_first():
    """The environment of a process that finds this package."""
    return dict(os.environ, PYTHONPATH=str(Path(tinytrain.__file__).parents[1]))


def in_a_process(folder, *words):
    """The command in a process of its own: status, what it printed, and the errors."""
    call = [sys.executable, "-m", "tinytrain", "exercise", *words]
    done = subprocess.run(
        call, cwd=folder.parent, env=here_first(), capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_an_endless_loop_is_stopped_though_it_prints(folder):
    folder.mkdir()
    (folder / "shuffle.py").write_text("while True: print('on')")
    status, _, errors = in_a_process(folder, "check", "shuffle", "--limit", "0.3")
    *printed, last = errors.splitlines()
    assert status == 2 and printed == ["on"] * SHOWN
    assert "not done after 0.3 s" in last and "printed lines or more" in last


def test_the_first_lines_of_what_is_printed_are_shown(capfd):
    told = []
    printed = Printed(lambda **said: told.append(said["printed"]))
    text = printed.as_text("utf-8")
    for line in range(100):
        print(f"line {line} …", file=text)
    print("x" * 10**6, end="", file=text)
    assert len(printed.rest) < 1000
    printed.end()
    *shown, last = capfd.readouterr().err.splitlines()
    assert shown == [f"line {line} …" for line in range(SHOWN)]
    assert last == f"... and {101 - SHOWN} more lines" and told == [32, 64]


def test_what_is_printed_ends_with_its_line(capfd):
    printed = Printed(dict)
    print("here", end="", file=printed.as_text("utf-8"))
    printed.end()
    assert capfd.readouterr().err == "here\n"


def worked(one, body, tmp_path):
    """The report of a check in this process, the training with it."""
    path = tmp_path / one.file
    path.write_text(stub.stub(one).replace(stub.UNWRITTEN, body))
    return apart.report(one, apart.checked(one, path, dict)).as_text()


def test_a_right_function_that_is_slow_shows(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("time.slow", lambda: clock.append(clock.pop() + 7), raising=False)
    slow = "import time; time.slow()\n    last = accuracies[-LAST_EPOCHS:]\n"
    said = worked(EXERCISES["verdict"], slow + f"    {VERDICT}", tmp_path)
    (times,) = re.findall(r"seconds +right +0\n +yours +(\d+)", said)
    assert "verdict: passed" in said and int(times) >= 7


def test_what_the_engine_says_besides(tmp_path, monkeypatch):
    verdict, shuffle = EXERCISES["verdict"], EXERCISES["shuffle"]
    four = VERDICT.replace("len(last) == LAST_EPOCHS and ", "")
    said = worked(verdict, f"last = accuracies[-LAST_EPOCHS:]\n    {four}", tmp_path)
    assert "not yet" in said and "does not notice the mistake" in said
    for yours, remark in (([1.0], ""), ([2.0], "another run, as with another seed.")):
        monkeypatch.setattr(engine, "both", lambda *_, row=yours: ({"loss": [1.0]}, {"loss": row}))
        assert worked(shuffle, SHUFFLED, tmp_path).endswith(remark or "1")
    monkeypatch.setattr(engine, "both", Mock(side_effect=Diverged("try a smaller rate (--lr)")))
    said = worked(shuffle, "return ()", tmp_path)
    assert "the loss is no finite number" in said and "--lr" not in said


def test_another_shuffle_is_right_too():
    one = EXERCISES["shuffle"]
    other = "torch.split(torch.rand(count, generator=generator).argsort(), batch_size)"
    assert not compare(one, made(one, stub.with_body(one, f"return {other}"))).differing


@pytest.mark.long
@pytest.mark.parametrize(
    "text, status, said",
    [
        ("def shuffled(*_):\n while True: pass", 2, "stopped in the case count"),
        ("import os; os._exit(0)", 2, "ended the check itself (status 0) in running the file"),
        ("def shuffled(*_): raise SystemExit", 2, "ended the check itself"),
        (TALKING, 0, "hello"),
    ],
)
def test_a_file_may_do_anything(folder, text, status, said):
    folder.mkdir()
    (folder / "shuffle.py").write_text(text)
    limit = "15" if "while" in text else "300"
    found, printed, errors = in_a_process(folder, "check", "shuffle", "--json", "--limit", limit)
    assert found == status and said in errors and "Traceback" not in errors
    if status == 0:
        (report,) = json.loads(printed)
        assert report["passed"] and report["right"]["loss"] == report["yours"]["loss"]


@pytest.mark.long
@every
def test_the_answer_works_in_the_engine(one):
    right, yours = engine.both(one, made(one, stub.answer(one)))
    for name in right.keys() - {"seconds"}:
        tolerance = 0.3 if name == "test accuracy, %" else 1e-3
        assert yours[name] == pytest.approx(right[name], rel=tolerance), name


@pytest.mark.long
@pytest.mark.parametrize(
    "name, mistake",
    [
        ("log-softmax", "1 % too large"),
        ("batch-norm-backward", "1 % too large"),
        ("adam", "the rate is 1 % too high"),
        ("loss", "1 % too large"),
        ("sgd", "the rate is 1 % too high"),
    ],
)
def test_one_percent_shows_in_the_curve(name, mistake):
    one = EXERCISES[name]
    right, yours = engine.both(one, made(one, with_mistake(one, mistake)))
    apart_by = (torch.tensor(yours["loss"]) / torch.tensor(right["loss"]) - 1).abs()
    assert float(apart_by.max()) > 0.001
    shown = engine.as_text(right, yours).splitlines()
    assert shown[0].split("right")[1].split() != shown[1].split("yours")[1].split()
