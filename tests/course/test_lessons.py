"""Lessons and other Markdown texts: complete; code and commands exist; formulas render."""

import re
import shlex
from xml.etree import ElementTree

import pytest

from tinytrain.cli.main import parse
from tinytrain.course import drawings
from tinytrain.course.exercises import exercises
from tinytrain.course.lessons import FOLDER, STEPS, parse_lesson, read_lesson, read_text, sections
from tinytrain.course.page.text import Renderer
from tinytrain.recipes import LADDER


def test_the_ladder_has_lessons_in_the_order_of_their_steps():
    assert {path.stem for path in (FOLDER / "rungs").iterdir()} == {*LADDER}
    steps = [read_lesson(name).step for name in LADDER]
    assert steps == sorted(steps) and set(steps) == {*STEPS}
    assert {read_lesson(name).drawing for name in LADDER} == {*drawings.DRAWINGS}


@pytest.mark.parametrize("name", LADDER)
def test_what_a_lesson_names_exists(name):
    lesson = read_lesson(name)
    parse(shlex.split(lesson.command))
    assert 2 <= len(lesson.source.splitlines()) <= 25 and '"""' not in lesson.source
    assert {*lesson.compare, lesson.against or name} <= {*LADDER}
    formulas = re.findall("<math.*?</math>", Renderer([]).block(lesson.formula))
    assert formulas and all(ElementTree.fromstring(formula) is not None for formula in formulas)


@pytest.mark.parametrize("change", [("## Idea", "## Ideas"), ("step: 1\n", ""), ("step", "stage")])
def test_a_lesson_with_a_part_missing_or_unknown(change):
    text = (FOLDER / "rungs" / "net1.md").read_text("utf-8")
    assert parse_lesson(text) == read_lesson("net1")
    with pytest.raises((TypeError, KeyError)):
        parse_lesson(text.replace(*change))


def test_commands_and_exercises_that_teachers_are_told_exist():
    commands = re.findall(r"`python -m tinytrain ([^`]+)`", read_text("teach"))
    assert len(commands) >= 8
    for command in commands:
        parse(shlex.split(command))
    started = {command.split()[2] for command in commands if command.startswith("exercise start")}
    assert started <= {one.name for one in exercises()}


def test_the_first_use_of_a_word_is_linked():
    renderer = Renderer(sections(read_text("glossary")))
    first = renderer.inline("A <rung> was held out; a rung held, `seed`.")
    assert first.count('href="#glossary-rung"') == 1 and "&lt;" in first
    assert "glossary-held-out" in first and 'href="#glossary-held"' in first
    assert "href" not in renderer.inline("A rung held.") + renderer.unlinked("A seed.")
    assert "glossary-seed" not in renderer.block("[A seed](#exercise-value)")
    assert "glossary-seed" in renderer.block("[A link](#exercise-value), a seed.")


def test_markup_and_scripts_in_a_text_stay_text():
    renderer = Renderer([])
    for render in (renderer.block, renderer.inline, renderer.unlinked):
        shown = render('1 < 2 & <script>alert("x")</script> [a](javascript:b)')
        assert "<script" not in shown and "<a" not in shown and "&lt;script&gt;" in shown
