"""Exercises: no template passes, every answer does, and a planted mistake is shown in numbers.

Most checks run in this process; those about what a learner's file may do run as users run them.
"""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

import tinytrain
from tinytrain.cli.main import main, parse
from tinytrain.course.exercises import NAMES, exercise, exercises, file_name
from tinytrain.course.exercises.checking import check, process, template
from tinytrain.course.exercises.checking.compare import Borrowed, compare
from tinytrain.course.exercises.checking.exercise import Exercise
from tinytrain.course.exercises.checking.report import OTHER_NUMBERS
from tinytrain.errors import Diverged
from tinytrain.recipes import LADDER
from tinytrain.runs import user_file

every = pytest.mark.parametrize("one", exercises(), ids=NAMES)
SHUFFLED = "return torch.split(torch.randperm(count, generator=generator), batch_size)"
LOSS = "return -log_probabilities.gather(1, target[:, None]).mean()"
LAST = "last = accuracies[-LAST_EPOCHS:]"
VERDICT = "return len(last) == LAST_EPOCHS and min(last) >= TARGET_ACCURACY"
TALKING = f"""\
import torch
print("hello")
def shuffled(count, batch_size, generator):
    print(count)
    {SHUFFLED}
"""


def learned(one, source):
    """The function or class that a learner's file with this source defines."""
    text = template.as_file(one, source).encode()
    return user_file.run(Path("file.py"), text)[one.shipped.__name__]


def with_mistake(name, mistake):
    """A function or class with a known mistake in its answer."""
    one = exercise(name)
    return learned(one, template.with_mistake(one, mistake))


def checked(name, path, limit=60.0, demonstrate=False):
    """A check in this process; the engine runs only if it is asked for."""
    return check.check(exercise(name), path, lambda step: None, demonstrate)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of a learner; commands find it as `exercises`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "exercises"


@pytest.fixture
def quick(monkeypatch):
    """Checks run in this process, without the engine."""
    monkeypatch.setattr(process, "check", checked)


@pytest.fixture
def said(capsys):
    """`said(*words)`: what the command prints; with a status, its only line of errors."""

    def run(*words, status=0):
        capsys.readouterr()
        found = main(["exercise", *map(str, words)])
        output, errors = capsys.readouterr()
        assert found == status, errors
        if not status:
            return output
        assert errors.startswith("tinytrain: ") and errors.count("\n") == 1
        return errors + output

    return run


def write(folder, name, body="", mistake=None):
    """Write a learner's file: with this body, or with the answer and a known mistake in it."""
    folder.mkdir(parents=True, exist_ok=True)
    one, path = exercise(name), folder / file_name(name)
    text = template.template(one).replace(template.UNWRITTEN, body)
    if mistake is not None:
        text = template.as_file(one, template.with_mistake(one, mistake))
    path.write_text(text)
    return path


@every
def test_a_template_is_unwritten_and_keeps_signature_and_docstring(one):
    text = template.template(one)
    assert text.count(f"    {template.UNWRITTEN}\n") == 1
    report = compare(one, learned(one, template.with_body(one, template.UNWRITTEN)))
    assert report.differing == report.cases and report.error.startswith("NotImplementedError")
    assert template.with_body(one, template.UNWRITTEN) in text
    assert max(map(len, text.splitlines())) < 100


@every
def test_the_answer_is_right_and_borrows_nothing(one, global_generator_untouched):
    with global_generator_untouched(), check.in_place_of(one, check.raising(one)):
        assert compare(one, learned(one, template.answer(one))).passed


@pytest.mark.parametrize("name", ["log-softmax", "max-pool"])
def test_the_shipped_function_calls_torchs_own_and_is_noticed(name):
    with pytest.raises(Borrowed):
        compare(exercise(name), exercise(name).shipped)


@every
def test_a_known_mistake_is_named(one):
    """Each differs from the answer, and from all others; where it raises, the line is shown."""
    for name, (right, _) in one.known_mistakes.items():
        assert template.answer(one).count(right) == 1 or name == "rows counted from the top"
        report = compare(one, with_mistake(one.name, name))
        assert report.differing and report.arguments
        if report.error:
            assert re.search(r"\(line \d+: ", report.error)
        else:
            assert report.differences[0]["found"] != report.differences[0]["expected"]
            # What is drawn from torch's own generator is not the same twice.
            assert report.mistake == name or name == "drawn from torch's own generator"
            assert (report.mistake or "") in report.as_text()


def test_a_missing_return_is_shown(folder, quick, said):
    write(folder, "loss", "log_probabilities.mean()")
    text = said("check", "loss", status=1)
    assert "is a `return` missing?" in text or "yours None" in text


