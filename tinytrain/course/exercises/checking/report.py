"""The report of a check, as text for the learner and as plain values for tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OTHER_NUMBERS = """\
No case differs, but the engine's numbers do. A function that draws in another order than the
shipped one is right, and makes another run, as another seed does; if yours draws nothing, the
engine meets a case that was not drawn."""

Rows = Mapping[str, Sequence[float]]  # name → the numbers that the engine shows under it
Difference = dict[str, str]  # of: what differs, such as "result[0]"; found; expected


@dataclass(frozen=True)
class Report:
    """Whether an exercise is passed: no case differs, and the engine runs with the function.

    - `checked`: whether the file could be checked at all
    - `mistake`: the known mistake that gives the same numbers in all cases, if any
    - `reason`: why it is not passed or checked, where numbers alone do not say it
    - `cases`, `differing`: how many cases were drawn, and how many of them differ
    - `arguments`, `differences`: the smallest case that differs, and in what; `error`: what the
      learner's function raised there instead of an answer
    - `right`, `yours`: the engine's numbers with the shipped function and with the learner's
    - `printed`: the beginning of what the file printed
    """

    exercise: str
    passed: bool = False
    checked: bool = True
    mistake: str | None = None
    reason: str = ""
    cases: int = 0
    differing: int = 0
    arguments: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    error: str = ""
    right: Rows = field(default_factory=dict)
    yours: Rows = field(default_factory=dict)
    printed: str = ""

    def as_text(self) -> str:
        """The report in lines."""
        reason = f"; {self.reason}" if self.reason else ""
        lines = [f"{self.exercise}: {'passed' if self.passed else 'not yet'}{reason}"]
        if self.differing:
            lines.append(f"{self.differing} of {self.cases} cases differ. The smallest:")
            lines += [f"  {line}" for line in self.arguments]
            lines.append(f"raises {self.error}" if self.error else "gives")
            form = "  {of}: yours {found}, right {expected}"
            lines += [form.format(**difference) for difference in self.differences]
        elif self.cases:
            lines.append(f"All {self.cases} drawn cases agree with the shipped function.")
        if self.mistake:
            lines.append(f"Your numbers are those of a known mistake: {self.mistake}.")
        if self.yours:
            lines.append("In the engine:")
        other = False
        for name, numbers in self.right.items():
            right, yours = digits(numbers), digits(self.yours.get(name, []))
            lines += [f"  {name:<24} right  {right}", f"  {'':<24} yours  {yours}"]
            other |= right != yours and name != "seconds"
        if self.passed and other:
            lines.append(OTHER_NUMBERS)
        return "\n".join(lines)


def digits(numbers: Sequence[float]) -> str:
    """Numbers as they are shown, four digits each."""
    return " ".join(f"{number:7.4g}" for number in numbers)
