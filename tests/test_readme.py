"""What the README shows can be done as it stands there."""

import re
import shlex
from pathlib import Path

from tinytrain import data
from tinytrain.cli.main import parse

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_its_program_trains(tiny, monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda name: tiny)
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(program, {"__name__": "readme"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]


def test_its_commands_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(re.search(r'`(\{"base".*?\})`', README)[1])
    lines = re.findall(r"^python -m tinytrain (.*)$", README, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        options = parse(shlex.split(line, comments=True))
        assert options.command == line.split()[0]