@pytest.mark.parametrize(
    "name, mistake, effect",
    [
        ("shuffle", "the last batch is dropped", "number of batches: yours 0, right 1"),
        ("shuffle", "every epoch alike", "share of rows that the next epoch puts in the same"),
        ("shuffle", "drawn from torch's own generator", "an equal generator gives the same order"),
        ("dropout", "every step alike", "share that the next call leaves alike: yours 1, right"),
        ("sgd", "one step count for all", "second parameter after step 2"),
        ("sgd", "not in place", "parameters changed in place: yours False"),
        ("adam", "one step count for all", "a second parameter, without a gradient (None) in st"),
        ("adam", "one step count for all", "second parameter after step 2"),
        ("adam", "not in place", "parameters changed in place: yours False"),
    ],
)
def test_a_report_names_the_effect_of_a_mistake(name, mistake, effect):
    assert effect in compare(exercise(name), with_mistake(name, mistake)).as_text()


@every
def test_an_exercise_is_whole(one):
    assert one.why and len(set(one.hints)) == len(one.hints) == 3 and not one.title.endswith(".")
    assert len(one.known_mistakes) >= 3 and set(one.rungs) <= LADDER.keys()
    for line in re.findall(r"python -m tinytrain (.*)", template.template(one)):
        assert parse(shlex.split(line)).command == "exercise"


def test_every_file_of_the_folder_is_an_exercise():
    files = Path(tinytrain.course.exercises.__file__).parent.glob("*.py")
    assert sorted(file.stem for file in files) == sorted(
        ["__init__", *(name.replace("-", "_") for name in NAMES)]
    )
    assert [one.name for one in exercises()] == [*NAMES]
    for name in NAMES:  # a field whose name is misspelt would not be one
        names = vars(sys.modules[f"tinytrain.course.exercises.{file_name(name)[:-3]}"])
        values = {name for name, value in names.items() if isinstance(value, str | tuple | dict)}
        own = {name for name in values if name.islower() and not name.startswith("_")}
        assert own <= Exercise.__dataclass_fields__.keys()


@pytest.mark.parametrize("name", ["value", "shuffle", "log-softmax", "adam"])
def test_a_call_of_the_shipped_function_is_noticed(name, folder, quick, said):
    shipped = exercise(name).shipped
    write(folder, name).write_text(f"from {shipped.__module__} import {shipped.__name__}\n")
    assert f"calls tinytrain's own {exercise(name).function}" in said("check", name, status=1)
    assert "0 of" in said("list")


@pytest.mark.parametrize(
    "call",
    [
        "input.log_softmax(dim)",
        "torch.softmax(input, dim).log()",
        "torch.special.log_softmax(input, dim)",
        "torch.ops.aten._log_softmax(input, dim, False)",
        "torch._C._special.special_log_softmax(input, dim)",
        "torch.nn.LogSoftmax(dim)(input)",
        "0\n    try: return input.log_softmax(dim)\n    except Exception: return input",
    ],
)
def test_a_call_of_torchs_own_function_is_noticed(call, folder, quick, said):
    write(folder, "log-softmax", f"return {call}".replace("return 0\n    ", ""))
    assert "calls torch's own" in said("check", "log-softmax", status=1)


def test_the_engine_is_put_back_after_a_check():
    modules = {one.name: sys.modules[one.shipped.__module__] for one in exercises()}
    before = {name: vars(module).copy() for name, module in modules.items()}
    for one in exercises():
        with check.in_place_of(one, None):
            assert vars(modules[one.name])[one.shipped.__name__] is None
    assert before == {name: vars(module) for name, module in modules.items()}


def test_from_start_to_solution(folder, quick, said):
    """The way of a learner: every word of the command, and the command that each says is next."""

    def follow(*words):
        text = said(*words)
        for line in re.findall(r"python -m tinytrain (exercise [^;\n]*)", text):
            assert parse(shlex.split(line)).command == "exercise"
        return text

    assert "0 of" in follow("list") and f"exercise start {NAMES[0]}" in follow("list")
    assert not folder.exists()
    assert str(Path("exercises") / "shuffle.py") in follow("start", "shuffle")
    assert "rename it" in said("start", "shuffle", status=2)
    assert "exercise hint shuffle" in said("check", "shuffle", status=1)
    for number in (1, 2, 3):
        assert f"Hint {number} of 3" in follow("hint", "shuffle")
    assert follow("hint", "shuffle").count("of 3: ") == 3
    assert "--give-up" in said("solution", "shuffle", status=2)
    assert "torch.split" in follow("solution", "shuffle", "--give-up")
    path = write(folder, "shuffle", SHUFFLED)
    mine = path.read_text()
    assert "passed" in follow("check", "shuffle.py") and "1 of" in follow("list")
    assert "def shuffled" in follow("solution", "shuffle")
    states = dict(line.split()[1::-1] for line in follow("list").splitlines()[: len(NAMES)])
    assert [*states] == [*NAMES] and (states["shuffle"], states["adam"]) == ("done", "open")
    path.write_text(mine + "# and more\n")
    assert "0 of" in follow("list")
    (folder / "progress.json").unlink()
    write(folder, "shuffle", SHUFFLED)
    assert "0 of" in follow("list") and "passed" in follow("check") and "1 of" in follow("list")


def test_a_check_as_json_is_a_line_for_each_exercise(folder, quick, said):
    """One that cannot be checked has its line, too, and the others are checked."""

    def rows(*words, status):
        lines = said("check", "--json", *words, status=status).splitlines()
        return [json.loads(line) for line in lines if not line.startswith("tinytrain: ")]

    (row,) = rows("adam", status=2)
    assert (row["exercise"], row["passed"], row["checked"]) == ("adam", False, False)
    assert "exercise start adam" in row["reason"] and row["mistake"] is None
    write(folder, "shuffle", SHUFFLED)
    assert [row["passed"] for row in rows("shuffle", status=0)] == [True]
    write(folder, "steps").write_text("1 / 0")
    write(folder, "loss", mistake="the sum")
    steps, shuffle, loss = rows(status=2)
    assert not steps["checked"] and "ZeroDivisionError" in steps["reason"] and shuffle["passed"]
    assert loss["checked"] and not loss["passed"] and loss["mistake"] == "the sum"
    assert loss["differences"][0].keys() == {"of", "found", "expected"}
    assert rows("loss", status=1) == [loss]


def test_a_class_is_graded(tmp_path, quick, said):
    """A row for each student, whatever is in the folder; nothing is written into it."""
    folder = tmp_path / "class"
    for student in ("carl", "dora", "empty", ".git"):
        (folder / student).mkdir(parents=True)
    (folder / "README.md").touch()
    write(folder / "anna", "shuffle", SHUFFLED)
    write(folder / "anna", "loss", mistake="the sum")
    write(folder / "bert" / "exercises", "shuffle", SHUFFLED)
    write(folder / "bert" / "exercises", "loss", LOSS)
    write(folder / "carl", "shuffle", "return 3")
    (folder / "carl" / "loss.py").write_text("raise SystemExit(0)")
    (folder / "dora" / "shuffle.py").symlink_to("nowhere")
    (folder / "dora" / "loss.py").write_text("def nll_loss(:")
    before = sorted(folder.rglob("*"))
    table = tmp_path / "new" / "grades.csv"
    words = "grade", folder, "shuffle", "loss=3"

    lines = said(*words, "--csv", table).splitlines()
    assert len(lines) == 5 and "1 of 2 passed, 1 of 4 points  loss: the sum" in lines[0]
    rows = {row["student"]: row for row in csv.DictReader(table.read_text().splitlines())}
    points = {name: row["passed"] + row["points"] for name, row in rows.items()}
    assert points == dict(anna="11", bert="24", carl="00", dora="00", empty="00")
    carl, dora = rows["carl"]["mistakes"], rows["dora"]["mistakes"]
    assert "shuffle: TypeError" in carl
    assert "loss: cannot be run: SystemExit" in carl
    assert "shuffle: cannot be" in dora and "loss: line 1: not a Python program" in dora
    assert rows["empty"]["mistakes"] == "shuffle, loss: no file"
    found = [json.loads(line) for line in said(*words, "--json").splitlines()]
    assert found[0]["mistakes"] == {"loss": "the sum"} and found[1]["mistakes"] == {}
    assert sorted(folder.rglob("*")) == before


def test_all_answers(said):
    text = said("list", "--answers")
    assert all(template.answer(one).rstrip() in text for one in exercises())
    assert all(hint in text for one in exercises() for hint in one.hints)


SHUFFLE, PROGRESS, OTHER = "shuffle.py", "progress.json", "holiday.txt"
REFUSED = [  # a file, its text, words of the command, and what the refusal names
    ("", "", "", "WORD"),
    ("", "", "nonsense", "nonsense"),
    ("", "", "start shufle", "close to it: shuffle"),
    ("", "", "hint nonsense", "python -m tinytrain exercise list shows which there are"),
    ("", "", "check", "nothing started"),
    ("", "", "check adam", "exercise start adam"),
    ("", "", "solution adam", "--give-up"),
    ("", "", "grade", "FOLDER"),
    ("", "", "grade nowhere", "nowhere: cannot be read"),
    ("", "", "grade .", "a folder for each student"),
    ("", "", "grade . shufle=2", "close to it: shuffle"),
    ("", "", "grade . shuffle=many", "many"),
    (
        OTHER,
        "",
        "list",
        "exercises: expected a folder of exercises, found holiday.txt; .*--folder",
    ),
    (OTHER, "", "start adam", "holiday.txt"),
    (OTHER, "", "check", "holiday.txt"),
    (OTHER, "", "list --folder exercises/holiday.txt", "holiday.txt: cannot be read as a folder"),
    (PROGRESS, "hello", "hint adam", "progress.json: .*delete it"),
    (PROGRESS, "[]", "hint adam", "progress.json: .*delete it"),
    (PROGRESS, '{"adam": 3}', "hint adam", "progress.json: .*delete it"),
    (SHUFFLE, "", "start shuffle", "is there already"),
    (SHUFFLE, "def shuffled(:", "check shuffle", "shuffle.py, line 1: not a Python program"),
    (SHUFFLE, "\0", "check shuffle", "shuffle.py, .*not a Python program"),
    (SHUFFLE, "x = 1", "check shuffle", "shuffle.py: expected a function shuffled, found none"),
    (SHUFFLE, "def shufled(): pass", "check shuffle", "close to it: shufled"),
    (SHUFFLE, "shuffled = 3", "check shuffle", "expected a function shuffled"),
    (SHUFFLE, "class shuffled: pass", "check shuffle", "expected a function shuffled"),
    (SHUFFLE, "import no_such_thing", "check shuffle", "ModuleNotFoundError.*line 1"),
    (SHUFFLE, "\n1 / 0", "check shuffle", "ZeroDivisionError.*line 2"),
    (SHUFFLE, "raise SystemExit(0)", "check shuffle", "SystemExit"),
]


@pytest.mark.parametrize("file, text, words, named", REFUSED)
def test_what_is_refused_is_named_and_nothing_is_written(
    file, text, words, named, folder, quick, said
):
    if file:
        folder.mkdir()
        (folder / file).write_text(text)
    assert re.search(named, said(*words.split(), status=2))
    files = {path.name: path.read_text() for path in folder.glob("*")}
    assert files == ({file: text} if file else {}) and folder.exists() == bool(file)


def test_a_file_that_cannot_be_read(folder, said):
    path = folder / "shuffle.py"
    path.mkdir(parents=True)
    assert "not a file" in said("check", "shuffle", status=2)
    path.rmdir()
    path.symlink_to("nowhere")
    assert "cannot be read" in said("check", "shuffle", status=2)
    assert "is there already" in said("start", "shuffle", status=2)
    if os.name != "nt" and os.geteuid():  # root may read every file
        path.unlink()
        path.touch(mode=0o000)
        assert "cannot be read" in said("check", "shuffle", status=2)


def test_an_unwritten_file_is_answered_without_torch(folder):
    write(folder, "shuffle", template.UNWRITTEN)
    call = "import sys; from tinytrain.cli.main import main; print(main(sys.argv[1:])); "
    call += "print('torch' in sys.modules)"
    status, output, errors = in_a_process(folder, "-c", call, "exercise", "check", "shuffle")
    assert (status, output.split()[-2:]) == (0, ["1", "False"]), errors
    assert "not yet; the body is still to be written" in output


def in_a_process(folder, *words):
    """Python with these arguments in the learner's folder: status, output and errors."""
    environment = dict(os.environ, PYTHONPATH=str(Path(tinytrain.__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def check_in_a_process(folder, text, *flags):
    """Check a file with this text for `shuffle` as a user does."""
    folder.mkdir()
    (folder / "shuffle.py").write_text(text)
    return in_a_process(folder, "-m", "tinytrain", "exercise", "check", "shuffle", *flags)


def test_an_endless_loop_is_stopped_though_it_prints(folder):
    status, _, errors = check_in_a_process(
        folder, "while True: print('x' * 1000)", "--limit", "0.3"
    )
    *printed, last = errors.splitlines()
    assert status == 2 and set("".join(printed)) == {"x"} and len("\n".join(printed)) <= 2000
    assert "not done after 0.3 s" in last and "running the file" in last


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_processes_that_a_file_starts_end_with_the_check_or_keep_nobody_waiting(folder):
    """One that leaves the group goes on, but the check does not wait for it."""
    forks = """\
import os, time
print('an unfinished line', end='')
for leaves in (False, False, True):
    if os.fork() == 0:
        if leaves:
            os.setsid()
            time.sleep(100)
            os._exit(0)
        while True:
            with open("alive", "a") as file:
                file.write("x")
            time.sleep(0.05)
while not os.path.exists("alive"):
    pass
shuffled = 3
"""
    started = time.monotonic()
    status, _, errors = check_in_a_process(folder, forks)
    assert time.monotonic() - started < 90
    assert status == 2 and "expected a function shuffled" in errors
    assert errors.splitlines()[0] == "an unfinished line"
    written = (folder.parent / "alive").stat().st_size
    time.sleep(0.5)
    assert (folder.parent / "alive").stat().st_size == written > 0


@pytest.fixture
def worked(tmp_path, monkeypatch):
    """`worked(name, body, both)`: the report's text; `both` stands for the engine's numbers."""

    def worked(name, body, both=check.both):
        monkeypatch.setattr(check, "both", both)
        return checked(name, write(tmp_path, name, body), demonstrate=True).as_text()

    return worked


def test_a_right_function_that_is_slow_shows(worked, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("time.slow", lambda: clock.append(clock.pop() + 7), raising=False)
    text = worked("verdict", f"import time; time.slow()\n    {LAST}\n    {VERDICT}")
    (times,) = re.findall(r"seconds +right +0\n +yours +(\d+)", text)
    assert "verdict: passed" in text and int(times) >= 7


@pytest.mark.parametrize("yours, explained", [(1.0, False), (2.0, True)])
def test_numbers_that_differ_where_no_case_does_are_explained(worked, yours, explained):
    text = worked("shuffle", SHUFFLED, lambda *_: ({"loss": [1.0]}, {"loss": [yours]}))
    assert "shuffle: passed" in text and (OTHER_NUMBERS in text) == explained


def test_nothing_is_trained_where_values_differ(worked):
    four = VERDICT.replace("len(last) == LAST_EPOCHS and ", "")
    text = worked("verdict", f"{LAST}\n    {four}", Mock(side_effect=AssertionError("trained")))
    assert "verdict: not yet" in text and "trained" not in text and "In the engine" not in text


def test_a_training_that_diverges_is_not_passed(worked):
    text = worked("shuffle", SHUFFLED, Mock(side_effect=Diverged("try a smaller rate (--lr)")))
    assert "shuffle: not yet" in text and "--lr" not in text


def test_another_way_to_shuffle_is_right_too():
    one = exercise("shuffle")
    other = "torch.split(torch.rand(count, generator=generator).argsort(), batch_size)"
    assert compare(one, learned(one, template.with_body(one, f"return {other}"))).passed


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
    limit = "5" if "while" in text else "300"
    found, printed, errors = check_in_a_process(folder, text, "--json", "--limit", limit)
    assert found == status and said in errors + printed
    if status == 0:
        report = json.loads(printed)
        assert report["exercise"] == "shuffle" and report["passed"] and report["checked"]
        assert report["right"]["loss"] == report["yours"]["loss"]


@pytest.mark.long
def test_a_student_whose_file_does_not_end_is_a_row(tmp_path, said):
    for student in ("anna", "bert"):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "steps.py").write_text("while True: print(1)")
    lines = said("grade", tmp_path / "class", "steps", "--limit", "0.2").splitlines()
    assert len(lines) == 2 and all("steps: not done after 0.2 s" in line for line in lines)


@pytest.mark.long
@every
def test_the_answer_works_in_the_engine(one):
    right, yours = check.both(one, learned(one, template.answer(one)))
    for name in right.keys() - {"seconds"}:
        tolerance = 0.3 if name == "test accuracy, %" else 1e-3
        assert yours[name] == pytest.approx(right[name], rel=tolerance), name


@pytest.mark.long
@pytest.mark.parametrize(
    "name, mistake",
    [
        ("log-softmax", "1 % too large"),
        ("batch-norm-backward", "1 % too large"),
        ("adam", "the learning rate is 1 % too high"),
        ("loss", "1 % too large"),
        ("sgd", "the learning rate is 1 % too high"),
    ],
)
def test_one_percent_shows_in_the_loss(name, mistake):
    right, yours = check.both(exercise(name), with_mistake(name, mistake))
    difference = (torch.tensor(yours["loss"]) / torch.tensor(right["loss"]) - 1).abs()
    assert float(difference.max()) > 0.001
